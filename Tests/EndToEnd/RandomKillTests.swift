import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// `make torture`: jobs/tiny.yaml is killed, or asked to stop, again and again, anywhere, on random rank counts, and
    /// resumed, until it is done; then begun anew. Prints what happened where.
    @Suite(.serialized, .enabled(if: Kills.count + Kills.signals > 0, "set DIPTYCH_KILLS, as make torture does"))
    struct RandomKillTests {
        /// Where a kill is wanted.
        private enum Target: String, CaseIterable {
            case split, teach, distill, sample, save
        }

        /// SplitMix64, so that a seed repeats the plan of kills, if not their moments.
        private struct Generator: RandomNumberGenerator {
            var state: UInt64
            mutating func next() -> UInt64 {
                state &+= 0x9E37_79B9_7F4A_7C15
                var z = state
                z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
                z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
                return z ^ (z >> 31)
            }
        }

        private func tinyJob() throws -> TinyJob {
            let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent()
            let text = try String(contentsOf: root.appending(path: "jobs/tiny.yaml"), encoding: .utf8)
            return try TinyJob(text)
        }

        /// The files of saves under way, and of those that were killed.
        private func partials(_ job: TinyJob) -> Set<String> {
            Set(
                ["teacher-0", "teacher-1", "student"].flatMap { model in
                    let folder = "\(job.run.path)/checkpoints/\(model)"
                    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
                    return names.filter { $0.contains(".partial-") }
                })
        }

        /// Where rank 0 is; nil before its first sign of life: what an earlier execution left does not count.
        private func phase(_ job: TinyJob, _ run: ProgramRun) -> String? {
            guard let beat = job.run.heartbeats[0], let process = beat["process"] as? Int,
                run.ranks.contains(where: { Int($0.number) == process })
            else { return nil }
            return beat["phase"] as? String
        }

        /// Waits for the moment; false when the run has ended before.
        private func waits(
            for target: Target, _ run: ProgramRun, _ job: TinyJob, old: Set<String>, delay: UInt32
        ) -> Bool {
            let isThere: () -> Bool = {
                switch target {
                case .save: !partials(job).isSubset(of: old)
                case .split: job.run.bytes("split.h5") == nil && phase(job, run) == "split"
                case .teach, .distill, .sample: phase(job, run) == target.rawValue
                }
            }
            while run.isRunning {
                if isThere() {
                    if target != .save, target != .split { usleep(delay) }
                    return run.isRunning
                }
                // What lies before the run cannot be met any more.
                if target == .split, job.run.bytes("split.h5") != nil { return false }
                usleep(500)
            }
            return false
        }

        @Test(.timeLimit(.minutes(600)), .enabled(if: Kills.count > 0))
        func `Killed anywhere again and again, every run comes to the same result`() throws {
            let undisturbed = try tinyJob()
            let expected = try RunResult(undisturbed.finish(ranks: 2), undisturbed.run)
            var generator = Generator(state: Kills.seed)
            var wanted: [Target: Int] = [.split: 20, .teach: 20, .distill: 20, .sample: 20, .save: 50]
            var killed: [String: Int] = [:]
            var (kills, runs) = (0, 0)
            var job = try tinyJob()
            while kills < Kills.count {
                let ranks = Int.random(in: 1...4, using: &generator)
                let isNew = job.run.bytes("split.h5") == nil
                let possible = Target.allCases.filter { isNew ? true : $0 != .split }
                let missing = possible.filter { wanted[$0] ?? 0 > 0 }
                let target =
                    isNew && wanted[.split] ?? 0 > 0
                    ? .split : (missing.isEmpty ? possible : missing).randomElement(using: &generator) ?? .teach
                let old = partials(job)
                let run = try ProgramRun(.diptych, job.arguments(ranks: ranks) + ["--retry"], in: job.folder)
                let delay = UInt32.random(in: 0..<600_000, using: &generator)
                let victim = KillTests.Victim.allCases.randomElement(using: &generator) ?? .everything
                guard waits(for: target, run, job, old: old, delay: delay) else {
                    try finish(run, job, expected, "\(kills) kills")
                    runs += 1
                    job = try tinyJob()
                    continue
                }
                let phase = phase(job, run) ?? "start"
                victim.kill(run)
                let end = try run.end()
                if end.code == Exit.done {
                    // It was just over; that is no kill.
                    expectSame(try RunResult(end, job.run), expected, "after \(kills) kills")
                    runs += 1
                    job = try tinyJob()
                    continue
                }
                #expect([nil, Exit.rankLost].contains(end.code), "\(target): \(end.error)")
                kills += 1
                killed[phase, default: 0] += 1
                if !partials(job).isSubset(of: old) {
                    killed["within a save", default: 0] += 1
                    wanted[.save]? -= 1
                }
                if let hit = Target(rawValue: phase) { wanted[hit]? -= 1 }
                #expect(try FileManager.default.contentsOfDirectory(atPath: job.folder.scratch).count <= 1)
            }
            if Kills.count >= 200 {
                for (target, least) in [
                    ("within a save", 50), ("split", 20), ("teach", 20), ("distill", 20), ("sample", 20),
                ] {
                    #expect(killed[target] ?? 0 >= least, "\(target)")
                }
            }
            let last = try ProgramRun(.diptych, job.arguments(ranks: 2) + ["--retry"], in: job.folder)
            try finish(last, job, expected, "the last kill")
            print("torture: \(kills) kills, \(runs + 1) runs, every result equal; killed in \(Kills.list(killed))")
        }

        /// Where a request to stop is wanted.
        private enum Aim: CaseIterable {
            /// From the first instruction of `diptych run` on.
            case start
            case anywhere
            case betweenPhases
            /// While the outcome is written.
            case end
        }

        /// Lets a run come to where a request to stop is wanted, or to its end.
        private func wait(
            for aim: Aim, _ run: ProgramRun, _ job: TinyJob, within seconds: Double, using generator: inout Generator
        ) {
            let part = Double.random(in: 0..<1, using: &generator)
            func pass(_ seconds: Double) {
                let end = Date().addingTimeInterval(seconds)
                while run.isRunning, Date() < end { usleep(500) }
            }
            switch aim {
            case .start: pass(part * 0.8)
            case .anywhere: pass(part * seconds)
            case .betweenPhases:
                pass(part * seconds / 2)
                let first = phase(job, run)
                while run.isRunning, phase(job, run) == first { usleep(200) }
                pass(part * 0.02)
            case .end:
                while run.isRunning, job.run.bytes("samples/student.npz") == nil { usleep(200) }
                pass(part * 0.2)
            }
        }

        /// Fails when a request to stop is lost before the student is begun, cuts a save off, or ends a run in another way than
        /// with 75.
        @Test(.timeLimit(.minutes(600)))
        func `Asked to stop at any moment, every run saves and comes to the same result`() throws {
            let undisturbed = try tinyJob()
            let whole = try undisturbed.finish(ranks: 2)
            let expected = try RunResult(whole, undisturbed.run)
            var generator = Generator(state: Kills.seed)
            var (sent, runs) = (0, 0)
            var ends: [String: Int] = [:]
            var job = try tinyJob()
            while sent < Kills.signals {
                let ranks = Int.random(in: 1...4, using: &generator)
                let signal = [SIGUSR1, SIGTERM, SIGINT].randomElement(using: &generator) ?? SIGINT
                let aim = Aim.allCases.randomElement(using: &generator) ?? .anywhere
                let run = try ProgramRun(.diptych, job.arguments(ranks: ranks), in: job.folder)
                wait(for: aim, run, job, within: whole.seconds, using: &generator)
                let place = phase(job, run) ?? "start or end"
                // The last of the handlers that it sets up.
                let hears = run.processes.contains { $0.name == Program.diptych.rawValue && $0.handles(SIGUSR1) }
                let isInTime = run.isRunning
                // The whole of distill and sample lies before the end.
                let mustStop = isInTime && hears && job.run.steps(of: "student") == 0
                run.send(signal)
                let end = try run.end()
                if isInTime { sent += 1 }
                switch end.code {
                case Exit.done:
                    expectSame(try RunResult(end, job.run), expected, "after \(sent) signals")
                    #expect(!mustStop, "signal \(signal), \(aim), \(place), \(ranks) ranks: the request was lost")
                    if isInTime { ends["too late", default: 0] += 1 }
                    runs += 1
                    job = try tinyJob()
                case Exit.stopped:
                    ends[place, default: 0] += 1
                    for model in ["teacher-0", "teacher-1", "student"] {
                        let steps = job.run.steps(of: model)
                        #expect(job.run.checkpoints(of: model).last ?? 0 == steps, "\(model), \(place): its own step")
                    }
                case nil where !hears: ends["before it takes signals", default: 0] += 1
                case let code:
                    Issue.record("signal \(signal), \(aim), \(place), \(ranks) ranks: \(code ?? -1) \(end.error)")
                }
                #expect(try FileManager.default.contentsOfDirectory(atPath: job.folder.scratch) == [])
            }
            try finish(ProgramRun(.diptych, job.arguments(ranks: 2), in: job.folder), job, expected, "the last signal")
            print(
                "torture: \(sent) random signals, \(runs + 1) runs, every result equal; each group saved at its own step; "
                    + "asked in \(Kills.list(ends))")
        }

        private func finish(_ run: ProgramRun, _ job: TinyJob, _ expected: RunResult, _ what: String) throws {
            let end = try run.end()
            expectSame(try RunResult(end, job.run), expected, "after \(what)")
            let verdict = try EndToEndTests.run(.diptych, ["verify", job.run.path], in: job.folder)
            #expect(verdict.code == Exit.done, "\(verdict.error)")
        }
    }
}

/// What `make torture` asks for.
enum Kills {
    /// How many kills.
    static let count = Int(ProcessInfo.processInfo.environment["DIPTYCH_KILLS"] ?? "") ?? 0
    /// How many requests to stop.
    static let signals = Int(ProcessInfo.processInfo.environment["DIPTYCH_SIGNALS"] ?? "") ?? count
    /// Repeats a plan of kills.
    static let seed = UInt64(ProcessInfo.processInfo.environment["DIPTYCH_KILL_SEED"] ?? "") ?? 1

    /// How often something happened, by where.
    static func list(_ counts: [String: Int]) -> String {
        counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
    }
}
