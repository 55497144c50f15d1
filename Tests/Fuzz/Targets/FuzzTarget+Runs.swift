import ArgumentParser
import Communication
import Coordinator
import Foundation
import Jobs
import Tensor
import Worker

/// What the programs find in a run's directory, and what they are told on the command line.
extension FuzzTarget {
    func readCommandLine(_ words: [String]) -> Bool {
        let programs: [any ParsableCommand.Type] = [Diptych.self, WorkerCommand.self]
        return programs.map { program in
            do {
                _ = try program.parseAsRoot(words)
                return true
            } catch {
                _ = program.fullMessage(for: error)
                return false
            }
        }.contains(true)
    }

    /// What `run`, `plan` and the others make of their environment; nothing is started.
    func readEnvironment(_ words: [String]) -> Bool {
        var environment: [String: String] = [:]
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { environment[String(parts[0])] = String(parts[1]) }
        }
        _ = Terminal.style(isTerminal: true, environment: environment)
        _ = MPICommunicator.isolation(size: 1, environment: environment)
        return takes {
            let machine = try Machine.described(by: environment)
            let ranks = try machine.placement(of: FuzzFiles.job, ranks: nil).ranks
            let invocation = SetAside(machine: machine).invocation(ranks: ranks, arguments: [], label: "fuzz")
            _ = (invocation.influences, machine.isFilled(by: ranks))
            guard let allocation = machine.allocation else { return }
            _ = (allocation.name, allocation.tasks, allocation.coresPerNode.reduce(0, +), allocation.restarts + 1)
            _ = (printable(allocation.nodeList), allocation.cpusPerTask)
        }
    }

    func readProfile(_ bytes: [UInt8]) -> Bool {
        _ = FuzzFiles.write(bytes, "profile.json")
        return takes { try RunProfile.check(NumericsProfile.current(), in: FuzzFiles.directory) }
    }

    func readHeartbeat(_ bytes: [UInt8]) -> Bool {
        _ = FuzzFiles.write(bytes, "logs/heartbeats/0")
        // Beside an honest one, so that there is something to be slower than.
        _ = FuzzFiles.write(FuzzFiles.heartbeat, "logs/heartbeats/1")
        let (directory, job) = (FuzzFiles.directory, FuzzFiles.job)
        return withExtendedLifetime(FuzzFiles.lock) {
            let beats = Heartbeat.readAll(in: directory)
            showStatus()
            let models = ModelProgress.all(from: beats, job: job)
            let renderer = ProgressRenderer(style: .init())
            _ = (renderer.line(models), renderer.bars(models, width: 80))
            _ = TimeLimit(end: 0).isDue(now: 0, stepSeconds: TimeLimit.stepSeconds(beats, job: job))
            var silence = SilenceWatch()
            silence.update(beats, now: .now)
            _ = silence.verdict(limit: -1, ranks: 1)
            return beats.count == 2
        }
    }

    func readOutcome(_ bytes: [UInt8]) -> Bool {
        _ = FuzzFiles.write(bytes, "outcome.json")
        _ = FuzzFiles.write(FuzzFiles.launched, "logs/events.jsonl")
        let directory = FuzzFiles.directory
        guard let outcome = (try? Outcome.read(from: directory)) ?? nil else { return false }
        _ = (RunReport.phases(outcome), RunReport.json(outcome, run: "fuzz", isRequeued: false).text)
        for phase in Phase.allCases { _ = Plan.measuredRate(phase, directory) }
        showStatus()
        return true
    }

    func readSteps(_ bytes: [UInt8]) -> Bool {
        _ = FuzzFiles.write(bytes, "logs/teacher-0.jsonl")
        let path = FuzzFiles.directory.log(of: "teacher-0")
        let last = StepLog.last(path: path)
        showStatus()
        let kept = try? StepLog(path: path).cutBack(toStep: 1000)
        return last != nil || kept ?? 0 > 0
    }

    func readEvents(_ bytes: [UInt8]) -> Bool {
        let directory = FuzzFiles.directory
        _ = FuzzFiles.write(FuzzFiles.outcome, "outcome.json")
        var notices = EventNotices(path: FuzzFiles.write([], "logs/events.jsonl"))
        _ = FuzzFiles.write(bytes, "logs/events.jsonl")
        let told = notices.take() + RunReport.damage(after: 0, directory) + RunReport.damage(after: 9, directory)
        let saves = TimeLimitWatch.saves(in: Data(bytes))
        let rate = Plan.measuredRate(.teach, directory)
        showStatus()
        return !told.isEmpty || !saves.isEmpty || rate != nil
    }

    func readSubmission(_ bytes: [UInt8]) -> Bool {
        _ = FuzzFiles.write(bytes, "submission.json")
        showStatus()
        return ((try? Submission.read(from: FuzzFiles.directory)) ?? nil) != nil
    }

    func readDeaths(_ bytes: [UInt8]) -> Bool {
        let path = FuzzFiles.write(bytes, "deaths.json")
        CrashLoop.noteLaunch(FuzzFiles.job, in: FuzzFiles.directory)
        // One more than before, or the first.
        let noted = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        return !noted.contains(/"deaths":1\b/)
    }

    /// As `diptych status` does.
    private func showStatus() {
        let (directory, job, machine) = (FuzzFiles.directory, FuzzFiles.job, FuzzFiles.machine)
        guard let status = try? RunStatus(directory: directory, job: job, machine: machine, now: 1.8e9) else { return }
        _ = (status.lines, status.summary, status.json.text)
    }
}

/// A launcher whose ranks are never started.
private struct SetAside: Launcher {
    let kind = LauncherKind.mpirun
    let machine: Machine

    func invocation(ranks: Int, arguments: [String], label: String) -> Invocation {
        let (environment, scratch) = rankEnvironment(ranks: ranks, label: label)
        return Invocation(executable: "", arguments: arguments, environment: environment, scratch: scratch)
    }
}
