import Foundation
import TestSupport
import Testing

extension Cluster {
    /// What signals do to a job, at any of its moments.
    @Suite(.serialized)
    struct SignalTests {
        init() throws { try LocalCluster.up() }

        /// Where in a job a signal comes.
        enum Moment: String, Sendable {
            case split, save, wait, distill, sample

            /// Whether the job is there.
            func isThere(_ run: ClusterRun) -> Bool {
                switch self {
                case .split:
                    let isMade = FileManager.default.fileExists(atPath: run.path + "/split.h5")
                    return !isMade && run.events("phase_began").count == 1
                case .wait:
                    let steps = ["teacher-0", "teacher-1"].map { run.steps($0) }
                    return steps.contains(run.steps) && steps.contains { $0 > 0 && $0 < run.steps }
                case .save:
                    let folder = run.path + "/checkpoints/teacher-0"
                    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
                    return names.contains { $0.contains(".partial-") }
                case .distill: return run.steps("student") > 3 && run.steps("student") < 20
                case .sample: return run.text("logs/heartbeats/0").contains("\"phase\":\"sample\"")
                }
            }
        }

        /// Makes a split last long enough for something to be done to it.
        private static let manyImages = [
            "data.images=/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz",
            "data.labels=/usr/share/datasets/fashion-mnist/train-labels-idx1-ubyte.gz", "data.members=50000",
        ].flatMap { ["--set", $0] }

        /// The ranks are halted until the signal has reached all of them.
        ///
        /// Fails when the signal is lost, ends the job before it has saved, or leaves it out of the queue.
        @Test(arguments: [
            ("srun", Moment.split), ("srun", .save), ("mpirun", .save), ("mpirun", .wait), ("srun", .wait),
            ("srun", .distill), ("mpirun", .distill), ("srun", .sample), ("mpirun", .sample),
        ])
        func `A job that is warned in any of its phases goes on from there`(launcher: String, moment: Moment) throws {
            let sampling = ["--set", "sample.count=64", "--set", "sample.steps=100"]
            let run = try ClusterRun(
                ["--launcher", launcher, "--set", "checkpoint.every_steps=2"] + sampling
                    + (moment == .split ? Self.manyImages : []))
            let ranks = try halt(run, moment)
            try LocalCluster.login("scancel", "--batch", "--signal=USR1", run.job)
            try LocalCluster.wait(until: "the ranks are asked to stop:\n\(run.log)") {
                ranks.allSatisfy { $0.hasPending(SIGUSR1) }
            }
            for rank in ranks { rank.send(SIGCONT) }
            try run.expectSameResult(restarts: 1...1)
            #expect(run.events("requeued").count == 1)
            let resumed = run.events("resumed").compactMap { event in
                (event["model"] as? String).map { ($0, event["step"] as? Int ?? 0) }
            }
            switch moment {
            case .split: #expect(resumed.isEmpty, "\(resumed)")
            case .wait: #expect(resumed.contains { $0.0 != "student" && $0.1 < run.steps }, "\(resumed)")
            case .save: #expect(resumed.contains { $0.0 == "teacher-0" && $0.1 < run.steps }, "\(resumed)")
            case .distill: #expect(resumed.contains { $0.0 == "student" && $0.1 < 20 }, "\(resumed)")
            case .sample: #expect(!resumed.contains { $0.1 < 20 }, "\(resumed)")
            }
        }

        /// Fails when the signal meets ranks that it ends, because they do not take it yet.
        @Test(arguments: ["srun", "mpirun"])
        func `A job that is warned while its ranks start goes on from there`(launcher: String) throws {
            let run = try ClusterRun(["--launcher", launcher])
            try LocalCluster.wait(until: "the ranks are started") { run.log.contains("ranks started by \(launcher)") }
            try LocalCluster.login("scancel", "--batch", "--signal=USR1", run.job)
            try run.expectSameResult(restarts: 1...1)
        }

