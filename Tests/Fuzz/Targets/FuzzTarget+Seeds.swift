import Checkpoints
import Datasets
import Foundation
import Jobs
import Tensor

extension FuzzTarget {
    /// Honest files, from which fuzzing starts.
    public func seeds() throws -> [[UInt8]] {
        switch self {
        case .job:
            return [Array(FuzzFiles.smallJob.utf8), Array(FuzzFiles.job.resolved.utf8)]
        case .overrides: return [Array("teach.steps=5\nmodel.channels=[8, 8]\nname=\"x\"".utf8)]
        case .commandLine:
            let run = "run\njob.yaml\n--ranks\n2\n--set\nteach.steps=5\n--extend\n--json"
            return [run, "audit\nruns/a\n--budget=10m\n--weights\nraw", "train\n--run\nruns/a"].map { Array($0.utf8) }
        case .environment:
            let slurm = "SLURM_JOB_ID=5\nSLURM_JOB_NUM_NODES=3\nSLURM_TASKS_PER_NODE=2(x2),1"
            let array = "SLURM_JOB_CPUS_PER_NODE=4(x3)\nSLURM_ARRAY_JOB_ID=4\nSLURM_ARRAY_TASK_ID=1"
            return ["\(slurm)\n\(array)\nSLURM_JOB_NODELIST=n[1-3]", "TERM=xterm\nLANG=C.UTF-8\nTMPDIR=/var/tmp"].map {
                Array($0.utf8)
            }
        case .images:
            let plain: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2] + (0..<12)
            let colour: [UInt8] = [0, 0, 8, 4, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2] + (0..<6)
            return [plain, colour, try Self.gzip(plain)]
        case .labels:
            let plain: [UInt8] = [0, 0, 8, 1, 0, 0, 0, 2, 3, 4]
            return [plain, try Self.gzip(plain)]
        case .manifest, .checkpoint: return [try savedCheckpoint()]
        case .split: return [try savedSplit()]
        case .keys:
            // RFC 8410, section 10.
            return [
                ("PRIVATE", "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC"),
                ("PUBLIC", "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="),
            ].map { Array("-----BEGIN \($0) KEY-----\n\($1)\n-----END \($0) KEY-----\n".utf8) }
        case .export:
            let digest = sha256Hex([UInt8]())
            let head = "# Diptych export 1: size, SHA-256 and name of every file"
            return [Array("\(head)\n# 0\n\(digest)  a/b\n# 12\n\(digest)  c\n".utf8)]
        case .convolutions: return [Array(tunedConvolutions.utf8)]
        case .profile: return [Array(try JSONEncoder().encode(NumericsProfile.current()))]
        case .heartbeat:
            let beat = Heartbeat(
                rank: 0, phase: .teach, model: "teacher-0", step: 1, totalSteps: 2, loss: 0.5, imagesPerSecond: 3,
                secondsPerImage: 0.1)
            return [Array(try JSONEncoder().encode(beat))]
        case .outcome: return [Array(try JSONEncoder().encode(Outcome(exit: .done, weightsSHA256: ["student": "ab"])))]
        case .steps:
            let records = (0..<2).map { StepRecord(step: $0, loss: 0.5, learningRate: 1e-3, gradientNorm: 1) }
            return [Array(records.map(\.line).joined().utf8)]
        case .events:
            let failed = #"{"host":"a","rank":0,"kind":"write_failed","what":"checkpoint of m","reason":"full"}"#
            let saved = #"{"kind":"checkpoint","model":"m","step":4,"seconds":0.5}"#
            let skipped = #"{"kind":"checkpoint_skipped","path":"/r/x.h5","reason":"damaged","steps_lost":3}"#
            return [Array([failed, saved, skipped, ""].joined(separator: "\n").utf8) + FuzzFiles.launched]
        case .deaths: return [Array(#"{"deaths":1,"progress":"the start"}"#.utf8)]
        case .report: return try AuditSeeds.reports()
        case .nearest: return [AuditSeeds.nearest]
        case .examination:
            return ["{\"fault\":null}\n", "a word\n{\"fault\":\"a.h5: away\",\"unreadable\":true}"].map {
                Array($0.utf8)
            }
        case .scores: return [AuditSeeds.chunk]
        case .submission:
            return [Array(#"{"job_id":"12_3","cluster":"c","script":"/r/s","log":"/r/l","time":1.7e9}"#.utf8)]
        }
    }

    private var tunedConvolutions: String {
        let convolution = DirectedConvolution(
            ConvolutionShape(
                source: [2, 16, 8, 8], weights: [32, 16, 3, 3], stride: 1, padding: Padding(1), hasBias: true),
            .forward)
        return ConvolutionFile(
            machine: [.init("processor", "x")], passes: [.init(name: "teach", images: 2, rule: 12.5, table: 10)],
            entries: [.init(convolution, .winograd, rule: .direct, milliseconds: [.direct: 0.25, .winograd: 0.1])]
        ).text
    }

    /// A checkpoint of some parameters, or its manifest.
    private func savedCheckpoint() throws -> [UInt8] {
        let store = CheckpointStore(directory: FuzzFiles.directory.path + "/seed-\(UInt64.random(in: 0 ... .max))")
        defer { try? FileManager.default.removeItem(atPath: store.directory) }
        let entries = [
            Checkpoint.Entry(name: "bias", shape: [3], offset: 0, count: 3),
            Checkpoint.Entry(name: "weight", shape: [16, 16], offset: 3, count: 256),
        ]
        let vector = (0..<Self.parameters).map { Float($0 % 7) }
        let manifest = try store.save(
            Checkpoint(
                model: "teacher-0", phase: "teach", step: 1, jobHash: "ab", entries: entries, weights: vector,
                ema: vector, firstMoment: vector, secondMoment: vector))
        if self == .manifest { return manifest.encoded() }
        return Array(try Data(contentsOf: URL(filePath: store.path(model: "teacher-0", step: 1))))
    }

    private func savedSplit() throws -> [UInt8] {
        let directory = RunDirectory(FuzzFiles.directory.path + "/seed-\(UInt64.random(in: 0 ... .max))")
        try FileManager.default.createDirectory(atPath: directory.path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory.path) }
        let split = try DisjointSplit.make(
            catalogue: FuzzFiles.catalogue, members: 4, heldOut: 1, parts: 2, balance: .none, nearDuplicates: .ignore,
            seed: 1)
        try SplitFile.write(SplitRecord(split, of: FuzzFiles.catalogue), to: directory)
        return Array(try Data(contentsOf: URL(filePath: directory.split)))
    }

    private static func gzip(_ bytes: [UInt8]) throws -> [UInt8] {
        let path = FuzzFiles.write(bytes, "seed")
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
