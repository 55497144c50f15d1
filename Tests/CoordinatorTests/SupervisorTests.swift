import Foundation
import Jobs
import Testing

@Suite struct SupervisorTests {
    private func line(_ output: String) throws -> [String: Any] {
        let lines = output.split(separator: "\n")
        #expect(lines.count == 1, "standard output is \(output)")
        let last = try #require(lines.last)
        return try #require(try JSONSerialization.jsonObject(with: Data(last.utf8)) as? [String: Any])
    }

    @Test func successEndsWithOneLineOfJSON() throws {
        let cluster = try FakeCluster(.success)
        let end = try cluster.start("run", "job.yaml", "--ranks", "2", "--json").result()
        #expect(end.code == 0, "\(end.error)")
        let json = try line(end.output)
        #expect(json["exit"] as? Int == 0)
        #expect((json["run"] as? String)?.hasSuffix("/runs/fake") == true)
        #expect(json["weights_sha256"] as? [String: String] == ["teacher-0": "aa", "teacher-1": "bb"])
        #expect(json["ema_sha256"] as? [String: String] == ["teacher-0": "cc"])
        let phase = try #require((json["phases"] as? [[String: Any]])?.first)
        #expect(phase["name"] as? String == "teach")
        #expect(phase["steps"] as? Int == 10)
        #expect(phase["seconds"] as? Double == 1.5)
        #expect(phase["images_per_second"] as? Double == 53.5)
        #expect(phase["final_loss"] as? [String: Double] == ["teacher-0": 0.5, "teacher-1": 0.25])
        #expect(end.error.contains("teacher-0 4/10 (40 %), loss 0.5000, 8.00 images/s"))
        #expect(end.error.contains("/grid.png"))
        #expect(try cluster.text("runs/fake/logs/worker.log").contains("a worker speaks"))
        #expect(try cluster.text("runs/fake/logs/events.jsonl").contains("\"launched\""))
    }

