import Checkpoints
import Datasets
import Foundation
import Jobs

/// The readers of files that others may have written or damaged, each as a function of bytes that must come back: with a
/// value or an error, never with a crash, and with no more memory than the bytes justify.
///
/// The fuzzer (`make torture`) and the replay of what it has found (`make test`) call the same functions.
public enum FuzzTarget: String, CaseIterable, Sendable {
    /// A job file.
    case job
    /// The values of `--set`, one a line.
    case overrides
    /// An IDX file of images, plain or gzip.
    case images
    /// An IDX file of labels.
    case labels
    /// A checkpoint's manifest; its own hash is made to fit, so that what follows is reached.
    case manifest
    /// An HDF5 file with a checkpoint, as libhdf5 sees it once its hash was found right.
    case checkpoint
    /// The heartbeat of a rank.
    case heartbeat
    /// `outcome.json`.
    case outcome
    /// A log of steps.
    case steps

    /// Where files lie that are read by their path: in memory.
    private static let folder: String = {
        let path = "/dev/shm/diptych-fuzz-\(getpid())"
        try? FileManager.default.createDirectory(atPath: path + "/logs/heartbeats", withIntermediateDirectories: true)
        atexit { try? FileManager.default.removeItem(atPath: "/dev/shm/diptych-fuzz-\(getpid())") }
        return path
    }()

    /// Reads some bytes.
    public func read(_ bytes: [UInt8]) {
        let directory = RunDirectory(Self.folder)
        switch self {
        case .job: _ = try? Job.decode(String(decoding: bytes, as: UTF8.self), file: "fuzz")
        case .overrides:
            let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
            _ = try? Job.decode(Self.smallJob, file: "fuzz", overrides: lines)
        case .images:
            Self.write(bytes, "images")
            _ = try? Catalogue.load(DataSource(reader: .idx, images: Self.folder + "/images"))
        case .labels:
            Self.write(bytes, "labels")
            Self.write([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 7, 8], "two")
            _ = try? Catalogue.load(
                DataSource(reader: .idx, images: Self.folder + "/two", labels: Self.folder + "/labels"))
        case .manifest: _ = try? Manifest(Self.withOwnHash(bytes), path: "fuzz")
        case .checkpoint: _ = try? Checkpoint(from: HDF5File.open(image: bytes, label: "fuzz"))
        case .heartbeat:
            Self.write(bytes, "logs/heartbeats/0")
            _ = Heartbeat.readAll(in: directory)
        case .outcome:
            Self.write(bytes, "outcome.json")
            _ = Outcome.read(from: directory)
        case .steps:
            Self.write(bytes, "logs/x.jsonl")
            let path = directory.log(of: "x")
            _ = StepLog.last(path: path)
            _ = try? StepLog(path: path).cutBack(toStep: 1000)
        }
    }

    private static func write(_ bytes: [UInt8], _ name: String) {
        _ = FileManager.default.createFile(atPath: "\(folder)/\(name)", contents: Data(bytes))
    }

    /// The bytes with the hash that a manifest must hold of itself, if there is a place for it.
    private static func withOwnHash(_ bytes: [UInt8]) -> [UInt8] {
        let label = Array(#""manifest_sha256": ""#.utf8)
        guard let start = bytes.firstRange(of: label)?.upperBound, start + 64 <= bytes.count else { return bytes }
        var bytes = bytes
        bytes.replaceSubrange(start..<start + 64, with: repeatElement(UInt8(ascii: "0"), count: 64))
        bytes.replaceSubrange(start..<start + 64, with: sha256Hex(bytes).utf8)
        return bytes
    }

    static let smallJob = """
        name: small
        data: {images: /data/images.idx, members: 100}
        model: {channels: [8, 16], attention: [false, true], norm_groups: 8}
        defence: distillmd
        teach: {steps: 10, batch: 12, images_per_lane: 2}
        distill: {steps: 10, batch: 12, images_per_lane: 3}

        """
}

extension FuzzTarget {
    /// Honest files, from which fuzzing starts.
    public func seeds() throws -> [[UInt8]] {
        switch self {
        case .job: return [Array(Self.smallJob.utf8), Array(try Job.decode(Self.smallJob, file: "seed").resolved.utf8)]
        case .overrides: return [Array("teach.steps=5\nmodel.channels=[8, 8]\nname=\"x\"".utf8)]
        case .images:
            let plain: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2] + (0..<12)
            let colour: [UInt8] = [0, 0, 8, 4, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2] + (0..<6)
            return [plain, colour, try Self.gzip(plain)]
        case .labels:
            let plain: [UInt8] = [0, 0, 8, 1, 0, 0, 0, 2, 3, 4]
            return [plain, try Self.gzip(plain)]
        case .manifest, .checkpoint:
            let store = CheckpointStore(directory: Self.folder + "/seed-\(UInt64.random(in: 0 ... .max))")
            defer { try? FileManager.default.removeItem(atPath: store.directory) }
            let entries = [
                Checkpoint.Entry(name: "bias", shape: [3], offset: 0, count: 3),
                Checkpoint.Entry(name: "weight", shape: [20, 20], offset: 3, count: 400),
            ]
            let vector = (0..<403).map { Float($0 % 7) }
            let manifest = try store.save(
                Checkpoint(
                    model: "teacher-0", phase: "teach", step: 1, jobHash: "ab", entries: entries, weights: vector,
                    ema: vector, firstMoment: vector, secondMoment: vector))
            if self == .manifest { return [manifest.encoded()] }
            return [Array(try Data(contentsOf: URL(filePath: store.path(model: "teacher-0", step: 1))))]
        case .heartbeat:
            let beat = Heartbeat(
                rank: 0, phase: .teach, model: "teacher-0", step: 1, totalSteps: 2, loss: 0.5, imagesPerSecond: 3)
            return [Array(try JSONEncoder().encode(beat))]
        case .outcome: return [Array(try JSONEncoder().encode(Outcome(exit: .done, weightsSHA256: ["student": "ab"])))]
        case .steps:
            let record = StepRecord(step: 0, loss: 0.5, learningRate: 1e-3, gradientNorm: 1)
            return [Array((record.line + record.line).utf8)]
        }
    }

    private static func gzip(_ bytes: [UInt8]) throws -> [UInt8] {
        let path = folder + "/seed"
        _ = FileManager.default.createFile(atPath: path, contents: Data(bytes))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["gzip", "-c", "-n", path]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let packed = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return Array(packed)
    }
}
