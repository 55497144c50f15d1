import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// Requests to stop, whoever started the ranks, and whatever signals that one had blocked or ignored.
    @Suite(.serialized)
    struct SignalTests {
        /// Nobody is above mpirun, which itself answers SIGTERM and SIGINT by killing the job: SIGUSR1 alone is promised.
        ///
        /// Fails when a rank needs the coordinator to be told, or when a rank's 75 does not become mpirun's.
        @Test func `SIGUSR1 to mpirun by hand ends each phase with 75, and it comes to the same result`() throws {
            let expected = try Runs.finished().result
            let job = try TinyJob()
            let arguments = try byHand(job)
            let moments = [(Moment.teach, ["teacher-0", "teacher-1"]), (.distill, ["student"]), (.sample, [])]
            for (moment, models) in moments {
                let end = try moment.stop(
                    ProgramRun(.mpirun, arguments, in: job.folder), job.run, signal: SIGUSR1)
                #expect(end.code == Exit.stopped, "\(moment): \(end.error)")
                try #require(moment.isUnfinished(in: job.run), "\(moment) was over before the signal")
                for model in models {
                    let steps = job.run.steps(of: model)
                    #expect(job.run.checkpoints(of: model).last == steps, "\(moment): \(model) saved at its own step")
                }
                #expect(try outcome(job)["exit"] as? Int == Int(Exit.stopped))
            }
            let end = try run(.mpirun, arguments, in: job.folder)
            #expect(end.code == Exit.done, "\(end.error)")
            try expectSame(RunResult(outcome(job), job.run), expected, "after three stops by hand")
        }

        private func byHand(_ job: TinyJob, set: [String] = []) throws -> [String] {
            [
                "--oversubscribe", "--bind-to", "none", "-n", "2", try Program.worker.path, job.file, "--run",
                job.run.path,
            ] + set.flatMap { ["--set", $0] }
        }

        /// Where else mpirun is told.
        enum Place: String, CaseIterable {
            case split, save, wait

            var settings: [String] {
                switch self {
                case .split: TinyJob.large
                case .save: ["checkpoint.every_steps=1"]
                case .wait: ["checkpoint.every_steps=89", "teach.steps=90"]
                }
            }

            /// Steps of a teacher.
            var steps: Int { self == .wait ? 90 : TinyJob.steps }

            /// Halts the ranks there: all, or the slower one that the other waits for.
            func halt(_ run: ProgramRun, _ folder: RunFolder) throws -> [LiveProcess] {
                func isThere() -> Bool {
                    switch self {
                    case .split: return folder.bytes("split.h5") == nil && !folder.events("phase_began").isEmpty
                    case .save:
                        let names = try? FileManager.default.contentsOfDirectory(
                            atPath: folder.path + "/checkpoints/teacher-0")
                        // The room for copies is made under the name of step 0.
                        return names?.contains { $0.contains(".partial-") && !$0.hasPrefix("step-00000000.") } == true
                    case .wait:
                        return folder.steps(of: "teacher-0") > 2
                            && (3..<steps - 5).contains(folder.steps(of: "teacher-1"))
                    }
                }
                var halted: [LiveProcess] = []
                try run.wait(until: "\(self)") {
                    guard folder.heartbeats.count == 2, isThere() else { return false }
                    halted = self == .wait ? run.ranks.filter { $0.rank == 1 } : run.ranks
                    for rank in halted { rank.send(SIGSTOP) }
                    usleep(20_000)
                    let isHalted = !halted.isEmpty && halted.allSatisfy(\.isHalted) && isThere()
                    if !isHalted { for rank in halted { rank.send(SIGCONT) } }
                    return isHalted
                }
                if self == .wait {
                    try run.wait(until: "teacher 0 is done") {
                        folder.checkpoints(of: "teacher-0").contains(steps)
                    }
                }
                return halted
            }
        }

        /// Fails when the split is cut off, a checkpoint is, or a group that waits keeps the request to itself.
        @Test(arguments: Place.allCases)
        func `SIGUSR1 to mpirun by hand is heeded in the split, within a save and while one group waits`(
            place: Place
        ) throws {
            let expected: RunResult
            switch place {
            case .split: expected = try Runs.large().result
            case .save: expected = try Runs.finished().result
            case .wait:
                let undisturbed = try TinyJob()
                expected = try RunResult(undisturbed.finish(ranks: 2, set: place.settings), undisturbed.run)
            }
            let job = try TinyJob()
            let arguments = try byHand(job, set: place.settings)
            let run = try ProgramRun(.mpirun, arguments, in: job.folder)
            let halted = try place.halt(run, job.run)
            run.send(SIGUSR1)
            try run.wait(until: "the ranks are asked to stop") { halted.allSatisfy { $0.hasPending(SIGUSR1) } }
            for rank in halted { rank.send(SIGCONT) }
            let end = try run.end()
            #expect(end.code == Exit.stopped, "\(end.error)")
            for model in ["teacher-0", "teacher-1"] {
                let steps = job.run.steps(of: model)
                #expect(job.run.checkpoints(of: model).last ?? 0 == steps, "\(model) saved at its own step")
                #expect(place != .split || steps == 0)
            }
            #expect(job.run.bytes("split.h5") != nil && job.run.steps(of: "student") == 0)
            let again = try EndToEndTests.run(.mpirun, arguments, in: job.folder)
            #expect(again.code == Exit.done, "\(again.error)")
            try expectSame(RunResult(outcome(job), job.run), expected, "stopped in \(place) by hand")
        }

        private func outcome(_ job: TinyJob) throws -> [String: Any] {
            let bytes = try #require(job.run.bytes("outcome.json"))
            return try #require(JSONSerialization.jsonObject(with: bytes) as? [String: Any])
        }

        /// Shells ignore SIGINT in what they run in the background, cron jobs and threads of servers block all signals.
        ///
        /// Fails when a signal stays ignored, when mpirun inherits the mask, and (it then waits for ever) when nobody is told
        /// of a child's end.
        @Test func `Signals that were blocked or ignored when the run was started are heard all the same`() throws {
            let expected = try Runs.finished().result
            let job = try TinyJob()
            let list = "USR1,TERM,INT,CHLD"
            let signals = ["--ignore-signal=\(list)", "--block-signal=\(list)"]
            for (moment, signal) in [(Moment.teach, SIGINT), (.distill, SIGTERM), (.sample, SIGUSR1)] {
                let end = try moment.stop(job.start(ranks: 2, signals: signals), job.run, signal: signal)
                #expect(end.code == Exit.stopped, "\(moment): \(end.error)")
                try #require(moment.isUnfinished(in: job.run), "\(moment) was over before the signal")
                #expect(job.run.events("signal").last?["signal"] as? Int == Int(signal))
            }
            let end = try job.start(ranks: 3, signals: signals).end()
            try expectSame(RunResult(end, job.run), expected, "after three stops")
        }

        /// Fails when a handler takes the place of what nohup(1) has set.
        @Test func `Under nohup a run goes on when its terminal is closed`() throws {
            let expected = try Runs.finished().result
            let job = try TinyJob()
            let run = try job.start(ranks: 2, signals: ["--ignore-signal=HUP"])
            try Moment.teach.wait(for: run, job.run)
            run.send(SIGHUP)
            try expectSame(RunResult(run.end(), job.run), expected, "after the terminal's end")
            #expect(job.run.events("signal").isEmpty)
        }

        /// Without nohup the end of the terminal is a request to stop like the others.
        @Test func `A run whose terminal is closed saves and ends with 75`() throws {
            let job = try TinyJob()
            let end = try Moment.teach.stop(job.start(ranks: 2), job.run, signal: SIGHUP)
            #expect(end.code == Exit.stopped, "\(end.error)")
            try expectSame(RunResult(job.finish(ranks: 2), job.run), Runs.finished().result, "after a hangup")
        }
    }
}
