import Checkpoints
import Coordinator
import Foundation
import Jobs
import Testing

/// Checkpoints that libhdf5 does not survive (Tests/Golden/lethal_hdf5.py), with manifests that call them right.
@Suite struct ExaminationTests {
    /// Fails when the file ends the command that reads it.
    @Test func aFileThatCrashesLibHDF5IsOneFault() throws {
        let run = try LethalRun()
        // Another model's name looks like an option.
        try run.save(1, model: "--help")
        try run.put(LethalRun.bytes("loop"))
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
        let run = try LethalRun()
        try run.put(LethalRun.bytes("doubling"))
        let examination = Examination(program: try FakeCluster.builtProgram()) { _ in
            Examination.Limits(memory: 512 << 20, seconds: 2)
        }
        let reports = try examination.reports(of: run.store)
        #expect(reports.map(\.valid) == [true, true, false])
        #expect(reports.last?.reason?.contains("was not done after 2 s of processor time") == true, "\(reports)")
    }

    /// Fails when the memory that a file may take has no limit, or honest files are refused by it.
    @Test func aFileThatTakesTooMuchMemoryIsOneFault() throws {
        let run = try LethalRun()
        // Vectors of 64 MB in a small file, read one after the other.
        try run.save(4, parameters: 16 << 20)
        let program = try FakeCluster.builtProgram()
        let narrow = try Examination(program: program) { _ in
            Examination.Limits(memory: 60 << 20, seconds: 60)
        }.reports(of: run.store)
        #expect(narrow.map(\.valid) == [true, true, true, false])
        #expect(narrow.last?.reason?.contains("memory") == true, "\(narrow)")
        let reports = try Examination(program: program).reports(of: run.store)
        #expect(reports.allSatisfy { $0.valid && $0.reason == nil }, "\(reports)")
        let most = Examination.Limits(fileBytes: .max, parameters: .max)
        #expect(most.memory > 0 && most.seconds > 0, "claims beyond all bounds")
    }

