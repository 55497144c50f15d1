import Foundation
import Testing

extension EndToEnd {
    /// Ranks that neither work nor die.
    @Suite(.serialized)
    struct HangTests {
        /// Fails when the supervisor waits for ever, or cannot tell the rank that hangs from those that wait for it.
        @Test func `A rank that hangs is named with host and step, and the same command goes on`() throws {
            let expected = try Runs.finished().result
            let job = try TinyJob()
            let run = try job.start(ranks: 2, set: ["cluster.silence_minutes=0.25"])
            try Moment.distill.wait(for: run, job.run)
            let process = try #require(job.run.heartbeats[1]?["process"] as? Int)
            kill(pid_t(process), SIGSTOP)
            let stopped = Date()
            let end = try run.end()
            #expect(end.code == Exit.rankLost, "\(end.error)")
            #expect(Date().timeIntervalSince(stopped) < 120)
            let host = ProcessInfo.processInfo.hostName
            let message = try #require(end.json["message"] as? String)
            #expect(message.contains("rank 1 (process \(process) on \(host)), last seen "), "\(message)")
            #expect(
                message.contains(
                    /in distill at step \d+ of student, stopped by a signal or a debugger; 1 other rank waits for it/),
                "\(message)")
            #expect(message.hasSuffix("\(job.run.path)/logs/worker.log"), "\(message)")
            let log = String(decoding: job.run.bytes("logs/worker.log") ?? Data(), as: UTF8.self)
            // Of each rank, and of all its threads.
            #expect(
                log.contains(/rank 0 \(process \d+ on .*; its threads:\n  thread \d+ diptych-worker: [RS] \(/), "\(log)"
            )
            #expect(log.contains("rank 1 (process \(process) on \(host))"), "\(log)")
            #expect(log.contains("  thread \(process) diptych-worker: T (stopped)"), "\(log)")
            try expectSame(RunResult(job.finish(ranks: 3), job.run), expected, "after a rank that hung")
            #expect(try FileManager.default.contentsOfDirectory(atPath: job.folder.scratch) == [])
        }
    }
}
