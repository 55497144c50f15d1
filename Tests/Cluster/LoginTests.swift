import Foundation
import Testing

extension Cluster {
    /// What a user does on the login node.
    @Suite(.serialized)
    struct LoginTests {
        init() throws { try LocalCluster.up() }

        @Test(arguments: [
            (["--set", "teach.stesp=5"], 64, "the nearest valid key is `teach.steps`"),
            (["--partition", "debgu"], 64, "there are: debug (default), urgent"),
            (["--nodes", "3", "--ranks-per-node", "2"], 64, "must be 1...4, found 6"),
            (["--nodes", "4"], 64, "has 3 nodes, the job asks for 4"),
            (["--ranks-per-node", "3"], 64, "nodes of 2 cores"),
            (["--time", "2:00:00"], 64, "allows 60 minutes"),
            (["--module", "openmpi/4.1"], 64, "no command `module`"),
            (["--constraint", "gpu"], 64, "Invalid feature specification"),
            (["--partition", "a;b"], 64, "cluster.partition"),
            (["--memory-gigabytes-per-node", "9000"], 64, "9.00 TB"),
            (["--set", "data.images=/nonexistent"], 74, "/nonexistent"),
        ])
        func `What cannot work is refused with one message`(options: [String], code: Int32, words: String) throws {
            try expectRefusal(options, code: code, words: words)
        }

        @Test func `A disk without room for the checkpoints is refused`() throws {
            let folder = LocalCluster.temporary + "/diptych-full-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            #expect(try LocalCluster.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder]).code == 0)
            defer { _ = try? LocalCluster.run(["umount", folder]) }
            try expectRefusal([], run: folder + "/run", code: 74, words: "the checkpoints take up to")
        }

        private func expectRefusal(_ options: [String], run: String? = nil, code: Int32, words: String) throws {
            let folder = LocalCluster.temporary + "/diptych-refused-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            try ClusterRun.yaml.write(toFile: folder + "/job.yaml", atomically: true, encoding: .utf8)
            let run = run ?? folder + "/run"
            let answer = try LocalCluster.diptych(["submit", folder + "/job.yaml", "--run", run] + options)
            #expect(answer.code == code, "\(answer.error)")
            let messages = answer.error.split(separator: "\n").filter { $0.hasPrefix("diptych: ") }
            #expect(messages.count == 1 && answer.error.contains(words), "\(answer.error)")
            #expect(!FileManager.default.fileExists(atPath: run))
            #expect(try LocalCluster.login("squeue", "--noheader").output.isEmpty)
        }

        @Test func `A dry run prints the script and changes nothing`() throws {
            let folder = LocalCluster.temporary + "/diptych-dry-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            try ClusterRun.yaml.write(toFile: folder + "/job.yaml", atomically: true, encoding: .utf8)
            let answer = try LocalCluster.diptych(
                ["submit", folder + "/job.yaml", "--run", folder + "/run", "--nodes", "3", "--dry-run"])
            #expect(answer.code == 0 && answer.output.hasPrefix("#!/bin/bash\n"), "\(answer.error)")
            #expect(answer.output.contains("\nexec '"))
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["job.yaml"])
        }

        @Test func `A hostile run directory is run in as it is`() throws {
            let folder = LocalCluster.temporary + "/diptych \(UUID().uuidString) it's $(touch pwned) \"%j\" -x"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            try ClusterRun.yaml.write(toFile: folder + "/job.yaml", atomically: true, encoding: .utf8)
            let answer = try LocalCluster.diptych([
                "submit", folder + "/job.yaml", "--run", folder + "/r", "--set", "teach.steps=5", "--set",
                "distill.steps=5", "--wait", "--json",
            ])
            #expect(answer.code == 0, "\(answer.error)")
            let log = try #require(try answer.json["log"] as? String)
            #expect(try String(contentsOfFile: log, encoding: .utf8).contains("done: "))
            #expect(try answer.json["exit"] as? Int == 0)
        }

        @Test func `A run is followed, cancelled with a checkpoint, and goes on when submitted again`() throws {
            let run = try ClusterRun()
            try run.waitForTeach()
            let second = try LocalCluster.diptych([
                "submit", run.folder + "/job.yaml", "--run", run.path, "--nodes", "3",
            ])
            #expect(
                second.code == 74 && second.error.contains("with SLURM already, as job \(run.job)"), "\(second.error)")
            let status = try LocalCluster.diptych(["status", run.path, "--json"]).json
            #expect(status["state"] as? String == "running")
            #expect(status["phase"] as? String == "teach")
            let slurm = try #require(status["slurm"] as? [String: Any])
            #expect(slurm["state"] as? String == "RUNNING" && slurm["nodes"] as? String == "n[1-3]")
            #expect((slurm["seconds_left"] as? Double ?? 0) > 60)
            #expect((status["ranks"] as? [[String: Any]])?.compactMap { $0["host"] as? String } == ["n1", "n2", "n3"])
            let folder = try LocalCluster.diptych(["status", run.folder])
            #expect(folder.output.contains("\(run.path): running, teacher-"), "\(folder.output)\(folder.error)")

            let cancel = try LocalCluster.diptych(["cancel", run.path])
            #expect(cancel.code == 0 && cancel.output.contains("saved and stopped"), "\(cancel.output)\(cancel.error)")
            #expect(try run.field("JobState") == "FAILED" && run.field("ExitCode") == "75:0")
            #expect(run.events("requeued").isEmpty && run.log.contains("not queued again: "), "\(run.log)")
            let logs = try LocalCluster.diptych(["logs", run.path])
            #expect(logs.output.contains("ranks started by srun"), "\(logs.error)")
            let rank = try LocalCluster.diptych(["logs", run.path, "--rank", "2"]).output
            #expect(rank.split(separator: "\n").allSatisfy { $0.contains("\"host\":\"n3\"") } && !rank.isEmpty)

