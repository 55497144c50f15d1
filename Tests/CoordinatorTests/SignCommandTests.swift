import Checkpoints
import Foundation
import Jobs
import TestSupport
import Testing

@Suite struct SignCommandTests {
    private func openssl(_ arguments: String...) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        process.standardError = FileHandle.nullDevice
        try process.run()
        bounded { process.waitUntilExit() }
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

    /// What `sample --out` and `audit --public` write, as strings: names and contents.
    private static let files = ["student.png": "grid", "student.npz": "images", "report/report.html": "<p>"]

    /// A fake cluster with an export `out`, another one of the same files, and two pairs of keys.
    private func exports() throws -> FakeCluster {
        let cluster = try FakeCluster(.success)
        for folder in ["out", "other"] {
            for (name, text) in Self.files {
                let path = "\(cluster.folder)/\(folder)/\(name)"
                try FileManager.default.createDirectory(
                    atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
                try (text + folder).write(toFile: path, atomically: false, encoding: .utf8)
            }
        }
        for name in ["mine", "strangers"] {
            let pair = ("\(cluster.folder)/\(name).pem", "\(cluster.folder)/\(name).open.pem")
            try openssl("genpkey", "-algorithm", "ed25519", "-out", pair.0)
            try openssl("pkey", "-in", pair.0, "-pubout", "-out", pair.1)
        }
        return cluster
    }

    @Test func aSignedExportIsVerifiedWithTheKey() throws {
        let cluster = try exports()
        let list = cluster.folder + "/out/export.sha256"
        let unsigned = try cluster.start("verify", "out", "--key", "mine.open.pem").result()
        #expect(unsigned.code == 65 && unsigned.error.contains("\(list): is missing"), "\(unsigned)")
        #expect(try cluster.start("verify", "out").result().code == 74, "neither a run nor an export")
        let signed = try cluster.start("sign", "out", "--key", "mine.pem", "--json").result()
        #expect(signed.code == 0 && signed.output == "{\"signed\":[\"\(list)\"]}\n", "\(signed)")
        let good = try cluster.start("verify", "out", "--key", "mine.open.pem", "--json").result()
        #expect(
            good.output == #"{"kind":"export","files":3,"file_faults":[],"signature_faults":[]}"# + "\n", "\(good)")
        #expect(good.code == 0)
        let text = try cluster.start("verify", "out", "--key", "mine.open.pem").result()
        #expect(text.output.contains("3 files as export.sha256 lists them, signed with this key"), "\(text)")
        let keyless = try cluster.start("verify", "out").result()
        #expect(keyless.code == 0 && keyless.output.contains("not checked without --key"), "\(keyless)")
        #expect(try cluster.start("verify", "out", "--key", "mine.pem").result().code == 64)
        #expect(try cluster.start("sign", "nowhere", "--key", "mine.pem").result().code == 74)
        #expect(try cluster.start("verify", "nowhere", "--key", "mine.open.pem").result().code == 74)
    }

    /// Fails when a hostile change of an export ends with another code than 65. The rest: `ExportTests`.
    @Test func aChangedExportEndsWith65() throws {
        let cluster = try exports()
        func verify(_ key: String = "mine.open.pem") throws -> (code: Int32, output: String, error: String) {
            try cluster.start("verify", "out", "--key", key).result()
        }
        func write(_ text: String, _ name: String) throws {
            try text.write(toFile: "\(cluster.folder)/\(name)", atomically: false, encoding: .utf8)
        }
        for folder in ["out", "other"] {
            #expect(try cluster.start("sign", folder, "--key", "mine.pem").result().code == 0)
        }
        let stranger = try verify("strangers.open.pem")
        #expect(stranger.code == 65 && stranger.error.contains("its signature is not of this key"), "\(stranger)")
        try write("grId" + "out", "out/student.png")
        let changed = try verify()
        #expect(changed.code == 65 && changed.error.contains("out/student.png: its SHA-256 is"), "\(changed)")
        #expect(try cluster.start("verify", "out").result().code == 65, "without a key, too")
        try write("gridout", "out/student.png")
        #expect(try verify().code == 0)
        // A job file does not make it a run, of which less is checked.
        try write(FakeCluster.job, "out/job.yaml")
        let disguised = try verify()
        #expect(disguised.code == 65 && disguised.error.contains("is only one of them"), "\(disguised)")
        #expect(try cluster.start("sign", "out", "--key", "mine.pem").result().code == 65)
        try FileManager.default.removeItem(atPath: cluster.folder + "/out/job.yaml")
        for name in ["export.sha256.sig", "export.sha256"] {
            try FileManager.default.removeItem(atPath: "\(cluster.folder)/out/\(name)")
            try FileManager.default.copyItem(
                atPath: "\(cluster.folder)/other/\(name)", toPath: "\(cluster.folder)/out/\(name)")
            #expect(try verify().code == 65, "\(name) of another export")
        }
        try FileManager.default.createSymbolicLink(
            atPath: cluster.folder + "/out/link", withDestinationPath: "/etc/passwd")
        let linked = try cluster.start("sign", "out", "--key", "mine.pem").result()
        #expect(linked.code == 65 && linked.error.contains("out/link: is a symbolic link"), "\(linked)")
    }

    /// Fails when a key vouches for a run of which it has signed nothing.
    @Test func aRunWithoutManifestsIsNotVerifiedByAKey() throws {
        let cluster = try exports()
        let job = try Job.load(path: cluster.folder + "/job.yaml")
        do { _ = try RunPreparation.open(job: job, run: cluster.folder + "/runs/fake", extend: false) }
        #expect(try cluster.start("verify", "runs/fake").result().code == 0)
        let end = try cluster.start("verify", "runs/fake", "--key", "mine.open.pem").result()
        #expect(end.code == 65 && end.error.contains("checkpoints: holds no signed manifest"), "\(end)")
    }
}
