import Checkpoints
import Coordinator
import Foundation
import Jobs
import Testing

/// Checkpoints that libhdf5 does not survive (Tests/Golden/lethal_hdf5.py), with manifests that call them right.
@Suite struct ExaminationTests {
    private static let lethal = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Golden/lethal").path()

    /// A run whose third checkpoint of `teacher-0` is another file.
    private final class Run {
        let cluster: FakeCluster
        let store: CheckpointStore
        private let job: Job

        init() throws {
            cluster = try FakeCluster(.success)
            job = try Job.load(path: cluster.folder + "/job.yaml")
            do { _ = try RunPreparation.open(job: job, run: cluster.folder + "/runs/fake", extend: false) }
            store = CheckpointStore(directory: cluster.folder + "/runs/fake/checkpoints")
            for step in 1...3 { try save(step) }
        }

        func save(_ step: Int, model: String = "teacher-0", parameters: Int = 1) throws {
            let entries = [Checkpoint.Entry(name: "bias", shape: [parameters], offset: 0, count: parameters)]
            let vector = [Float](repeating: 1, count: parameters)
            try store.save(
                Checkpoint(
                    model: model, phase: "teach", step: step, jobHash: job.hash, entries: entries, weights: vector,
                    ema: vector, firstMoment: vector, secondMoment: vector))
        }

        /// Puts a file of Tests/Golden/lethal in the place of step 3, with a manifest that fits it.
        func put(_ name: String) throws {
            let bytes = try Data(contentsOf: URL(filePath: "\(ExaminationTests.lethal)/\(name).h5"))
            try bytes.write(to: URL(filePath: store.path(model: "teacher-0", step: 3)))
            let path = store.manifestPath(model: "teacher-0", step: 3)
            let zeros = String(repeating: "0", count: 64)
            let blank = try String(contentsOfFile: path, encoding: .utf8)
                .replacing(/"sha256": "[0-9a-f]*"/, with: "\"sha256\": \"\(sha256Hex([UInt8](bytes)))\"")
                .replacing(/"size": [0-9]*/, with: "\"size\": \(bytes.count)")
                .replacing(/"manifest_sha256": "[0-9a-f]*"/, with: "\"manifest_sha256\": \"\(zeros)\"")
            let own = sha256Hex(Array(blank.utf8))
            try blank.replacing("\"manifest_sha256\": \"\(zeros)\"", with: "\"manifest_sha256\": \"\(own)\"")
                .write(toFile: path, atomically: false, encoding: .utf8)
        }
    }

    /// Fails when the file ends the command that reads it.
    @Test func aFileThatCrashesLibHDF5IsOneFault() throws {
        let run = try Run()
        // Another model's name looks like an option.
        try run.save(1, model: "--help")
        try run.put("loop")
        let end = try run.cluster.start("verify", "runs/fake").result()
        #expect(end.code == 65, "\(end)")
        #expect(end.output.matches(of: /(?m)^valid  .*(--help|teacher-0)/).count == 3, "\(end.output)")
        let crash = "step-00000003.h5: the process that read it died of signal 11 (Segmentation fault)"
        #expect(end.output.contains(crash), "\(end.output)")
        #expect(end.error.contains("1 of 4 checkpoints are damaged"), "\(end.error)")
        #expect(!end.error.contains("Stack dump"), "\(end.error)")
        let key = "MC4CAQAwBQYDK2VwBCIEIFdfeVkBXXRnHmMEjTSZKW3Bp/RrQDk1pMmQ4dzSLv0m"
        try "-----BEGIN PRIVATE KEY-----\n\(key)\n-----END PRIVATE KEY-----\n"
            .write(toFile: run.cluster.folder + "/secret.pem", atomically: true, encoding: .utf8)
        let signed = try run.cluster.start("sign", "runs/fake", "--key", "secret.pem").result()
        #expect(signed.code == 65 && signed.error.contains("nothing was signed"), "\(signed)")
    }

    /// Fails when the time that a file may take has no end.
    @Test(.timeLimit(.minutes(2))) func aFileThatKeepsLibHDF5BusyIsOneFault() throws {
        let run = try Run()
        try run.put("doubling")
        let examination = Examination(program: try FakeCluster.builtProgram()) { _ in
            Examination.Limits(memory: 512 << 20, seconds: 2)
        }
        let reports = try examination.reports(of: run.store)
        #expect(reports.map(\.valid) == [true, true, false])
        #expect(reports.last?.reason?.contains("was not done after 2 s of processor time") == true, "\(reports)")
    }

    /// Fails when the memory that a file may take has no limit, or honest files are refused by it.
    @Test func aFileThatTakesTooMuchMemoryIsOneFault() throws {
        let run = try Run()
        // 4 vectors of 64 MB in a small file.
        try run.save(4, parameters: 16 << 20)
        let program = try FakeCluster.builtProgram()
        let narrow = try Examination(program: program) { _ in
            Examination.Limits(memory: 100 << 20, seconds: 60)
        }.reports(of: run.store)
        #expect(narrow.map(\.valid) == [true, true, true, false])
        #expect(narrow.last?.reason?.contains("memory") == true, "\(narrow)")
        let reports = try Examination(program: program).reports(of: run.store)
        #expect(reports.allSatisfy { $0.valid && $0.reason == nil }, "\(reports)")
        let most = Examination.Limits(fileBytes: .max, parameters: .max)
        #expect(most.memory > 0 && most.seconds > 0, "claims beyond all bounds")
    }
}
