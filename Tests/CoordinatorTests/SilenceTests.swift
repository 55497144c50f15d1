import Coordinator
import Foundation
import Jobs
import TestSupport
import Testing

/// Ranks that give no sign of life, runs that die again and again, files that cannot be written: what the user is told.
@Suite struct SilenceTests {
    private let soon = ["--set", "cluster.silence_minutes=0.05"]

    /// Fails when silence is not bounded, or a rank that only waits is blamed.
    @Test func aRankThatHangsIsNamedAndTheRunEnded() throws {
        let cluster = try FakeCluster(.hangs)
        let start = Date()
        let end = try cluster.start(["run", "job.yaml", "--ranks", "2", "--json"] + soon).result()
        #expect(end.code == 71, "\(end.error)")
        #expect(end.error.contains("rank 1 (process 1 on h), last seen "), "\(end.error)")
        #expect(end.error.contains("in teach at step 4 of teacher-1; 1 other rank waits for it. The run was ended"))
        #expect(!end.error.contains("rank 0 (process"))
        #expect(Date().timeIntervalSince(start) < 60)
        let events = try cluster.text("runs/fake/logs/events.jsonl")
        #expect(events.contains(#""kind":"silent","silent_rank":1"#), "\(events)")
    }

    /// Fails when a rank that says that it lives is taken for silent, or one that has stopped saying so is not.
    @Test func ranksThatCannotWriteAreHeardAllTheSame() {
        var beat = Heartbeat(rank: 0, phase: .teach, model: "m", step: 4, totalSteps: 99, imagesPerSecond: 1)
        let file = beat
        var (signs, watch) = (SignsOfLife(), SilenceWatch())
        let start = ContinuousClock.now
        func look(_ second: Int, _ files: [Heartbeat]) {
            signs.look(files)
            watch.update(signs.beats, now: start + .seconds(second))
        }
        look(0, [file])
        for second in stride(from: 5, through: 100, by: 5) {
            beat.step += 1
            signs.hear(beat)
            look(second, [file])
        }
        #expect(watch.verdict(limit: 60, ranks: 1) == nil)
        #expect(signs.beats.map(\.step) == [24])
        for second in stride(from: 105, through: 165, by: 5) { look(second, [file]) }
        #expect(watch.verdict(limit: 60, ranks: 1)?.contains("last seen 65 s ago in teach at step 24") == true)
        // There is space again.
        beat.step += 1
        look(166, [beat])
        #expect(watch.verdict(limit: 60, ranks: 1) == nil)
        #expect(signs.beats.map(\.step) == [25])
    }

    /// Fails when time counts in which the supervisor slept with the ranks, and when time does not count in which it looked.
    @Test func aSuspendedJobIsNotHung() {
        let beat = Heartbeat(rank: 0, phase: .teach, model: "m", step: 4, totalSteps: 9, imagesPerSecond: 1)
        var watch = SilenceWatch()
        let start = ContinuousClock.now
        watch.update([beat], now: start)
        watch.update([beat], now: start + .seconds(7200))
        #expect(watch.verdict(limit: 60, ranks: 1) == nil)
        #expect(watch.verdict(limit: 60, ranks: 2) == nil, "a rank that has not come up has slept, too")
        for second in stride(from: 20, through: 80, by: 20) {
            watch.update([beat], now: start + .seconds(7200 + second))
        }
        #expect(watch.verdict(limit: 60, ranks: 1)?.contains("last seen 80 s ago") == true)
        #expect(watch.verdict(limit: 60, ranks: 2)?.contains("rank 1 never gave a sign of life") == true)
    }

    /// Fails when a rank that was heard of a moment later is not counted among those that wait.
    @Test func whoBeganToWaitAMomentLaterWaitsTooWhenTheRankIsNamed() {
        let working = Heartbeat(rank: 1, phase: .teach, model: "n", step: 3, totalSteps: 9, imagesPerSecond: 1)
        var waiting = Heartbeat(rank: 0, phase: .teach, model: "m", step: 3, totalSteps: 9, imagesPerSecond: 1)
        var watch = SilenceWatch()
        let start = ContinuousClock.now
        watch.update([waiting, working], now: start)
        waiting.isWaiting = true
        for time in stride(from: 1, through: 61, by: 5) {
            watch.update([waiting, working], now: start + .seconds(time))
        }
        let verdict = watch.verdict(limit: 60, ranks: 2) ?? ""
        #expect(verdict.contains("rank 1 ") && verdict.contains("1 other rank waits for it"), "\(verdict)")
    }

