import Foundation
import Testing

extension EndToEnd {
    /// Requests to stop: every group ends its step, saves, and the same command goes on.
    ///
    /// Fails when the signal goes to mpirun as SIGTERM: the ranks then die without a checkpoint, and the code is 71.
    @Suite(.serialized)
    struct StopTests {
        @Test(arguments: [SIGINT, SIGTERM, SIGUSR1])
        func `A signal in teach and one in distill end with 75, and the run comes to the same result`(
            signal: Int32
        ) throws {
            let expected = try Runs.finished().result
            let job = try TinyJob()
            for (moment, models) in [(Moment.teach, ["teacher-0", "teacher-1"]), (.distill, ["student"])] {
                let end = try moment.stop(job.start(ranks: 2), job.run, signal: signal)
                #expect(end.code == Exit.stopped, "\(moment): \(end.error)")
                try #require(moment.isUnfinished(in: job.run), "\(moment) was over before the signal")
                for model in models {
                    let steps = job.run.steps(of: model)
                    #expect(job.run.checkpoints(of: model).last == steps, "\(moment): \(model) saved at its own step")
                }
                #expect(job.run.events("signal").last?["signal"] as? Int == Int(signal))
            }
            try expectSame(RunResult(job.finish(ranks: 3), job.run), expected, "after two stops")
        }

        /// Ranks that hang would never save; the user must still get away.
        @Test func `A second SIGINT ends at once with 130, and nothing saved is lost`() throws {
            let expected = try Runs.finished().result
            let job = try TinyJob()
            let run = try job.start(ranks: 2)
            try run.wait(until: "a checkpoint") { job.run.checkpoints(of: "teacher-0").contains(10) }
            for rank in run.ranks { rank.send(SIGSTOP) }
            let saved = try #require(job.run.checkpoints(of: "teacher-0").last)
            run.send(SIGINT)
            try run.wait(until: "the first signal is heard") { job.run.events("signal").count == 1 }
            let second = Date()
            run.send(SIGINT)
            let end = try run.end()
            #expect(end.code == Exit.interrupted, "\(end.error)")
            #expect(Date().timeIntervalSince(second) < 30)
            // mpirun wakes halted ranks before it ends them, so there may be more by now.
            #expect(job.run.checkpoints(of: "teacher-0").last ?? 0 >= saved)
            try expectSame(RunResult(job.finish(ranks: 2), job.run), expected, "after the interruption")
        }
    }
}
