import Foundation
import TestSupport
import Testing

/// All suites of this target run inside this one, one test after the other: there is one cluster.
@Suite(.serialized, .enabled(if: LocalCluster.isWanted, "run by make test-cluster"))
enum Cluster {}

extension Cluster {
    /// What befalls a job on a cluster; whatever it is, the bits are those of a run on one rank.
    @Suite(.serialized)
    struct LifeTests {
        init() throws { try LocalCluster.up() }

        @Test(arguments: ["srun", "mpirun"])
        func `A job on three nodes completes`(launcher: String) throws {
            let run = try ClusterRun(["--launcher", launcher])
            try run.expectSameResult(restarts: 0...0)
            #expect(run.log.contains("on n[1-3], ranks started by \(launcher)"))
            #expect(Set(run.events("started").compactMap { $0["host"] as? String }) == ["n1", "n2", "n3"])
        }

        /// The signal goes to the ranks alone, as scancel sends it by default, or to the batch script alone.
        @Test(arguments: [
            ("srun", false, "USR1"), ("srun", true, "USR1"), ("mpirun", false, "USR1"), ("mpirun", true, "USR1"),
            ("srun", true, "TERM"), ("mpirun", true, "INT"),
        ])
        func `A warned job saves, is queued again and goes on`(launcher: String, toScript: Bool, signal: String) throws
        {
            let run = try ClusterRun(["--launcher", launcher])
            try run.waitForTeach()
            try LocalCluster.login(
                words: ["scancel", "--signal=\(signal)"] + (toScript ? ["--batch"] : []) + [run.job])
            try run.expectSameResult(restarts: 1...1)
            #expect(run.events("requeued").count == 1)
            // Twice in one where no rank came up at first.
            #expect(Set(run.events("launched").compactMap { $0["restarts"] as? Int }) == [0, 1])
            for words in [
                "queueing job \(run.job) again: restart 1", "restart 1 of SLURM job", "resuming: teacher-0 from",
            ] {
                #expect(run.log.contains(words), "\(run.log)")
            }
        }

        /// SLURM warns a job of a minute early, about when the run stops by itself; where checkpoints are slow, the run is first.
        /// The ranks are halted meanwhile: the job is too short for its limit.
        @Test(arguments: [(nil, "stopping: "), (25.0, "stopping: the time limit is")])
        func `A job at its time limit saves before it and goes on`(saveSeconds: Double?, words: String) throws {
            let run = try ClusterRun(["--time", "1", "--warning-seconds", "5"])
            try run.waitForTeach()
            let ranks = LocalCluster.ranks(of: run.path)
            #expect(ranks.count == 3)
            for rank in ranks { rank.send(SIGSTOP) }
            if let saveSeconds { try run.note(["kind": "checkpoint", "seconds": saveSeconds]) }
            try LocalCluster.wait(until: "the run stops:\n\(run.log)") { run.log.contains("stopping: ") }
            for rank in ranks { rank.send(SIGCONT) }
            try run.expectSameResult(restarts: 1...2)
            #expect(run.log.contains(words), "\(run.log)")
            #expect(!run.log.contains("DUE TO TIME LIMIT"), "\(run.log)")
        }

        @Test func `A job gives way to the urgent partition and goes on`() throws {
            let run = try ClusterRun(steps: ClusterRun.manySteps)
            try run.waitForTeach()
            let urgent = try LocalCluster.login(
                "sbatch", "--parsable", "--partition=urgent", "--exclusive", "--nodes=3", "--output=/dev/null",
                "--wrap",
                "sleep 2")
            #expect(urgent.code == 0)
            try run.expectSameResult(restarts: 1...1)
            #expect(run.log.contains("stopping: every group ends its step and saves"), "\(run.log)")
            let job = urgent.output.trimmingCharacters(in: .whitespacesAndNewlines)
            #expect(try run.field("JobState", of: job) == "COMPLETED")
        }

        @Test func `A job whose node is set down goes on with fewer nodes`() throws {
            let run = try ClusterRun(["--minimum-nodes", "2"])
            try run.waitForTeach()
            try LocalCluster.login("scontrol", "update", "NodeName=n2", "State=DOWN", "Reason=test")
            try run.expectSameResult(restarts: 1...1)
            #expect(run.events("launched").last?["ranks"] as? Int == 2)
        }

        @Test func `A job that loses a slurmd is started again`() throws {
            let run = try ClusterRun(["--minimum-nodes", "2"])
            try run.waitForTeach()
            try LocalCluster.kill("n2/slurmd")
            // SLURM notices after SlurmdTimeout; until then the job may go on, and end.
            let ranks = LocalCluster.ranks(of: run.path)
            for rank in ranks { rank.send(SIGSTOP) }
            try LocalCluster.wait(until: "SLURM takes the job back") { try run.field("Restarts") == "1" }
            // What was cut off wakes up, and must not write into what goes on.
            for rank in ranks { rank.send(SIGCONT) }
            try run.expectSameResult(restarts: 1...1)
        }

