import Foundation
import Jobs
import Testing

@Suite struct CrashLoopTests {
    private func open(_ run: String, retry: Bool = false) throws -> RunPreparation {
        try RunPreparation.open(job: job(), run: run, extend: false, retry: retry)
    }

    /// An execution that dies without a word.
    private func die(_ run: String, retry: Bool = false) throws {
        let preparation = try open(run, retry: retry)
        CrashLoop.noteLaunch(preparation.job, in: preparation.directory)
        try Outcome.remove(from: preparation.directory)
    }

    private func makeCheckpoint(_ run: String, step: Int) throws {
        let folder = run + "/checkpoints/teacher-1"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        #expect(FileManager.default.createFile(atPath: "\(folder)/step-0000000\(step).json", contents: nil))
    }

    /// Fails when deaths are not counted, or progress does not begin the count anew.
    @Test func aRunThatDiesAgainAndAgainIsNotStartedAgain() throws {
        try withTemporaryDirectory { run in
            for _ in 0..<CrashLoop.limit { try die(run) }
            let refused = failure { _ = try open(run) }
            #expect(refused.code == .internalError)
            #expect(refused.message.contains("has died 5 times in a row without getting further than the start"))
            #expect(refused.message.contains("--retry"), "\(refused.message)")

            // A new checkpoint is progress.
            try makeCheckpoint(run, step: 5)
            for _ in 0..<CrashLoop.limit { try die(run) }
            let again = failure { _ = try open(run) }
            #expect(again.message.contains("than checkpoints of teacher-1 at step 5,"), "\(again.message)")
            try die(run, retry: true)
            _ = failure { _ = try open(run) }
            try makeCheckpoint(run, step: 6)
            _ = try open(run)
        }
    }

    @Test(arguments: ExitCode.allCases) func onlyDeathsCount(code: ExitCode) throws {
        try withTemporaryDirectory { run in
            for _ in 0..<CrashLoop.limit { try die(run) }
            try Outcome(exit: code).write(to: RunDirectory(run))
            if CrashLoop.isDeath(code) {
                #expect(failure { _ = try open(run) }.code == .internalError)
            } else {
                _ = try open(run)
            }
            CrashLoop.forget(in: RunDirectory(run))
            _ = try open(run)
        }
    }
}

@Suite struct LeftoverTests {
    /// Fails when a killed run's temporary files stay for ever, or somebody else's go.
    @Test func whatKilledWritersLeaveIsSweptByTheNextRun() throws {
        try withTemporaryDirectory { run in
            do { _ = try RunPreparation.open(job: job(), run: run, extend: false) }
            let digits = "0123456789abcdef"
            let own = ["job.yaml", "outcome.json", "samples/student.npz", "report/split.txt"].map {
                "\(run)/\($0).partial-\(digits)"
            }
            let foreign = ["\(run)/notes.partial", "\(run)/samples/mine.png", "\(run)/samples/x.partial-12"]
            for path in own + foreign { #expect(FileManager.default.createFile(atPath: path, contents: nil)) }
            _ = try RunPreparation.open(job: job(), run: run, extend: false)
            #expect(own.filter { FileManager.default.fileExists(atPath: $0) } == [])
            #expect(foreign.filter { !FileManager.default.fileExists(atPath: $0) } == [])
        }
    }

    /// Fails when a file is written through a link that somebody has put in its place.
    @Test func nothingIsWrittenThroughALink() throws {
        try withTemporaryDirectory { run in
            let directory = RunDirectory(run)
            try directory.create()
            let target = run + "/precious"
            try Data("precious".utf8).write(to: URL(filePath: target))
            for link in [directory.lock, directory.events, directory.log(of: "x"), directory.heartbeat(of: 0)] {
                try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: target)
            }
            #expect(failure { _ = try RunLock(directory, job: "x") }.code == .inputOutput)
            #expect(throws: SystemCallError.self) { try EventLog(path: directory.events, rank: 0) }
            #expect(throws: SystemCallError.self) { try StepLog(path: directory.log(of: "x")) }
            let beat = Heartbeat(rank: 0, phase: .teach, model: "", step: 0, totalSteps: 0, imagesPerSecond: 0)
            #expect(!beat.write(to: directory))
            try FileManager.default.createSymbolicLink(atPath: directory.outcome, withDestinationPath: target)
            try Outcome(exit: .done).write(to: directory)
            #expect(try String(contentsOfFile: target, encoding: .utf8) == "precious")
            #expect(try Outcome.read(from: directory)?.exit == .done)
        }
    }
}

