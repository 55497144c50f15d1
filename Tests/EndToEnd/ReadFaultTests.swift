import Foundation
import Testing

extension EndToEnd {
    /// A file of a run is there and cannot be read now, as on a file server that is away for a moment. Whoever takes that for
    /// absence begins something anew that is there, or lets go of a guard.
    @Suite(.serialized, .enabled(if: ReadFault.works, "strace must be installed, and tracing allowed"))
    struct ReadFaultTests {
        /// The run's one rank, as `diptych run` would start it.
        private func rank(_ job: TinyJob) throws -> [String] {
            let bytes = try #require(job.run.bytes("execution"))
            let name = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
            return ["train", "--run", job.run.path, "--ranks", "1", "--execution", name]
        }

        /// Everything that must stay as it is, by path.
        private func treasures(_ job: TinyJob) -> [String: Data] {
            var found = job.run.treasures
            for name in ["profile.json", "split.h5.sha256", "execution"] { found[name] = job.run.bytes(name) }
            return found
        }

        private func expectRefused(_ end: ProgramRun.End, _ fault: ReadFault, _ file: String) {
            #expect(end.code == Exit.inputOutput, "\(file): \(end.output) \(end.error)")
            let told = (end.error + end.output).replacing("\\/", with: "/")
            #expect(told.contains(fault.reason) && told.contains(file), "\(file): \(told)")
            #expect(!told.contains("start a new run"), "\(told)")
            #expect(told.contains("the same command goes on"), "\(told)")
        }

        /// Fails when a new job.yaml, split.h5 or profile.json takes the place of one that cannot be read, when deaths are not
        /// counted, or when a user is told to begin anew.
        @Test(arguments: [ReadFault.gone, .unreadable])
        func `A file of a run that cannot be read is not taken for one that is not there`(fault: ReadFault) throws {
            let job = try Runs.stopped()
            let before = treasures(job)
            for file in ["job.yaml", "profile.json", "split.h5", "split.h5.sha256", "checkpoints/student"] {
                expectRefused(try fault.run(.worker, rank(job), file, job), fault, file)
                #expect(treasures(job) == before, "\(file) or another was changed by a rank")
            }
            for file in ["job.yaml", "deaths.json", "checkpoints/student"] {
                expectRefused(try fault.run(.diptych, job.arguments(ranks: 2), file, job), fault, file)
                #expect(treasures(job) == before, "\(file) or another was changed")
            }
            try "{\"job\":\"17\",\"script\":\"s\",\"log\":\"l\",\"time\":1}"
                .write(toFile: job.run.path + "/submission.json", atomically: false, encoding: .utf8)
            for (command, file) in [
                ("verify", "outcome.json"), ("verify", "split.h5"), ("verify", "split.h5.sha256"),
                ("status", "outcome.json"), ("status", "submission.json"), ("status", "checkpoints/student"),
                ("logs", "submission.json"), ("cancel", "submission.json"),
            ] {
                expectRefused(try fault.run(.diptych, [command, job.run.path], file, job), fault, file)
            }
            // One run among several, in a folder.
            for command in ["status", "cancel"] {
                let end = try fault.run(.diptych, [command, job.folder.path], "job.yaml", job)
                #expect(end.code == (command == "status" ? Exit.done : Exit.inputOutput), "\(end.error)")
                #expect((end.output + end.error).contains(job.run.path), "\(command): \(end.output) \(end.error)")
            }
            unlink(job.run.path + "/submission.json")
            // The run comes to its end, which cannot be told.
            let end = try fault.run(.diptych, job.arguments(ranks: 2), "outcome.json", job)
            expectRefused(end, fault, "outcome.json")
            #expect(end.error.contains("the same command goes on"), "\(end.error)")
            try expectSame(RunResult(job.finish(ranks: 3), job.run), Runs.finished().result, "after read faults")
        }

        /// What a resume does not pass over is not called damaged. EIO of one file is damage: a bad place on a disk.
        ///
        /// Fails when users are told to give up good checkpoints, or that a run goes on which does not.
        @Test func `A checkpoint that cannot be read now is not called damaged`() throws {
            let job = try Runs.stopped()
            let newest = try #require(job.run.checkpoints(of: "student").last)
            let checkpoint = job.run.checkpoint(of: "student", step: newest).replacing("\(job.run.path)/", with: "")
            var fault = ReadFault.gone
            fault.options = ["-f"]  // another process reads it
            for file in [checkpoint, checkpoint.replacing(".h5", with: ".json")] {
                expectRefused(try fault.run(.diptych, ["verify", job.run.path], file, job), fault, file)
                expectRefused(try ReadFault.gone.run(.worker, rank(job), file, job), fault, file)
            }
        }