    /// Fails when a group that has finished is taken for stuck, or is blamed a moment before the rank that it waits for.
    @Test func aRankThatWaitsIsNotToBlameWhileAnotherWorks() {
        let waiting = Heartbeat(
            rank: 0, phase: .teach, model: "", step: 0, totalSteps: 0, imagesPerSecond: 0, isWaiting: true)
        var working = Heartbeat(rank: 1, phase: .teach, model: "n", step: 0, totalSteps: 9, imagesPerSecond: 1)
        var watch = SilenceWatch()
        let start = ContinuousClock.now
        for step in 0..<8 {
            working.step = step
            watch.update([waiting, working], now: start + .seconds(20 * step))
        }
        #expect(watch.verdict(limit: 60, ranks: 2) == nil)
        for time in stride(from: 160, through: 220, by: 20) {
            watch.update([waiting, working], now: start + .seconds(time))
        }
        let verdict = watch.verdict(limit: 60, ranks: 2) ?? ""
        #expect(verdict.contains("rank 1 ") && verdict.contains("1 other rank waits for it"), "\(verdict)")
        working.isWaiting = true
        for time in stride(from: 240, through: 320, by: 20) {
            watch.update([waiting, working], now: start + .seconds(time))
        }
        let end = watch.verdict(limit: 60, ranks: 2) ?? ""
        #expect(end.hasPrefix("no sign of life: rank 1 ") && end.hasSuffix("; 1 other rank waits for it"), "\(end)")
    }

    /// A machine of the cluster, where the state of its processes cannot be seen: `model` in silence, others as they do.
    private func verdict(
        of beats: [Heartbeat], for seconds: Int, moving others: (inout [Heartbeat], Int) -> Void = { _, _ in }
    ) -> String? {
        var watch = SilenceWatch(halt: { _ in nil })
        var beats = beats
        let start = ContinuousClock.now
        for second in stride(from: 0, through: seconds, by: 5) {
            others(&beats, second)
            watch.update(beats, now: start + .seconds(second))
        }
        return watch.verdict(limit: 60, ranks: beats.count)
    }

    private func waits(_ rank: Int, _ model: String, step: Int = 21) -> Heartbeat {
        Heartbeat(
            rank: rank, phase: .teach, model: model, step: model.isEmpty ? 0 : step, totalSteps: 400,
            imagesPerSecond: 1, isWaiting: true)
    }

