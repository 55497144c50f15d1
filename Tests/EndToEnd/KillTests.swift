import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// What `kill -9` costs: steps since the last checkpoint, and nothing else.
    ///
    /// Fails when the log is not cut back on resume, when a checkpoint lacks a moment, or when the step's random numbers
    /// are drawn from a stream instead of being addressed.
    @Suite(.serialized)
    struct KillTests {
        /// Who is killed.
        enum Victim: String, CaseIterable {
            case firstRank
            case middleRank
            case lastRank
            case launcher
            case launcherAndRanks
            case everything

            /// Kills, and returns the rank that was killed alone.
            @discardableResult
            func kill(_ run: ProgramRun) -> LiveProcess? {
                let (processes, ranks) = (run.processes, run.ranks)
                let name = processes.filter { $0.name != Program.diptych.rawValue }
                var rank: LiveProcess?
                switch self {
                case .firstRank: rank = ranks.first
                case .middleRank: rank = ranks.isEmpty ? nil : ranks[ranks.count / 2]
                case .lastRank: rank = ranks.last
                case .launcher: name.first { $0.name != Program.worker.rawValue }?.send(SIGKILL)
                case .launcherAndRanks: for process in name { process.send(SIGKILL) }
                case .everything: for process in processes { process.send(SIGKILL) }
                }
                rank?.send(SIGKILL)
                return rank
            }
        }

        @Test(arguments: Victim.allCases)
        func `Killed in every phase of training, and resumed on other ranks, a run comes to the same result`(
            victim: Victim
        ) throws {
            let expected = try Runs.finished().result
            let job = try TinyJob()
            var shared: Set<String> = []
            for (moment, ranks) in [(Moment.teach, victim == .middleRank ? 3 : 2), (.distill, 3), (.sample, 4)] {
                let run = try job.start(ranks: ranks)
                try moment.wait(for: run, job.run)
                let segments = try job.sharedMemory()
                #expect(segments.count == 1 && segments.values.allSatisfy { !$0.isEmpty }, "\(moment): \(segments)")
                shared.formUnion(segments.keys)
                let rank = victim.kill(run)
                let end = try run.end()
                try #require(moment.isUnfinished(in: job.run), "\(moment) was over before the kill")
                // Whoever survives tidies up; what is left when nobody does, the next command finds by its name.
                let left = segments.keys.filter { FileManager.default.fileExists(atPath: $0) }
                #expect(left == (victim == .everything ? Array(segments.keys) : []), "\(moment)")
                if victim == .everything {
                    #expect(end.code == nil, "\(moment)")
                } else {
                    #expect(end.code == Exit.rankLost, "\(moment): \(end.error)")
                    let message = try #require(end.json["message"] as? String)
                    #expect(message.contains("the same command goes on"), "\(moment): \(message)")
                    if victim == .launcher {
                        #expect(message.hasPrefix("mpirun was ended by signal 9"), "\(moment): \(message)")
                    }
                    if let rank {
                        let number = try #require(rank.rank)
                        #expect(message.hasPrefix("rank \(number) (process \(rank.number) on "), "\(rank): \(message)")
                        #expect(message.contains("was ended by signal 9"), "\(message)")
                    }
                }
            }
            let resumed = job.run.events("resumed")
            try expectSame(RunResult(job.finish(ranks: 1), job.run), expected, "after three kills")
            #expect(!resumed.isEmpty, "the second execution went on from checkpoints")
            #expect(try FileManager.default.contentsOfDirectory(atPath: job.folder.scratch) == [])
            #expect(!shared.isEmpty && shared.allSatisfy { !FileManager.default.fileExists(atPath: $0) }, "\(shared)")
        }

        /// Nobody is above mpirun to end its ranks, or to sweep. Those that outlive it are halted until it is gone, so that they
        /// learn of it in the phase that it was killed in.
        ///
        /// Fails when ranks outlive their mpirun by long, or when what the killed ones leave keeps the same command from going
        /// on.
        @Test func `Killed under a bare mpirun, a run comes to the same result by the same command`() throws {
            let expected = try Runs.finished().result
            let job = try TinyJob()
            let arguments = [
                "--oversubscribe", "--bind-to", "none", "-n", "3", try Program.worker.path, job.file, "--run",
                job.run.path,
            ]
            // What it leaves of shared memory is to go with this test.
            let environment = ["OMPI_MCA_btl_vader_backing_directory": job.folder.path]
            for (moment, victim) in [(Moment.teach, Victim.middleRank), (.distill, .everything), (.sample, .launcher)] {
                let run = try ProgramRun(.mpirun, arguments, in: job.folder, environment: environment)
                let ranks = try moment.halt(run, job.run)
                #expect(ranks.count == 3)
                victim.kill(run)
                if victim == .launcher { _ = try run.endOfProgram() }
                for rank in ranks { rank.send(SIGCONT) }
                let end = try run.end()
                #expect(end.code == (victim == .middleRank ? 137 : nil), "\(moment): \(end.error)")
            }
            let end = try EndToEndTests.run(.mpirun, arguments, in: job.folder, environment: environment)
            #expect(end.code == Exit.done, "\(end.error)")
            #expect(!job.run.events("resumed").isEmpty)
            let bytes = try #require(job.run.bytes("outcome.json"))
            let outcome = try #require(JSONSerialization.jsonObject(with: bytes) as? [String: Any])
            try expectSame(RunResult(outcome, job.run), expected, "after three kills by hand")
        }

        /// The split of 50,000 images takes long enough to be killed in it.
        ///
        /// Fails when `split.h5` is not written whole or not at all, or when what a killed split leaves behind disturbs
        /// the next one.
        @Test func `Killed while the split is made, a run comes to the same result`() throws {
            let large = TinyJob.large
            let undisturbed = try Runs.large()
            let job = try TinyJob()
            // One rank last: until mpirun has ended the others, the first may still finish the split.
            for (attempt, victim) in [Victim.everything, .launcherAndRanks, .lastRank].enumerated() {
                let run = try job.start(ranks: attempt + 2, set: large)
                try run.wait(until: "the split begins") { job.run.events("phase_began").count == attempt + 1 }
                try #require(job.run.bytes("split.h5") == nil, "the split was over before the kill")
                victim.kill(run)
                let end = try run.end()
                #expect(end.code == (victim == .everything ? nil : Exit.rankLost), "\(victim): \(end.error)")
            }
            try expectSame(
                RunResult(job.finish(ranks: 3, set: large), job.run), undisturbed.result, "after three kills")
            #expect(job.run.bytes("split.h5") == undisturbed.job.run.bytes("split.h5"))
        }

        @Test func `A run that loses its supervisor saves, and the same command waits for it and goes on`() throws {
            let expected = try Runs.finished().result
            let job = try TinyJob()
            let first = try job.start(ranks: 2)
            try Moment.teach.wait(for: first, job.run)
            first.send(SIGKILL)
            #expect(try first.endOfProgram().code == nil)
            let second = try job.finish(ranks: 2)
            #expect(first.ranks.isEmpty)
            try expectSame(RunResult(second, job.run), expected, "after the supervisor's end")
        }
    }
}