        /// Fails when the outcome of a run that has ended is looked for only once: a job that was warned is not queued again.
        @Test func `An outcome that cannot be read for a moment is waited for`() throws {
            let job = try Runs.stopped()
            var fault = ReadFault.unreadable
            fault.when = ":when=1..3"
            let end = try fault.run(.diptych, job.arguments(ranks: 2), "outcome.json", job)
            try expectSame(RunResult(end, job.run), Runs.finished().result, "after a while without the outcome")
        }

        /// Fails when whoever watches has to begin again.
        @Test(arguments: [false, true])
        func `A run that is watched may be unreadable for a while`(inFolder: Bool) throws {
            let job = try Runs.stopped()
            let lock = try #require(FileHandle(forUpdatingAtPath: job.run.path + "/lock"))
            try #require(flock(lock.fileDescriptor, LOCK_EX | LOCK_NB) == 0)
            var fault = ReadFault.unreadable
            fault.when = ":when=2..3"
            let path = inFolder ? job.folder.path : job.run.path
            let watch = try fault.start(.diptych, ["status", path, "--watch"], "outcome.json", job)
            try watch.wait(until: "the fault is shown, and the run again") {
                let pages = watch.output.components(separatedBy: fault.reason)
                return pages.count > 1 && (pages.last ?? "").split(separator: "\n").count > 1
            }
            try lock.close()
            let end = try watch.end()
            #expect(end.code == Exit.done, "\(end.error)")
        }

        /// Fails when a rank that may have been cut off writes all the same, or trains to its end in vain without a word.
        @Test(arguments: [ReadFault.gone, .unreadable])
        func `A rank that cannot tell whether it was cut off writes nothing`(fault: ReadFault) throws {
            let job = try Runs.stopped()
            let before = treasures(job)
            let end = try fault.run(.worker, rank(job), "execution", job)
            expectRefused(end, fault, "execution")
            #expect(treasures(job) == before)
            #expect(
                job.run.events("write_failed").contains { ($0["reason"] as? String)?.contains(fault.reason) == true })
            try expectSame(RunResult(job.finish(ranks: 2), job.run), Runs.finished().result, "after the fault")
        }

        /// Fails when a moment of it ends a healthy run, or costs lines of its log.
        @Test func `A rank that cannot tell for a while whether it was cut off goes on`() throws {
            let job = try Runs.stopped()
            var fault = ReadFault.unreadable
            fault.when = ":when=1..9"
            let steps = job.run.steps(of: "student")
            let end = try fault.run(.worker, rank(job), "execution", job)
            #expect(end.code == Exit.done, "\(end.error)")
            let noted = job.run.events("write_failed").filter { $0["what"] as? String == "log" }
            #expect(noted.count >= min(5, TinyJob.steps - steps - 2), "\(noted)")
            let outcome = try JSONSerialization.jsonObject(with: #require(job.run.bytes("outcome.json")))
            let result = try RunResult(#require(outcome as? [String: Any]), job.run)
            try expectSame(result, Runs.finished().result, "after a while without the record")
        }
    }
}

/// What system calls say of one file or folder.
struct ReadFault: CustomTestStringConvertible, Sendable {
    let error: String
    let reason: String
    let calls: String
    /// Which of the calls on it fail; all unless told otherwise.
    var when = ""
    /// More options of strace.
    var options: [String] = []

    var testDescription: String { "\(error) of \(calls)" }

    static let looking = "openat,?access,?faccessat,?faccessat2,?stat,?lstat,newfstatat,?statx"
    /// Neither a look at the name nor a reader gets anywhere.
    static let gone = ReadFault(error: "ESTALE", reason: "Stale file handle", calls: looking)
    /// The name is there, what it stands for is not to be had.
    static let unreadable = ReadFault(error: "EIO", reason: "Input/output error", calls: "openat")

    static let works: Bool = {
        guard let strace = try? Program.strace.path else { return false }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: strace)
        process.arguments = ["-qq", "-o", "/dev/null", "true"]
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }()

    /// Runs the main thread of a program to its end, with this fault in a file of a job's run.
    func run(_ program: Program, _ arguments: [String], _ file: String, _ job: TinyJob) throws -> ProgramRun.End {
        try start(program, arguments, file, job).end()
    }

    /// Starts it.
    func start(_ program: Program, _ arguments: [String], _ file: String, _ job: TinyJob) throws -> ProgramRun {
        let words =
            options + [
                "-qq", "-o", "/dev/null", "-P", "\(job.run.path)/\(file)", "-e", "trace=\(calls)", "-e",
                "inject=\(calls):error=\(error)\(when)", try program.path,
            ]
        return try ProgramRun(.strace, words + arguments, in: job.folder)
    }
}