    /// Fails when a rank that was stopped while it waited, on another machine, is never missed: because those that wait for
    /// its group say so again and again, or because the other group works on for hours.
    @Test func aGroupWhoseRanksAllWaitInSilenceIsNamed() {
        let group = [waits(0, "teacher-0"), waits(1, "teacher-0")]
        let words = "; they wait for each other, at least one in vain"
        let polled = verdict(of: group + [waits(2, "")], for: 80) { beats, second in beats[2].time += Double(second) }
        #expect(
            polled?.hasPrefix("no sign of life: rank 0 ") == true && polled?.hasSuffix(words) == true, "\(polled ?? "")"
        )
        let busy = verdict(of: group + [waits(2, "teacher-1")], for: 80) { beats, second in
            beats[2].step = second
            beats[2].isWaiting = second % 2 == 0
        }
        #expect(busy?.contains("; rank 1 ") == true && busy?.hasSuffix(words) == true, "\(busy ?? "")")
        #expect(verdict(of: group, for: 80)?.hasPrefix("all ranks wait for each other") == true)
        // One of the group has done the next step, so the other is only slow.
        let slow = verdict(of: group + [waits(2, "")], for: 80) { beats, second in
            beats[1].step = second
            beats[2].time += Double(second)
        }
        #expect(slow == nil, "\(slow ?? "")")
    }

    /// Fails when the verdict comes before the rank that was stopped last has been silent for as long, and names another.
    @Test func whoStoppedLastIsAmongThoseThatAreNamed() {
        var beats = [waits(0, "teacher-0"), waits(1, "teacher-0"), waits(2, "")]
        beats[1].isWaiting = false
        var watch = SilenceWatch(halt: { $0.rank == 1 ? "stopped by a signal or a debugger" : nil })
        let start = ContinuousClock.now
        var verdict: String?
        for half in 0..<150 where verdict == nil {
            if half == 6 { beats[1].isWaiting = true }
            if half % 10 == 0 { beats[2].time += 5 }
            watch.update(beats, now: start + .milliseconds(500 * half))
            verdict = watch.verdict(limit: 60, ranks: 3)
        }
        #expect(verdict?.hasPrefix("no sign of life: rank 1 ") == true, "\(verdict ?? "")")
        #expect(verdict?.contains("last seen 60 s ago") == true, "\(verdict ?? "")")
    }

    /// Fails when the rank that all the others wait for, in the step before, passes for one that waits.
    @Test func whoWaitsInAStepThatOthersHaveLeftIsNamed() {
        var saving = waits(0, "teacher-0", step: 22)
        saving.isWaiting = false
        let told = verdict(of: [saving, waits(1, "teacher-0"), waits(2, "teacher-0", step: 22)], for: 80)
        #expect(told?.contains("rank 0 ") == true && told?.contains("; rank 1 ") == true, "\(told ?? "")")
        #expect(told?.hasSuffix("; 1 other rank waits for it") == true, "\(told ?? "")")
    }

    /// Fails when the time counts in which a supervisor could not look, as long as it is short.
    @Test func whoCouldNotLookForAWhileEndsNothing() {
        let beat = Heartbeat(rank: 0, phase: .teach, model: "m", step: 4, totalSteps: 9, imagesPerSecond: 1)
        var watch = SilenceWatch(limit: 6)
        let start = ContinuousClock.now
        watch.update([beat], now: start)
        watch.update([beat], now: start + .seconds(10))
        #expect(watch.verdict(limit: 6, ranks: 1) == nil)
        for second in 11...17 { watch.update([beat], now: start + .seconds(second)) }
        #expect(watch.verdict(limit: 6, ranks: 1) != nil)
    }

    /// Fails when what a rank leaves that was cut off from an execution with more ranks ends the run, as a rank that hangs.
    @Test func aStrayHeartbeatEndsNothing() throws {
        let cluster = try FakeCluster(.wrongClock)
        let run = try cluster.start(["run", "job.yaml", "--ranks", "2"] + soon)
        try cluster.wait(for: "runs/fake/logs/heartbeats/1")
        Heartbeat(rank: 7, phase: .teach, model: "teacher-1", step: 3, totalSteps: 9, imagesPerSecond: 1)
            .write(to: RunDirectory(cluster.folder + "/runs/fake"))
        let end = try run.result()
        #expect(end.code == 0, "\(end.error)")
    }

    /// Fails when ranks that meet, and say so, are waited for although nobody works; and when they are blamed too early.
    @Test func ranksThatMeetForTooLongAreNamed() {
        let all = (0..<3).map { waits($0, "") }
        let lost = verdict(of: all, for: 80) { beats, second in for rank in 0..<3 { beats[rank].time += Double(second) }
        }
        #expect(lost?.hasPrefix("all ranks wait for each other") == true, "\(lost ?? "")")
        let one = verdict(of: all, for: 80) { beats, second in for rank in 0..<2 { beats[rank].time += Double(second) }
        }
        #expect(one?.hasPrefix("no sign of life: rank 2 ") == true, "\(one ?? "")")
        let early = verdict(of: all, for: 80) { beats, second in
            if second == 40 { beats[0] = self.waits(0, "teacher-0") }
            for rank in 0..<2 { beats[rank].time += Double(second) }
        }
        #expect(early == nil, "\(early ?? "")")
    }

    /// Fails when a rank that was stopped while it waited hides behind those that wait for it.
    @Test func aRankThatCannotRunIsNamedWhateverItDidLast() {
        let beats = (0..<2).map { rank in
            Heartbeat(
                rank: rank, phase: .teach, model: "m", step: 4, totalSteps: 9, imagesPerSecond: 1, isWaiting: true)
        }
        var watch = SilenceWatch(halt: { $0.rank == 1 ? "stopped by a signal or a debugger" : nil })
        let start = ContinuousClock.now
        for time in stride(from: 0, through: 80, by: 20) { watch.update(beats, now: start + .seconds(time)) }
        let verdict = watch.verdict(limit: 60, ranks: 2) ?? ""
        #expect(verdict.contains("rank 1 ") && verdict.contains("at step 4 of m, stopped by a signal or a debugger"))
        #expect(verdict.hasSuffix("; 1 other rank waits for it"), "\(verdict)")
    }

    /// Fails when the state of a process of this machine is not seen.
    @Test func whatKeepsAProcessFromRunningIsSeen() throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sleep")
        process.arguments = ["60"]
        try process.run()
        defer { process.terminate() }
        var beat = Heartbeat(rank: 0, phase: .teach, model: "m", step: 4, totalSteps: 9, imagesPerSecond: 1)
        beat.host = ProcessInfo.processInfo.hostName
        beat.process = process.processIdentifier
        #expect(SilenceWatch.halt(beat) == nil)
        bounded { while ProcessStatus(of: process.processIdentifier)?.state != "S" { usleep(1000) } }
        let thread = "thread \(process.processIdentifier) sleep: "
        let asleep = ThreadStates.lines(of: process.processIdentifier)
        #expect(asleep.count == 1 && asleep[0].hasPrefix(thread + "S (sleeping)"), "\(asleep)")
        kill(process.processIdentifier, SIGSTOP)
        bounded { while ProcessStatus(of: process.processIdentifier)?.state != "T" { usleep(1000) } }
        #expect(SilenceWatch.halt(beat) == "stopped by a signal or a debugger")
        let stopped = ThreadStates.lines(of: process.processIdentifier)
        #expect(stopped.count == 1 && stopped[0].hasPrefix(thread + "T (stopped)"), "\(stopped)")
        #expect(ThreadStates.lines(of: .max).isEmpty)
        beat.host = "elsewhere"
        #expect(SilenceWatch.halt(beat) == nil, "another machine's process of that number is none of ours")
        kill(process.processIdentifier, SIGCONT)
    }

    /// Fails when heartbeats are judged by the times that the nodes wrote into them.
    @Test func wrongClocksOfNodesDoNoHarm() throws {
        let cluster = try FakeCluster(.wrongClock)
        let end = try cluster.start(["run", "job.yaml", "--ranks", "2"] + soon).result()
        #expect(end.code == 0, "\(end.error)")
        #expect(!end.output.contains("no sign of life"))
    }

    @Test func ranksThatNeverStartEndTheRun() throws {
        let cluster = try FakeCluster(.neverStarts)
        let end = try cluster.start(["run", "job.yaml", "--ranks", "3"] + soon).result()
        #expect(end.code == 71, "\(end.error)")
        #expect(end.error.contains("ranks 0, 1, 2 never gave a sign of life"))
    }

    /// Fails when a failed save is known to the event log alone, or is told again with every step.
    @Test func whatCannotBeWrittenIsToldWhileTheRunGoesOn() throws {
        let cluster = try FakeCluster(.failsToWrite)
        let end = try cluster.start("run", "job.yaml", "--ranks", "2").result()
        #expect(end.code == 0, "\(end.error)")
        let told = end.output.split(separator: "\n").filter { $0.contains("checkpoint of teacher-0") }
        #expect(told.count == 2, "\(end.output)")
        #expect(told.first?.contains("No space left on device. Training goes on") == true)
        #expect(told.last?.hasSuffix("saved again, at step 9") == true)
    }

    @Test func aCrashLoopStopsByItself() throws {
        let cluster = try FakeCluster(.killedRank)
        for _ in 0..<CrashLoop.limit {
            #expect(try cluster.start("run", "job.yaml", "--ranks", "2").result().code == 71)
        }
        let refused = try cluster.start("run", "job.yaml", "--ranks", "2").result()
        #expect(refused.code == 70)
        #expect(refused.error.contains("has died 5 times in a row without getting further"), "\(refused.error)")
        #expect(try cluster.start("run", "job.yaml", "--ranks", "2", "--retry").result().code == 71)
    }

    /// Fails when faults that the user can mend count as deaths.
    @Test func faultsWithAReasonAreNoCrashLoop() throws {
        let cluster = try FakeCluster(.badData)
        for _ in 0...CrashLoop.limit {
            #expect(try cluster.start("run", "job.yaml", "--ranks", "2").result().code == 65)
        }
    }

    @Test func theEnvironmentThatMattersIsInTheEventLog() throws {
        let cluster = try FakeCluster(.success)
        let set = ["LD_PRELOAD": "", "HDF5_PLUGIN_PATH": "/plugins", "OMPI_MCA_coll_hcoll_enable": "0"]
        let arguments = ["run", "job.yaml", "--ranks", "2"]
        let environment = set.merging(["SECRET_OF_THE_USER": "s"]) { $1 }
        #expect(try cluster.start(arguments, environment: environment).result().code == 0)
        let events = try cluster.text("runs/fake/logs/events.jsonl").split(separator: "\n").compactMap {
            try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
        }
        let launched = try #require(events.last { $0["kind"] as? String == "launched" })
        let noted = try #require(launched["environment"] as? [String: String])
        #expect(noted["OMPI_MCA_btl_vader_single_copy_mechanism"] == "none", "\(noted)")
        for (name, value) in set { #expect(noted[name] == value, "\(name) in \(noted)") }
        #expect(noted["PATH"] == nil && noted["SECRET_OF_THE_USER"] == nil)
    }

    /// Fails when `status` takes a rank that has fallen silent for one that works.
    @Test func aSilentRankShowsInStatus() throws {
        let cluster = try FakeCluster(.success)
        #expect(try cluster.start("run", "job.yaml", "--ranks", "2").result().code == 0)
        let directory = RunDirectory(cluster.folder + "/runs/fake")
        Heartbeat.removeAll(in: directory)
        for rank in 0..<3 {
            var beat = Heartbeat(
                rank: rank, phase: .teach, model: "teacher-0", step: 5, totalSteps: 10, imagesPerSecond: 8)
            beat.host = "n\(rank)"
            if rank == 1 { beat.time -= 3 * 3600 }
            beat.write(to: directory)
        }
        let lock = try RunLock(directory, job: "fake")
        let people = try cluster.start("status", "runs/fake").result()
        let silent = people.output.split(separator: "\n").filter { $0.contains("no sign of life") }
        #expect(silent.count == 1 && silent[0].hasPrefix("rank 1 on n1 has given no sign of life for 3 h"), "\(people)")
        #expect(try cluster.start("status", "runs").result().output.contains("1 silent rank"))
        #expect(try cluster.start("status", "runs/fake", "--json").result().output.contains(#""silent":[1]"#))
        withExtendedLifetime(lock) {}
    }

    @Test func aStragglerShowsInStatus() throws {
        let cluster = try FakeCluster(.success)
        #expect(try cluster.start("run", "job.yaml", "--ranks", "2").result().code == 0)
        let directory = RunDirectory(cluster.folder + "/runs/fake")
        Heartbeat.removeAll(in: directory)
        for (rank, seconds) in [0.1, 0.11, 0.32, 0.1].enumerated() {
            Heartbeat(
                rank: rank, phase: .teach, model: "teacher-0", step: 5, totalSteps: 10, imagesPerSecond: 8,
                secondsPerImage: seconds, isWaiting: rank != 2
            ).write(to: directory)
        }
        let lock = try RunLock(directory, job: "fake")
        let people = try cluster.start("status", "runs/fake").result()
        let lines = people.output.split(separator: "\n").filter { $0.hasPrefix("rank ") }
        #expect(lines.count == 4)
        #expect(lines.filter { $0.contains("STRAGGLER") }.map { $0.prefix(6) } == ["rank 2"])
        #expect(lines[2].contains("STRAGGLER: 3.20 times the median"), "\(lines[2])")
        #expect(lines[0].hasSuffix("waiting for others"))
        let json = try cluster.start("status", "runs/fake", "--json").result().output
        #expect(json.contains(#""waiting":false,"straggler":3."#), "\(json)")
        withExtendedLifetime(lock) {}
    }
}
