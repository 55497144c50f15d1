import Checkpoints
import Foundation
import Jobs
import Testing

@Suite struct SignCommandTests {
    private func openssl(_ arguments: String...) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
    }

    /// Fails when a manifest without a signature, or with that of another key, passes.
    @Test func signedRunsAreVerifiedWithTheKey() throws {
        let cluster = try FakeCluster(.success)
        let run = cluster.folder + "/runs/fake"
        let job = try Job.load(path: cluster.folder + "/job.yaml")
        do { _ = try RunPreparation.open(job: job, run: run, extend: false) }
        let store = CheckpointStore(directory: run + "/checkpoints")
        func save(_ step: Int) throws {
            let entries = [Checkpoint.Entry(name: "bias", shape: [1], offset: 0, count: 1)]
            try store.save(
                Checkpoint(
                    model: "teacher-0", phase: "teach", step: step, jobHash: job.hash, entries: entries, weights: [1],
                    ema: [1], firstMoment: [0], secondMoment: [0]))
        }
        try save(1)
        try save(2)
        let (secret, open) = (cluster.folder + "/secret.pem", cluster.folder + "/open.pem")
        try openssl("genpkey", "-algorithm", "ed25519", "-out", secret)
        try openssl("pkey", "-in", secret, "-pubout", "-out", open)

        #expect(try cluster.start("verify", "runs/fake").result().code == 0)
        let unsigned = try cluster.start("verify", "runs/fake", "--key", "open.pem").result()
        #expect(unsigned.code == 65)
        #expect(unsigned.error.contains("step-00000001.json.sig: is missing"), "\(unsigned.error)")
        let signed = try cluster.start("sign", "runs/fake", "--key", "secret.pem", "--json").result()
        #expect(signed.code == 0, "\(signed.error)")
        #expect(signed.output.contains("step-00000002.json\"]"))
        #expect(try cluster.start("verify", "runs/fake", "--key", "open.pem").result().code == 0)
        #expect(try cluster.start("verify", "runs/fake", "--key", "secret.pem").result().code == 64)
        try save(3)
        let later = try cluster.start("verify", "runs/fake", "--key", "open.pem", "--json").result()
        #expect(later.code == 65)
        #expect(later.output.contains("step-00000003.json.sig: is missing"), "\(later.output)")
    }
}