    /// Fails when what ranks say goes wherever a link in the run's directory points.
    @Test func theWorkersLogIsNotWrittenThroughALink() throws {
        let cluster = try FakeCluster(.success)
        #expect(try cluster.start("run", "job.yaml", "--ranks", "2").result().code == 0)
        let (log, precious) = (cluster.folder + "/runs/fake/logs/worker.log", cluster.folder + "/precious")
        try FileManager.default.removeItem(atPath: log)
        try Data("precious".utf8).write(to: URL(filePath: precious))
        try FileManager.default.createSymbolicLink(atPath: log, withDestinationPath: precious)
        let end = try cluster.start("run", "job.yaml", "--ranks", "2").result()
        #expect(
            end.code == 65 && end.error.contains("worker.log is no file that Diptych has written: it is a symbolic"))
        #expect(try cluster.text("precious") == "precious")
    }

    @Test func ranksAreStartedAsTheRunNeedsThem() throws {
        let cluster = try FakeCluster(.success)
        let end = try cluster.start("run", "job.yaml", "--ranks", "3", "--quiet").result()
        #expect(end.code == 0)
        #expect(end.output.isEmpty)
        let arguments = try cluster.text("arguments").split(separator: "\n").map(String.init)
        #expect(arguments.prefix(2) == ["-n", "3"])
        #expect(arguments.contains("--allow-run-as-root") == (geteuid() == 0))
        let worker = try #require(arguments.firstIndex { $0.hasSuffix("/bin/diptych-worker") })
        #expect(arguments[(worker + 1)...].prefix(4) == ["train", "--ranks", "3", "--execution"])
        #expect(arguments.dropLast().last == "--run")
        #expect(try cluster.text("runs/fake/execution") == arguments[worker + 5] + "\n")
        #expect(arguments.last?.hasSuffix("/runs/fake") == true)
        let environment = try cluster.text("environment")
        #expect(environment.contains("OMPI_MCA_btl_vader_single_copy_mechanism=none"))
        let scratch = environment.split(separator: "\n").filter { $0.contains("backing_directory=") }
        let folder = try #require(scratch.first?.split(separator: "=").last)
        #expect(folder.hasPrefix("/dev/shm/diptych-"))
        #expect(!FileManager.default.fileExists(atPath: String(folder)))
    }

    @Test func theJobIsResolvedInTheRunDirectory() throws {
        let cluster = try FakeCluster(.success)
        let end = try cluster.start("run", "job.yaml", "--ranks", "1", "--run", "elsewhere", "--set", "seed=8").result()
        #expect(end.code == 0)
        let job = try RunDirectory(cluster.folder + "/elsewhere").readJob()
        #expect(job.seed == 8)
        let again = try cluster.start("run", "job.yaml", "--ranks", "2", "--run", "elsewhere", "--set", "seed=8")
            .result()
        #expect(again.code == 0)
        #expect(again.output.contains("resuming: teacher-0 from the start"))
        let other = try cluster.start("run", "job.yaml", "--ranks", "1", "--run", "elsewhere").result()
        #expect(other.code == 64)
        #expect(other.error.contains("seed: 8 -> 0"))
        #expect(other.error.contains("elsewhere-2"))
    }

    @Test func theOutcomeDecidesTheCode() throws {
        let cluster = try FakeCluster(.badData)
        let end = try cluster.start("run", "job.yaml", "--ranks", "2").result()
        #expect(end.code == 65)
        #expect(end.error == "diptych: train.idx: the magic number is wrong\n")
    }

    @Test func anOldOutcomeIsNotTakenForANewOne() throws {
        let cluster = try FakeCluster(.silentEnd)
        try FileManager.default.createDirectory(
            atPath: cluster.folder + "/runs/fake", withIntermediateDirectories: true)
        try Outcome(exit: .done).write(to: RunDirectory(cluster.folder + "/runs/fake"))
        let end = try cluster.start("run", "job.yaml", "--ranks", "2").result()
        #expect(end.code == 70)
        #expect(end.error.contains("please report"))
    }

    @Test func aKilledRankIsNamed() throws {
        let cluster = try FakeCluster(.killedRank)
        let end = try cluster.start("run", "job.yaml", "--ranks", "2", "--json").result()
        #expect(end.code == 71)
        let place = "in teach at step 4 of teacher-1; "
        #expect(end.error.contains("rank 1 (process 4711 on n2) was ended by signal 9 (Killed) \(place)"))
        #expect(!end.error.contains("Primary job"))
        let json = try line(end.output)
        #expect(json["exit"] as? Int == 71)
        #expect(json["phases"] as? [Int] == [])
    }

    @Test func ranksThatDidNotComeUpAreStartedAgain() throws {
        let cluster = try FakeCluster(.crashesAtStart)
        let end = try cluster.start("run", "job.yaml", "--ranks", "2").result()
        #expect(end.code == 0, "\(end.error)")
        #expect(end.output.contains("no rank came up (mpirun ended with code 139"))
        let never = try FakeCluster(.alwaysCrashes)
        #expect(try never.start("run", "job.yaml", "--ranks", "2").result().code == 71)
        #expect(try never.text("runs/fake/crashed") == "again\nagain\nagain\n")
    }

    @Test func anAbortingRankSaysWhy() throws {
        let cluster = try FakeCluster(.abort)
        let end = try cluster.start("run", "job.yaml", "--ranks", "2").result()
        #expect(end.code == 70)
        #expect(end.error == "diptych: rank 1 of 2 on n2: loss is NaN at step 7 of teacher-1\n")
    }

    @Test(arguments: [SIGINT, SIGTERM, SIGUSR1, SIGHUP]) func aSignalStopsTheRunAfterSaving(_ signal: Int32) throws {
        let cluster = try FakeCluster(.waits)
        let running = try cluster.start("run", "job.yaml", "--ranks", "2", "--json")
        try cluster.wait(for: "runs/fake/logs/heartbeats/1")
        running.send(signal)
        let end = try running.result()
        #expect(end.code == 75, "\(end.error)")
        #expect(end.error.contains("stopping"))
        #expect(end.error.contains("saved at step 5"))
        #expect(try line(end.output)["exit"] as? Int == 75)
        #expect(!FileManager.default.fileExists(atPath: cluster.folder + "/runs/fake/term"))
    }

    @Test func theSignalWaitsUntilEveryRankIsUp() throws {
        let cluster = try FakeCluster(.startsSlowly)
        let running = try cluster.start("run", "job.yaml", "--ranks", "2")
        try cluster.wait(for: "launcher")
        running.send(SIGTERM)
        #expect(try running.result().code == 75)
    }

    @Test func theSecondInterruptEndsAtOnce() throws {
        let cluster = try FakeCluster(.stubborn)
        let running = try cluster.start("run", "job.yaml", "--ranks", "2", "--json")
        try cluster.wait(for: "runs/fake/logs/heartbeats/1")
        let start = Date()
        running.send(SIGINT)
        usleep(500_000)
        // As if the ranks had met the first request when the second came.
        let outcome = cluster.folder + "/runs/fake/outcome.json"
        try Outcome(exit: .stopped).write(to: RunDirectory(cluster.folder + "/runs/fake"))
        running.send(SIGINT)
        let end = try running.result()
        #expect(end.code == 130, "\(end.error)")
        #expect(!FileManager.default.fileExists(atPath: outcome), "the run ended with 130, not as stopped")
        #expect(Date().timeIntervalSince(start) < 10)
        #expect(try line(end.output)["exit"] as? Int == 130)
        let launcher = try #require(pid_t(cluster.text("launcher").trimmingCharacters(in: .whitespacesAndNewlines)))
        #expect(kill(launcher, 0) != 0)
    }

    @Test func aSecondRunOfTheSameDirectoryIsRefusedWhileTheFirstRuns() throws {
        let cluster = try FakeCluster(.waits)
        let running = try cluster.start("run", "job.yaml", "--ranks", "2")
        try cluster.wait(for: "runs/fake/logs/heartbeats/1")
        let status = try cluster.start("status", "runs/fake", "--json").result()
        #expect(try line(status.output)["state"] as? String == "running")
        running.send(SIGTERM)
        #expect(try running.result().code == 75)
        let after = try cluster.start("status", "runs/fake", "--json").result()
        #expect(try line(after.output)["state"] as? String == "ended")
        #expect(try line(after.output)["exit"] as? Int == 75)
    }

    @Test func aKilledSupervisorLetsTheRanksSaveAndTheNextRunWaitsForThem() throws {
        let cluster = try FakeCluster(.waits)
        let running = try cluster.start("run", "job.yaml", "--ranks", "2")
        try cluster.wait(for: "runs/fake/logs/heartbeats/1")
        let twin = try cluster.start("run", "job.yaml", "--ranks", "2").result()
        #expect(twin.code == 74)
        #expect(twin.error.contains("is in use by host"))
        running.send(SIGKILL)
        usleep(100_000)
        let next = try cluster.start("run", "job.yaml", "--ranks", "2")
        try cluster.wait(for: "runs/fake/outcome.json")
        #expect(try Outcome.read(from: RunDirectory(cluster.folder + "/runs/fake"))?.exit == .stopped)
        usleep(1_500_000)
        next.send(SIGTERM)
        let end = try next.result()
        #expect(end.code == 75, "\(end.error)")
        #expect(end.output.contains("waiting for the ranks of a run that was killed"))
        #expect(try cluster.text("runs/fake/logs/events.jsonl").contains("\"swept\""))
    }

    @Test func ranksThatOutliveTheirLauncherAreEnded() throws {
        let cluster = try FakeCluster(.orphans)
        let end = try cluster.start("run", "job.yaml", "--ranks", "2").result()
        #expect(end.code == 71)
        #expect(end.error.contains("mpirun was ended by signal 9"))
        let rank = try #require(pid_t(cluster.text("rank").trimmingCharacters(in: .whitespacesAndNewlines)))
        let state = try? String(contentsOfFile: "/proc/\(rank)/stat", encoding: .utf8)
        #expect(state == nil || state?.contains(") Z ") == true, "\(state ?? "")")
    }

    @Test func usageErrorsLeaveNothingBehind() throws {
        let cluster = try FakeCluster(.success)
        for arguments in [["--ranks", "5"], ["--ranks", "0"], ["--set", "teach.stesp=1"]] {
            let running = try cluster.start(["run", "job.yaml", "--json"] + arguments)
            let end = try running.result()
            #expect(end.code == 64)
            #expect(try line(end.output)["exit"] as? Int == 64)
        }
        #expect(!FileManager.default.fileExists(atPath: cluster.folder + "/runs"))
        #expect(!FileManager.default.fileExists(atPath: cluster.folder + "/arguments"))
    }

    @Test func planningTouchesNothing() throws {
        let cluster = try FakeCluster(.success)
        let missing = try cluster.start("plan", "job.yaml", "--ranks", "3", "--run", "r").result()
        #expect(missing.code == 74)
        #expect(missing.error.contains("/nonexistent/images.idx"))
        let end = try cluster.start(
            "plan", "job.yaml", "--ranks", "3", "--run", "r", "--set", "data.shape=[1, 8, 8]", "--json"
        ).result()
        #expect(end.code == 0, "\(end.error)")
        let json = try line(end.output)
        let groups = try #require(json["groups"] as? [[String: Any]])
        #expect(groups.map { $0["ranks"] as? [Int] } == [[0, 1], [2]])
        #expect(groups.map { $0["images_per_rank"] as? [Int] } == [[4, 4], [8]])
        #expect(groups.map { $0["models"] as? [String] } == [["teacher-0"], ["teacher-1"]])
        #expect(json["rank_limit"] as? Int == 4)
        #expect((json["parameters"] as? Int ?? 0) > 1000)
        #expect(try cluster.start("plan", "job.yaml", "--ranks", "9").result().code == 64)
        #expect(!FileManager.default.fileExists(atPath: cluster.folder + "/r"))
        #expect(!FileManager.default.fileExists(atPath: cluster.folder + "/arguments"))
    }

    @Test func benchmarksPassTheLineOn() throws {
        let cluster = try FakeCluster(.errand)
        let end = try cluster.start("bench", "--batch", "16", "--ranks", "2", "--forward", "--json").result()
        #expect(end.code == 0, "\(end.error)")
        #expect(try line(end.output)["images_per_second"] as? Double == 21.3)
        #expect(end.error.contains("a line for people"))
        let arguments = try cluster.text("arguments")
        #expect(
            arguments.hasSuffix(
                "bench\n--model\nddpm-cifar10\n--batch\n16\n--forward\n--steps\n5\n--warmup\n2\n"))
        let people = try cluster.start("bench", "--ranks", "2").result()
        #expect(people.output.contains("21.3 images/s"))
    }

    @Test func samplingChecksWhatItIsAskedFor() throws {
        let cluster = try FakeCluster(.errand)
        #expect(try cluster.start("sample", "runs/fake").result().code == 74)
        _ = try RunPreparation.open(
            job: Job.load(path: cluster.folder + "/job.yaml"), run: cluster.folder + "/runs/fake", extend: false)
        let early = try cluster.start("sample", "runs/fake", "--model", "teacher-1").result()
        #expect(early.code == 65)
        #expect(early.error.contains("no checkpoint of teacher-1"))
        for model in ["teacher-0", "teacher-1"] {
            let folder = "\(cluster.folder)/runs/fake/checkpoints/\(model)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            #expect(FileManager.default.createFile(atPath: folder + "/step-00000010.json", contents: nil))
        }
        for wrong in [
            ["--model", "student"], ["--count", "0"], ["--steps", "2000"], ["--eta", "2"], ["--guidance-scale", "2"],
        ] {
            #expect(try cluster.start(["sample", "runs/fake"] + wrong).result().code == 64, "\(wrong)")
        }
        let end = try cluster.start(
            "sample", "runs/fake", "--model", "dual", "--count", "5", "--steps", "7", "--out", "here", "--ranks", "2",
            "--json"
        ).result()
        let folder = cluster.folder + "/here"
        #expect(try line(end.output)["files"] as? [String] == [folder + "/dual.npz", folder + "/dual.png"])
        #expect(end.code == 0, "\(end.error)")
        let arguments = try cluster.text("arguments").split(separator: "\n").map(String.init)
        let start = try #require(arguments.firstIndex(of: "sample"))
        #expect(
            Array(arguments[(start + 3)...]) == [
                "--model", "dual", "--count", "5", "--sampler", "ddim", "--steps", "7", "--eta", "0.0",
                "--guidance-scale", "1.0", "--weights", "ema", "--out", cluster.folder + "/here",
            ])
    }
}