            let saved = run.steps()
            let again = try LocalCluster.diptych([
                "submit", run.folder + "/job.yaml", "--run", run.path, "--nodes", "2", "--json", "--wait",
            ])
            #expect(again.code == 0, "\(again.error)")
            let job = try #require(try again.json["job_id"] as? String)
            try run.expectSameResult(restarts: 0...0, of: (job: job, run: run.path, seed: 7))
            #expect(saved > 15 && run.events("resumed").contains { ($0["step"] as? Int ?? 0) >= 10 })
        }

        /// Everything is killed, network and state stay: `up` starts it again.
        @Test func `A cluster that has died comes up again`() throws {
            for daemon in ["slurmctld", "munged", "n1/slurmd", "n2/slurmd", "n3/slurmd"] {
                try LocalCluster.kill(daemon)
            }
            try LocalCluster.up()
            let answer = try LocalCluster.login("srun", "--nodes=3", "hostname")
            #expect(answer.output.split(separator: "\n").sorted() == ["n1", "n2", "n3"], "\(answer.error)")
        }

        /// What `up` leaves when it is killed while it tries whether the kernel has network devices.
        @Test func `A trial that was left behind does no harm`() throws {
            let settings = "source \(LocalCluster.repository)cluster/local/settings.sh"
            let left = settings + #" && ip link add "${bridge}t" type veth peer name "${bridge}u""#
            #expect(try LocalCluster.run(["bash", "-c", left]).code == 0)
            try LocalCluster.up()
            let gone = settings + #" && ! ip link show "${bridge}t""#
            #expect(try LocalCluster.run(["bash", "-c", gone]).code == 0)
        }

        @Test func `Without root there is one clear message`() throws {
            let folder = LocalCluster.temporary + "/diptych-local-\(UUID().uuidString)"
            try FileManager.default.copyItem(atPath: LocalCluster.repository + "cluster/local", toPath: folder)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            #expect(try LocalCluster.run(["chmod", "-R", "a+rX", folder]).code == 0)
            let answer = try LocalCluster.run([
                "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", folder + "/up",
            ])
            #expect(answer.code == 69 && answer.error.hasPrefix("cluster: needs root"), "\(answer)")
        }

        private static func folder() throws -> String {
            let folder = LocalCluster.temporary + "/diptych-doctor-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            return folder
        }

        /// What the doctor finds on three nodes.
        private static func findings(
            _ launcher: String, _ folder: String
        ) throws -> (found: [[String: Any]], answer: LocalCluster.Answer) {
            let answer = try LocalCluster.login(words: [
                "salloc", "--quiet", "--nodes=3", "--ntasks-per-node=1", LocalCluster.program, "doctor", "--launcher",
                launcher, "--runs", folder, "--json",
            ])
            return (try #require(try answer.json["findings"] as? [[String: Any]], "\(answer.error)"), answer)
        }

        /// Another file system lies on the folder, on one node only.
        @Test func `The doctor finds the node that does not see the runs`() throws {
            let folder = try Self.folder()
            defer { try? FileManager.default.removeItem(atPath: folder) }
            try LocalCluster.onNode(2, "mount", "-t", "tmpfs", "none", folder)
            defer { try? LocalCluster.onNode(2, "umount", folder) }
            let (found, answer) = try Self.findings("srun", folder)
            let shared = try #require(found.first { $0["subject"] as? String == "shared folder" })
            #expect(answer.code == 74 && shared["verdict"] as? String == "bad", "\(answer)")
            #expect((shared["text"] as? String)?.contains("n2") == true, "\(shared)")
            let locking = try #require(found.first { $0["subject"] as? String == "locking" })
            #expect((locking["text"] as? String)?.contains("could not be tried") == true, "\(locking)")
        }

        /// On the very nodes: all subjects that need ranks are looked at, and nothing is wrong with them.
        @Test(arguments: ["srun", "mpirun"])
        func `The doctor looks at the nodes of an allocation`(launcher: String) throws {
            let folder = try Self.folder()
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let (found, answer) = try Self.findings(launcher, folder)
            func text(_ subject: String) -> String? {
                found.first { $0["subject"] as? String == subject && $0["verdict"] as? String == "good" }?["text"]
                    as? String
            }
            #expect(text("ranks") == "\(launcher) starts 3 ranks on n1, n2, n3", "\(answer.output)")
            for subject in ["SLURM", "srun", "slots", "clocks", "shared folder", "locking", "PMIx"] {
                #expect(text(subject) != nil, "\(subject): \(answer.output)")
            }
        }

        @Test func `The drill tells what happened`() throws {
            let run = try ClusterRun()
            try run.waitForTeach()
            let answer = try LocalCluster.diptych(["drill", run.path, "--json", "--queue-patience", "120"])
            #expect(answer.code == 0, "\(answer.error)")
            let steps = try #require(try answer.json["steps"] as? [[String: Any]])
            #expect(steps.compactMap { $0["name"] as? String } == ["saved", "requeued", "restarted", "continued"])
            #expect(steps.allSatisfy { $0["passed"] as? Bool == true })
            try run.expectSameResult(restarts: 1...1)
        }

        @Test func `A job that may not be queued again ends with the run's code`() throws {
            let run = try ClusterRun(["--requeue-limit", "0"])
            try run.waitForTeach()
            try LocalCluster.login("scancel", "--batch", "--signal=USR1", run.job)
            try LocalCluster.wait(until: "the job ends") { try run.field("JobState") == "FAILED" }
            #expect(try run.field("ExitCode") == "75:0")
            #expect(run.events("requeued").isEmpty)
        }
    }
}