        /// SLURM sends the ranks SIGTERM and waits; the script hears nothing before it is killed.
        ///
        /// Fails when what was done since the last regular save is lost, or when the job is queued again.
        @Test func `A job that scancel ends saves, and is not queued again`() throws {
            let run = try ClusterRun(["--launcher", "srun", "--set", "checkpoint.every_steps=1000"])
            try run.waitForTeach()
            try LocalCluster.login("scancel", run.job)
            try LocalCluster.wait(until: "the job is gone:\n\(run.log)") { try run.field("JobState") == "CANCELLED" }
            try LocalCluster.wait(until: "its ranks are gone") { LocalCluster.ranks(of: run.path).isEmpty }
            #expect(try run.field("Restarts") == "0" && run.events("requeued").isEmpty, "\(run.log)")
            for model in ["teacher-0", "teacher-1"] {
                let saved = run.events("checkpoint").filter { $0["model"] as? String == model }
                #expect(saved.last?["step"] as? Int == run.steps(model), "\(model): \(saved)")
            }
        }

        /// As Ctrl-C twice. mpirun wakes halted ranks before it ends them, so a group may still meet the first request.
        ///
        /// Fails when the job ends as stopped, is queued again, leaves ranks behind, or cuts a checkpoint off.
        @Test(arguments: ["srun", "mpirun"])
        func `A second SIGINT ends a job at once with 130`(launcher: String) throws {
            let run = try ClusterRun(["--launcher", launcher], steps: ClusterRun.manySteps)
            try run.waitForTeach()
            let ranks = LocalCluster.ranks(of: run.path)
            for count in 1...2 {
                // Ranks that are halted come to no end meanwhile.
                for rank in ranks { rank.send(SIGSTOP) }
                try LocalCluster.login("scancel", "--batch", "--signal=INT", run.job)
                try LocalCluster.wait(until: "signal \(count) is heard:\n\(run.log)") {
                    run.events("signal").count == count
                }
            }
            for rank in ranks { rank.send(SIGCONT) }
            try LocalCluster.wait(until: "the job ends:\n\(run.log)") { try run.field("JobState") == "FAILED" }
            #expect(try run.field("ExitCode") == "130:0" && run.field("Restarts") == "0", "\(run.log)")
            #expect(LocalCluster.ranks(of: run.path).isEmpty)
            #expect(run.log.contains("interrupted twice: ending at once") && run.text("outcome.json").isEmpty)
            let check = try LocalCluster.diptych(["verify", run.path])
            #expect(check.code == 0, "\(check.error)")
        }

        /// Nothing was begun, so nothing could have been saved. Fails when the job is then out of the queue.
        @Test func `A job that is warned while it waits for its directory is queued again and goes on`() throws {
            let run = try ClusterRun(["--set", "cluster.directives=[--hold]"])
            let lock = try #require(FileHandle(forUpdatingAtPath: run.path + "/lock"))
            try #require(flock(lock.fileDescriptor, LOCK_EX | LOCK_NB) == 0)
            try lock.truncate(atOffset: 0)
            try lock.write(contentsOf: Data("host n1 process 1 job \"rehearsal\" submitting\n".utf8))
            try LocalCluster.login("scontrol", "release", run.job)
            try LocalCluster.wait(until: "the job waits:\n\(run.log)") { run.log.contains("waiting for the ranks of") }
            try LocalCluster.login("scancel", "--batch", "--signal=USR1", run.job)
            try LocalCluster.wait(until: "the job is queued again:\n\(run.log)") { try run.field("Restarts") == "1" }
            try lock.close()
            try run.expectSameResult(restarts: 1...1)
            #expect(run.log.contains("asked to stop while waiting for the run's directory"), "\(run.log)")
            #expect(run.events("stopped").isEmpty)
        }

        /// Halts the ranks at a moment.
        private func halt(_ run: ClusterRun, _ moment: Moment) throws -> [LiveProcess] {
            while true {
                try LocalCluster.wait(until: "\(moment):\n\(run.log)", pause: 1000) { moment.isThere(run) }
                let ranks = LocalCluster.ranks(of: run.path)
                try #require(ranks.count == 3)
                for rank in ranks { rank.send(SIGSTOP) }
                try LocalCluster.wait(until: "the ranks are halted") { ranks.allSatisfy(\.isHalted) }
                if moment.isThere(run) { return ranks }
                for rank in ranks { rank.send(SIGCONT) }
            }
        }
    }
}