        /// Nothing ends what was cut off, and no message reaches it.
        @Test func `A job that loses the network of a node goes on with fewer`() throws {
            let run = try ClusterRun(["--minimum-nodes", "2"], steps: ClusterRun.manySteps)
            try run.waitForTeach()
            // The script's own node is the first one.
            try LocalCluster.connect(node: 2, false)
            defer { try? LocalCluster.connect(node: 2, true) }
            let cutOff = LocalCluster.ranks(of: run.path)
            try LocalCluster.wait(until: "SLURM takes the job back:\n\(run.log)") { try run.field("Restarts") == "1" }
            try run.expectSameResult(restarts: 1...1, seconds: 600)
            #expect(run.events("launched").last?["ranks"] as? Int == 2)
            try LocalCluster.connect(node: 2, true)
            try LocalCluster.wait(until: "the ranks that were cut off are gone") {
                LocalCluster.ranks(of: run.path).allSatisfy { !cutOff.contains($0) }
            }
        }

        /// What `kill -9` takes in a job.
        enum Victim: Sendable { case rank(Int), launcher }

        /// Fails when another rank lives on and writes into what goes on.
        @Test(arguments: [
            ("srun", Victim.rank(0)), ("srun", .rank(2)), ("srun", .launcher), ("mpirun", .rank(1)),
            ("mpirun", .launcher),
        ])
        func `A job that loses a rank or its launcher is queued again and goes on`(
            launcher: String, victim: Victim
        ) throws {
            let run = try ClusterRun(["--launcher", launcher], steps: ClusterRun.manySteps)
            try run.waitForTeach()
            // Without one it would not be queued again.
            try LocalCluster.wait(until: "a checkpoint is there") { !run.events("checkpoint").isEmpty }
            let ranks = LocalCluster.ranks(of: run.path)
            try #require(ranks.count == 3)
            switch victim {
            case .rank(let rank): ranks[rank].send(SIGKILL)
            case .launcher:
                let launchers = LiveProcess.all(of: launcher, given: run.path)
                try #require(!launchers.isEmpty)
                for process in launchers { process.send(SIGKILL) }
            }
            try LocalCluster.wait(until: "no rank of the first execution lives:\n\(run.log)") {
                LocalCluster.ranks(of: run.path).allSatisfy { !ranks.contains($0) }
            }
            try run.expectSameResult(restarts: 1...1)
        }

        /// A halted rank gives no sign of life; what halts one on another node is not seen. Fails when it is not named, lives
        /// on, or is not missed because it said last that it waits.
        @Test(arguments: [("srun", false), ("mpirun", true)])
        func `A job with a rank that hangs is queued again and goes on`(launcher: String, isWaiting: Bool) throws {
            let run = try ClusterRun(
                ["--launcher", launcher, "--set", "cluster.silence_minutes=0.1"], steps: ClusterRun.manySteps)
            try run.waitForTeach()
            // Without one it would not be queued again.
            try LocalCluster.wait(until: "a checkpoint is there") { !run.events("checkpoint").isEmpty }
            let ranks = LocalCluster.ranks(of: run.path)
            try #require(ranks.count == 3)
            defer { ranks[1].send(SIGCONT) }
            try LocalCluster.wait(until: "the rank is halted\(isWaiting ? " while it waits" : "")", pause: 1000) {
                ranks[1].send(SIGSTOP)
                usleep(2000)
                let beats = (0..<3).map { run.text("logs/heartbeats/\($0)") }
                let own = beats.first { $0.contains("\"process\":\(ranks[1].number),") }
                if ranks[1].isHalted, own?.contains("\"is_waiting\":\(isWaiting)") == true { return true }
                ranks[1].send(SIGCONT)
                return false
            }
            try LocalCluster.wait(until: "no rank of the first execution lives:\n\(run.log)") {
                LocalCluster.ranks(of: run.path).allSatisfy { !ranks.contains($0) }
            }
            try run.expectSameResult(restarts: 1...1)
            #expect(run.log.contains("no sign of life: rank"), "\(run.log)")
            #expect(run.log.contains("(process \(ranks[1].number) on n"), "\(run.log)")
        }

        @Test func `A job goes on while slurmctld and munged are killed and started again`() throws {
            let run = try ClusterRun(steps: ClusterRun.manySteps)
            try run.waitForTeach()
            LocalCluster.waitForSavedState()
            try LocalCluster.kill("slurmctld")
            try LocalCluster.kill("munged")
            let before = run.steps()
            try LocalCluster.wait(until: "the run goes on without") { run.steps() > before + 5 }
            let answer = try LocalCluster.run([LocalCluster.repository + "cluster/local/up"])
            #expect(answer.code == 0, "\(answer.error)")
            try run.expectSameResult(restarts: 0...0)
        }

        @Test func `One task of an array is queued again and the other is not`() throws {
            let sweep = try ClusterRun(["--sweep", "seed=3,4"], nodes: ["--nodes", "1", "--ranks-per-node", "2"])
            let runs = ["\(sweep.path)/0-seed-3", "\(sweep.path)/1-seed-4"]
            try sweep.waitForTeach(of: runs[1])
            try LocalCluster.login("scancel", "--batch", "--signal=USR1", "\(sweep.job)_1")
            try sweep.expectSameResult(restarts: 1...1, of: (job: "\(sweep.job)_1", run: runs[1], seed: 4))
            try sweep.expectSameResult(restarts: 0...0, of: (job: "\(sweep.job)_0", run: runs[0], seed: 3))
        }
    }
}

extension LocalCluster {
    /// The ranks of a run, on all nodes.
    static func ranks(of run: String) -> [LiveProcess] { LiveProcess.all(of: "diptych-worker", given: run) }
}
