import Checkpoints
import Foundation
import Jobs
import Testing

/// A run beside the real `diptych` and a fake mpirun, whose files can be exchanged for ones that libhdf5 does not survive
/// (Tests/Golden/lethal_hdf5.py), with hashes that call them right.
final class LethalRun {
    private static let golden = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Golden/lethal").path()

    let cluster: FakeCluster
    let directory: RunDirectory
    let store: CheckpointStore
    let job: Job

    /// A run `runs/fake` with small honest checkpoints.
    ///
    /// - Parameters:
    ///   - part: What mpirun does.
    ///   - models: Of which models there are checkpoints.
    ///   - steps: Of which steps.
    ///   - overrides: Changes of the job.
    init(
        _ part: FakeCluster.Part = .success, models: [String] = ["teacher-0"], steps: ClosedRange<Int> = 1...3,
        overrides: [String] = []
    ) throws {
        cluster = try FakeCluster(part)
        job = try Job.load(path: cluster.folder + "/job.yaml", overrides: overrides)
        directory = RunDirectory(cluster.folder + "/runs/fake")
        do { _ = try RunPreparation.open(job: job, run: directory.path, extend: false) }
        store = CheckpointStore(directory: directory.checkpoints)
        for model in models { for step in steps { try save(step, model: model) } }
    }

    /// Saves an honest checkpoint.
    func save(_ step: Int, model: String = "teacher-0", parameters: Int = 1) throws {
        let entries = [Checkpoint.Entry(name: "bias", shape: [parameters], offset: 0, count: parameters)]
        let vector = [Float](repeating: 1, count: parameters)
        try store.save(
            Checkpoint(
                model: model, phase: "teach", step: step, jobHash: job.hash, entries: entries, weights: vector,
                ema: vector, firstMoment: vector, secondMoment: vector))
    }

    /// The bytes of a file in Tests/Golden/lethal.
    static func bytes(_ name: String) throws -> [UInt8] {
        try [UInt8](Data(contentsOf: URL(filePath: "\(golden)/\(name).h5")))
    }

    /// Puts a file in the place of a checkpoint, with a manifest that fits it, and has the next one's fit that.
    func put(_ bytes: [UInt8], model: String = "teacher-0", step: Int = 3) throws {
        try Data(bytes).write(to: URL(filePath: store.path(model: model, step: step)))
        let path = store.manifestPath(model: model, step: step)
        try rewrite(path) {
            $0.replacing(/"sha256": "[0-9a-f]*"/, with: "\"sha256\": \"\(sha256Hex(bytes))\"")
                .replacing(/"size": [0-9]*/, with: "\"size\": \(bytes.count)")
        }
        let next = store.manifestPath(model: model, step: step + 1)
        guard FileManager.default.fileExists(atPath: next) else { return }
        let hash = try sha256Hex(ofFile: path)
        try rewrite(next) {
            $0.replacing(
                /"previous_manifest_sha256": "[0-9a-f]*"/, with: "\"previous_manifest_sha256\": \"\(hash)\"")
        }
    }

    /// Changes a manifest, and its own hash to fit.
    private func rewrite(_ path: String, _ change: (String) -> String) throws {
        let zeros = String(repeating: "0", count: 64)
        let blank = change(try String(contentsOfFile: path, encoding: .utf8))
            .replacing(/"manifest_sha256": "[0-9a-f]*"/, with: "\"manifest_sha256\": \"\(zeros)\"")
        let own = sha256Hex(Array(blank.utf8))
        try blank.replacing("\"manifest_sha256\": \"\(zeros)\"", with: "\"manifest_sha256\": \"\(own)\"")
            .write(toFile: path, atomically: false, encoding: .utf8)
    }

    /// Puts a file in the place of the split, with its hash, after it was made to call itself one.
    func putSplit(_ bytes: [UInt8]) throws {
        let format = Array("diptych-checkpoint".utf8)
        let name = Array("diptych split".utf8)
        let bytes = bytes.replacing(format, with: name + [UInt8](repeating: 0, count: format.count - name.count))
        try Data(bytes).write(to: URL(filePath: directory.split))
        try "\(sha256Hex(bytes))  split.h5\n".write(toFile: directory.splitHash, atomically: false, encoding: .utf8)
    }

    /// Whether mpirun was started since this was last asked.
    func ranksWereStarted() throws -> Bool {
        let mark = cluster.folder + "/launcher"
        guard FileManager.default.fileExists(atPath: mark) else { return false }
        try FileManager.default.removeItem(atPath: mark)
        return true
    }
}