    /// Fails when a child that gives no verdict has found the file good, or one that never stops talking fills the memory.
    @Test(
        .timeLimit(.minutes(2)),
        arguments: [
            ("true", "ended with code 0 and no verdict"), ("echo '{}'", "ended with code 0 and no verdict"),
            (#"echo '{"fault":null}'; echo more"#, "ended with code 0 and no verdict"),
            (#"echo '{"fault":null}'; exit 3"#, "ended with code 3 and no verdict"),
            ("exec yes", "died of signal 9 (Killed)"), (#"exec tr '\0' x </dev/zero"#, "died of signal 9 (Killed)"),
        ])
    func aChildWithoutAVerdictHasFoundNothingGood(body: String, words: String) throws {
        let run = try LethalRun(steps: 1...1)
        try run.cluster.add("child", body)
        let reports = try Examination(program: run.cluster.folder + "/bin/child").reports(of: run.store)
        #expect(reports.count == 1)
        #expect(reports.allSatisfy { !$0.valid && $0.reason?.contains(words) == true }, "\(reports)")
        try run.cluster.add("child", #"echo a word; echo '{"fault":null}'"#)
        let good = try Examination(program: run.cluster.folder + "/bin/child").reports(of: run.store)
        #expect(good.allSatisfy { $0.valid && $0.reason == nil }, "\(good)")
    }

    /// Fails when a file that a child could not read now is called damaged, or let through to the ranks.
    @Test func aFileThatCannotBeReadNowIsNeitherGoodNorBad() throws {
        let run = try LethalRun(steps: 1...1)
        try run.cluster.add("child", #"echo '{"fault":"a.h5: Stale file handle","unreadable":true}'"#)
        let examination = Examination(program: run.cluster.folder + "/bin/child")
        let expected = DiptychFailure(.inputOutput, "a.h5: Stale file handle")
        #expect(throws: expected) { try examination.reports(of: run.store) }
        let model = try #require(run.job.models.first { $0.name == "teacher-0" })
        #expect(throws: expected) { try examination.requireReadable([model], of: run.directory) }
    }

    // MARK: Before ranks read

    private static let crash = "the process that read it died of signal 11 (Segmentation fault)"
    private static let teachers = ["teacher-0", "teacher-1"]

    /// Fails when ranks are started that such a file would end, for sampling or for an audit, as its subject or its shadow.
    @Test func noRankIsStartedToSampleOrAuditALethalCheckpoint() throws {
        let run = try LethalRun(.errand, models: Self.teachers, overrides: ["data.held_out=10"])
        #expect(try run.cluster.start("sample", "runs/fake", "--out", "here").result().code == 0)
        #expect(try run.ranksWereStarted())
        let honest = run.cluster.folder + "/runs/honest"
        try FileManager.default.copyItem(atPath: run.directory.path, toPath: honest)
        try run.put(LethalRun.bytes("loop"), model: "teacher-1")
        let commands = [
            ["sample", "runs/fake"], ["sample", "runs/fake", "--model", "teacher-1"], ["audit", "runs/fake"],
            ["audit", "runs/honest", "runs/fake"], ["audit", "runs/honest", "--shadow", "runs/fake"],
        ]
        for command in commands {
            let end = try run.cluster.start(command + ["--ranks", "2"]).result()
            #expect(end.code == 65, "\(command): \(end)")
            #expect(end.error.contains("teacher-1/step-00000003.h5: \(Self.crash)"), "\(command): \(end)")
            #expect(try !run.ranksWereStarted(), "\(command)")
        }
        // The other model is good, and the only one that is used.
        let other = try run.cluster.start("sample", "runs/fake", "--model", "teacher-0", "--out", "there").result()
        #expect(other.code == 0, "\(other)")
        #expect(try run.ranksWereStarted())
    }

    /// Fails when ranks are started that the split of an audited run, or of the teachers', would end.
    @Test func noRankIsStartedToReadALethalSplit() throws {
        let run = try LethalRun(models: Self.teachers, steps: 10...10, overrides: ["data.held_out=10"])
        try run.putSplit(LethalRun.bytes("loop"))
        let take = ["--run", "runs/new", "--set", "data.held_out=10", "--set", "teachers.from=runs/fake"]
        for command in [["audit", "runs/fake"], ["run", "job.yaml"] + take] {
            let end = try run.cluster.start(command).result()
            #expect(end.code == 65 && end.error.contains("runs/fake/split.h5: \(Self.crash)"), "\(end)")
            #expect(try !run.ranksWereStarted(), "\(command)")
        }
        // With another hash than the recorded one, the ranks do not come as far as the file's contents.
        try Data(LethalRun.bytes("doubling")).write(to: URL(filePath: run.directory.split))
        try Examination(program: FakeCluster.builtProgram()).requireReadableSplit(of: run.directory)
    }

    /// Fails when `teachers.from` lets ranks read a checkpoint that ends them, or looks at more than what is taken.
    @Test func noRankIsStartedToTakeALethalTeacher() throws {
        let run = try LethalRun(models: Self.teachers, steps: 9...10)
        try run.put(LethalRun.bytes("loop"), model: "teacher-1", step: 9)
        func take(_ directory: String) throws -> (code: Int32, output: String, error: String) {
            try run.cluster.start(
                "run", "job.yaml", "--run", directory, "--set", "teachers.from=runs/fake", "--quiet"
            ).result()
        }
        _ = try take("runs/first")
        #expect(try run.ranksWereStarted(), "an older checkpoint is nobody's")
        try run.put(LethalRun.bytes("loop"), model: "teacher-1", step: 10)
        let end = try take("runs/second")
        #expect(end.code == 65, "\(end)")
        #expect(end.error.contains("`teachers.from`: ") && end.error.contains("leave the key out"), "\(end)")
        #expect(end.error.contains("runs/fake/checkpoints/teacher-1/step-00000010.h5: \(Self.crash)"), "\(end)")
        #expect(try !run.ranksWereStarted())
    }

    /// Fails when what ranks pass over by its hash is refused, or what they would read after it is not examined.
    @Test func asManyCheckpointsAreExaminedAsRanksRead() throws {
        let run = try LethalRun()
        let model = [run.job.models[0]]
        let program = try FakeCluster.builtProgram()
        func refusal(seconds: Int = 20) -> String? {
            let examination = Examination(program: program) { _ in
                Examination.Limits(memory: 512 << 20, seconds: seconds)
            }
            do {
                try examination.requireReadable(model, of: run.directory)
                return nil
            } catch {
                return "\(error)"
            }
        }
        #expect(refusal() == nil)
        try run.put(LethalRun.bytes("loop"), step: 2)
        #expect(refusal() == nil, "the newest is good")
        let newest = run.store.path(model: "teacher-0", step: 3)
        let whole = try Data(contentsOf: URL(filePath: newest))
        var changed = whole
        changed[whole.count / 2] ^= 1
        try changed.write(to: URL(filePath: newest))
        #expect(refusal()?.contains("step-00000002.h5: \(Self.crash)") == true)
        // Right by its hash, and no checkpoint: nothing that damage does.
        try run.put(Array("no HDF5 at all".utf8), step: 3)
        #expect(refusal()?.contains("step-00000003.h5") == true)
        try run.put(LethalRun.bytes("doubling"), step: 3)
        #expect(refusal(seconds: 2)?.contains("was not done after 2 s of processor time") == true)
    }
}