@Suite struct LockTests {
    @Test func whoComesSecondLearnsHostProcessAndJob() throws {
        try withTemporaryDirectory { run in
            let first = try RunPreparation.open(job: job(), run: run, extend: false)
            let refused = failure { _ = try RunPreparation.open(job: job(), run: run, extend: false) }
            let host = ProcessInfo.processInfo.hostName
            #expect(
                refused.message.contains("is in use by host \(host) process \(getpid()) job \"small\"."),
                "\(refused.message)")
            withExtendedLifetime(first) {}
        }
    }

    /// Fails when the message does not say how to force it, or what it says does not do.
    @Test func aLockThatOutlivesItsHolderCanBeForced() throws {
        try withTemporaryDirectory { run in
            let stale = try RunPreparation.open(job: job(), run: run, extend: false)
            let refused = failure { _ = try RunPreparation.open(job: job(), run: run, extend: false) }
            #expect(refused.message.hasSuffix("remove \(run)/lock to force it"), "\(refused.message)")
            #expect(unlink("\(run)/lock") == 0)
            let forced = try RunPreparation.open(job: job(), run: run, extend: false)
            #expect(failure { _ = try RunPreparation.open(job: job(), run: run, extend: false) }.code == .inputOutput)
            withExtendedLifetime((stale, forced)) {}
        }
    }

    /// Fails when the file's text, not the kernel, says who holds the lock.
    @Test func aLockThatNobodyHoldsIsTakenWhateverItSays() throws {
        try withTemporaryDirectory { run in
            try "host \(ProcessInfo.processInfo.hostName) process 1 job other\n".write(
                toFile: run + "/lock", atomically: false, encoding: .utf8)
            var waits = 0
            let taken = try RunPreparation.open(job: job(), run: run, extend: false, patience: 60) { _ in waits += 1 }
            #expect(try waits == 0 && RunLock.isHeld(taken.directory))
            withExtendedLifetime(taken) {}
        }
    }

    /// As ranks hold the lock of a supervisor that was killed, until they have saved.
    ///
    /// Fails when they are not waited for, or are taken for a run that lives on.
    @Test func aLockWhoseHolderIsDeadIsNoObstacle() throws {
        try withTemporaryDirectory { run in
            let dead = try start("true")
            dead.waitUntilExit()
            let description = "host \(ProcessInfo.processInfo.hostName) process \(dead.processIdentifier) job \"other\""
            try (description + "\n").write(toFile: run + "/lock", atomically: false, encoding: .utf8)
            let body = "touch '\(run)/held'; for i in $(seq 1200); do [ -e '\(run)/saved' ] && exit; sleep 0.05; done"
            let rank = try start("flock", run + "/lock", "sh", "-c", body)
            while !FileManager.default.fileExists(atPath: run + "/held") {
                try #require(rank.isRunning)
                usleep(5000)
            }
            #expect(failure { _ = try RunPreparation.open(job: job(), run: run, extend: false) }.code == .inputOutput)
            var waits: [String] = []
            let taken = try RunPreparation.open(job: job(), run: run, extend: false, patience: 60) {
                waits.append($0)
                _ = FileManager.default.createFile(atPath: run + "/saved", contents: nil)
            }
            #expect(waits == [description])
            #expect(try RunLock.isHeld(taken.directory))
            rank.waitUntilExit()
            withExtendedLifetime(taken) {}
        }
    }

    private func start(_ command: String...) throws -> Process {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = command
        try process.run()
        return process
    }
}

@Suite struct FullDiskTests {
    /// Fails when half a line stays in the middle of the log, or lines of the time without space are lost.
    @Test func aLogCatchesUpWhenThereIsSpaceAgain() async {
        // In a process of its own: the limit on file sizes holds for all of it.
        await #expect(processExitsWith: .success) {
            try withTemporaryDirectory { directory in
                let log = try StepLog(path: directory + "/log")
                func record(_ step: Int) -> StepRecord {
                    StepRecord(step: step, loss: 0.5, learningRate: 1e-3, gradientNorm: 1)
                }
                signal(SIGXFSZ, SIG_IGN)
                var limit = rlimit()
                getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
                let soft = limit.rlim_cur
                limit.rlim_cur = 500
                setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
                var failures = 0
                for step in 0..<12 {
                    do { try log.append(record(step)) } catch { failures += 1 }
                }
                precondition(failures > 2 && failures < 10, "\(failures) lines failed")
                let short = try String(contentsOfFile: directory + "/log", encoding: .utf8)
                precondition(short.hasSuffix("\n"), "half a line stays: \(short)")
                limit.rlim_cur = soft
                setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
                try log.append(record(12))
                let text = try String(contentsOfFile: directory + "/log", encoding: .utf8)
                precondition(text == (0...12).map { record($0).line }.joined(), text)
            }
        }
    }
}
