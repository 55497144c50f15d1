import Foundation
import Jobs
import TestSupport
import Testing

/// Requests to stop while `diptych run` waits for a directory that the ranks of a killed run still hold.
@Suite(.timeLimit(.minutes(2))) struct StopBeforeStartTests {
    /// A run's directory that is held on behalf of a process that is gone, and a run that waits for it.
    private final class Wait {
        let cluster: FakeCluster
        let running: FakeCluster.Running
        private var descriptor: Int32

        init() throws {
            cluster = try FakeCluster(.success)
            #expect(try cluster.start("run", "job.yaml", "--ranks", "2").result().code == 0)
            try FileManager.default.removeItem(atPath: cluster.folder + "/launcher")
            let gone = Process()
            gone.executableURL = URL(filePath: "/bin/true")
            try gone.run()
            gone.waitUntilExit()
            let lock = RunDirectory(cluster.folder + "/runs/fake").lock
            let holder = "host \(ProcessInfo.processInfo.hostName) process \(gone.processIdentifier) job \"fake\"\n"
            try Data(holder.utf8).write(to: URL(filePath: lock))
            descriptor = open(lock, O_RDWR | O_CLOEXEC)
            try #require(flock(descriptor, LOCK_EX | LOCK_NB) == 0)
            running = try cluster.start("run", "job.yaml", "--ranks", "2", "--json")
            running.waitForError("waiting for the ranks of a run that was killed (host ")
        }

        deinit { release() }

        /// Lets go of the directory.
        func release() {
            if descriptor >= 0 { close(descriptor) }
            descriptor = -1
        }

        /// The run's end, which must come soon, and without ranks.
        func end() throws -> (code: Int32, output: String, error: String) {
            let clock = ContinuousClock()
            let start = clock.now
            let end = try running.result()
            #expect(clock.now - start < .seconds(10))
            #expect(!FileManager.default.fileExists(atPath: cluster.folder + "/launcher"), "ranks were started")
            return end
        }
    }

    /// Fails when a second Ctrl-C is heeded only when the directory is free, or the wait is over.
    @Test func aSecondInterruptEndsTheWaitForADirectory() throws {
        let wait = try Wait()
        wait.running.send(SIGINT)
        wait.running.waitForError("press Ctrl-C again")
        wait.running.send(SIGINT)
        let end = try wait.end()
        #expect(end.code == 130 && end.error.contains("nothing was started"), "\(end)")
        #expect(end.output.contains("\"exit\":130"), "\(end.output)")
    }

    /// Fails when the end of the wait makes a request to stop forgotten, which has waited for a second Ctrl-C.
    @Test func aDirectoryThatIsFreeAfterARequestToStopIsNotRunIn() throws {
        let wait = try Wait()
        wait.running.send(SIGINT)
        wait.running.waitForError("press Ctrl-C again")
        wait.release()
        let end = try wait.end()
        #expect(end.code == 75 && end.error.contains("nothing was started"), "\(end)")
        #expect(end.output.contains("\"exit\":75"), "\(end.output)")
    }

    /// Fails when ranks are started, or the directory waited for, although an end was asked for.
    @Test(arguments: [SIGTERM, SIGUSR1, SIGHUP, SIGINT])
    func aRequestToStopEndsTheWaitForADirectory(_ signal: Int32) throws {
        let wait = try Wait()
        wait.running.send(signal)
        let end = try wait.end()
        #expect(end.code == 75 && end.error.contains("nothing was started"), "\(end)")
        #expect(end.output.contains("\"exit\":75"), "\(end.output)")
    }

    /// A teacher that keeps its examiner busy for seconds of processor time, and many more where that is scarce.
    ///
    /// Fails when signals are heard only after the examination, which then ends with 65.
    @Test(arguments: [[SIGTERM], [SIGINT, SIGINT]])
    func aRequestToStopEndsTheExaminationOfTeachers(_ signals: [Int32]) throws {
        let run = try LethalRun(models: ["teacher-0", "teacher-1"], steps: 10...10)
        try run.put(LethalRun.bytes("doubling"), model: "teacher-0", step: 10)
        let running = try run.cluster.start(
            "run", "job.yaml", "--run", "runs/new", "--set", "teachers.from=runs/fake", "--json")
        let examiners = { LiveProcess.all(of: "diptych", given: run.directory.checkpoints) }
        let clock = ContinuousClock()
        let start = clock.now
        while examiners().isEmpty, clock.now - start < .seconds(30) { usleep(5000) }
        running.send(signals[0])
        if signals.count > 1 {
            running.waitForError("press Ctrl-C again")
            running.send(signals[1])
        }
        let end = try running.result()
        #expect(end.code == (signals.count > 1 ? 130 : 75), "\(end)")
        #expect(end.error.contains("while preparing the run; nothing was started"), "\(end)")
        #expect(examiners().isEmpty, "an examiner lives on")
        #expect(try !run.ranksWereStarted())
    }
}
