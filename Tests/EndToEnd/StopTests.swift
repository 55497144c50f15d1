import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// Requests to stop: every group ends its step, saves, and the same command goes on.
    ///
    /// Fails when the signal goes to mpirun as SIGTERM: the ranks then die without a checkpoint, and the code is 71.
    @Suite(.serialized)
    struct StopTests {
        @Test(arguments: [SIGINT, SIGTERM, SIGUSR1])
        func `A signal in each phase ends the run with 75, and it comes to the same result`(
            signal: Int32
        ) throws {
            let expected = try Runs.finished().result
            let job = try TinyJob()
            let moments = [(Moment.teach, ["teacher-0", "teacher-1"]), (.distill, ["student"]), (.sample, [])]
            for (moment, models) in moments {
                let end = try moment.stop(job.start(ranks: 2), job.run, signal: signal)
                #expect(end.code == Exit.stopped, "\(moment): \(end.error)")
                try #require(moment.isUnfinished(in: job.run), "\(moment) was over before the signal")
                for model in models {
                    let steps = job.run.steps(of: model)
                    #expect(job.run.checkpoints(of: model).last == steps, "\(moment): \(model) saved at its own step")
                }
                #expect(job.run.events("signal").last?["signal"] as? Int == Int(signal))
            }
            try expectSame(RunResult(job.finish(ranks: 3), job.run), expected, "after three stops")
        }

        /// Fails when a signal that comes before MPI is up ends the ranks, or is forgotten.
        @Test(arguments: [SIGINT, SIGTERM, SIGUSR1])
        func `A signal while the run starts is heeded as soon as it can be`(signal: Int32) throws {
            let job = try TinyJob()
            let run = try job.start(ranks: 2)
            try run.wait(until: "the ranks are started") { !job.run.events("launched").isEmpty }
            run.send(signal)
            let end = try run.end()
            #expect(end.code == Exit.stopped, "\(end.error)")
            #expect(job.run.steps(of: "student") == 0)
            try expectSame(RunResult(job.finish(ranks: 2), job.run), Runs.finished().result, "stopped at the start")
        }

        /// Fails when the signal is forgotten on the way from the split to the first step, or cuts the split off.
        @Test(arguments: [SIGINT, SIGTERM, SIGUSR1])
        func `A signal while the split is made ends with 75, and it comes to the same result`(signal: Int32) throws {
            let undisturbed = try Runs.large()
            let job = try TinyJob()
            let run = try job.start(ranks: 2, set: TinyJob.large)
            try run.wait(until: "the split begins") {
                job.run.heartbeats.count == 2 && !job.run.events("phase_began").isEmpty
            }
            let ranks = run.ranks
            for rank in ranks { rank.send(SIGSTOP) }
            try run.wait(until: "the ranks are halted") { ranks.allSatisfy(\.isHalted) }
            run.send(signal)
            try run.wait(until: "the ranks are asked to stop") { ranks.allSatisfy { $0.hasPending(SIGUSR1) } }
            try #require(job.run.bytes("split.h5") == nil, "the split was over before the signal")
            for rank in ranks { rank.send(SIGCONT) }
            let end = try run.end()
            #expect(end.code == Exit.stopped, "\(end.error)")
            #expect(job.run.bytes("split.h5") == undisturbed.job.run.bytes("split.h5"))
            #expect(job.run.checkpoints(of: "teacher-0").isEmpty && job.run.checkpoints(of: "teacher-1").isEmpty)
            let result = try RunResult(job.finish(ranks: 3, set: TinyJob.large), job.run)
            expectSame(result, undisturbed.result, "stopped in the split")
        }

        /// Fails when the writer's thread is cut off, its file counts before it is whole, or the groups' own last saves lack.
        @Test(arguments: [SIGINT, SIGTERM, SIGUSR1])
        func `A signal while a checkpoint is being written ends with 75 after it is whole`(signal: Int32) throws {
            let job = try TinyJob()
            let run = try job.start(ranks: 2, set: ["checkpoint.every_steps=1"])
            let models = ["teacher-0", "teacher-1"]
            /// Names of the files that are not whole yet, each with its model.
            func partial() -> [[String]] {
                models.flatMap { model in
                    let folder = "\(job.run.path)/checkpoints/\(model)"
                    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
                    return names.filter { $0.contains(".partial-") }.map { [model, $0] }
                }
            }
            var caught: [[String]] = []
            /// Those of saves: the room for copies is made under the name of step 0.
            func saves() -> [[String]] { partial().filter { !$0[1].hasPrefix("step-00000000.") } }
            try run.wait(until: "a halt within a save") {
                guard !saves().isEmpty else { return false }
                let ranks = run.ranks
                for rank in ranks { rank.send(SIGSTOP) }
                usleep(20_000)
                caught = saves()
                if caught.isEmpty { for rank in ranks { rank.send(SIGCONT) } }
                return !caught.isEmpty
            }
            let halted = try caught.map { file in
                (model: file[0], step: try #require(Int(file[1].dropFirst(5).prefix(8)), "\(file)"))
            }
            for save in halted {
                #expect(!job.run.checkpoints(of: save.model).contains(save.step), "\(save) counts before it is whole")
            }
            run.send(signal)
            let ranks = run.ranks
            try run.wait(until: "the ranks are asked to stop") { ranks.allSatisfy { $0.hasPending(SIGUSR1) } }
            for rank in ranks { rank.send(SIGCONT) }
            let end = try run.end()
            #expect(end.code == Exit.stopped, "\(end.error)")
            #expect(partial() == [])
            for model in models {
                let steps = job.run.steps(of: model)
                #expect(job.run.checkpoints(of: model).last == steps, "\(model) saved at its own step")
            }
            // The three newest are kept.
            for save in halted where save.step > job.run.steps(of: save.model) - 3 {
                #expect(job.run.checkpoints(of: save.model).contains(save.step), "\(save) was not finished")
            }
            let verdict = try EndToEndTests.run(.diptych, ["verify", job.run.path], in: job.folder)
            #expect(verdict.code == Exit.done, "\(verdict.error)")
            let result = try RunResult(job.finish(ranks: 3), job.run)
            try expectSame(result, Runs.finished().result, "stopped within a save")
        }

        /// Teacher 0 has done its steps and waits for teacher 1, whose rank is slowed down.
        ///
        /// Fails when one group alone hears of it, or teacher 1 does not save for the request's sake: nothing else is saved.
        @Test(arguments: [SIGINT, SIGTERM, SIGUSR1])
        func `A signal while one group waits for the other is heeded by both`(signal: Int32) throws {
            let job = try TinyJob()
            let run = try job.start(ranks: 2, set: ["checkpoint.every_steps=29"])
            try run.wait(until: "both teachers train") {
                job.run.steps(of: "teacher-0") > 2 && job.run.steps(of: "teacher-1") > 2
            }
            let slow = try #require(job.run.heartbeats[1]?["process"] as? Int)
            kill(pid_t(slow), SIGSTOP)
            try run.wait(until: "teacher 0 is done") { job.run.checkpoints(of: "teacher-0").contains(TinyJob.steps) }
            run.send(signal)
            let halted = run.ranks.filter { $0.number == pid_t(slow) }
            try run.wait(until: "the slow rank is asked to stop") { halted.allSatisfy { $0.hasPending(SIGUSR1) } }
            kill(pid_t(slow), SIGCONT)
            let end = try run.end()
            #expect(end.code == Exit.stopped, "\(end.error)")
            let steps = job.run.steps(of: "teacher-1")
            #expect(steps < TinyJob.steps && job.run.checkpoints(of: "teacher-1").last == steps)
            #expect(job.run.steps(of: "student") == 0)
            try expectSame(RunResult(job.finish(ranks: 4), job.run), Runs.finished().result, "stopped in waiting")
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
            // The supervisor gives mpirun 3 seconds to end them before it kills them.
            #expect(Date().timeIntervalSince(second) < 3 + 5)
            // mpirun wakes halted ranks before it ends them, so there may be more by now.
            #expect(job.run.checkpoints(of: "teacher-0").last ?? 0 >= saved)
            try expectSame(RunResult(job.finish(ranks: 2), job.run), expected, "after the interruption")
        }
    }
}
