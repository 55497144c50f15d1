import Foundation
import Jobs

/// Runs the ranks of a run to their end: passes on requests to stop, watches heartbeats, keeps the ranks' text, and
/// says how it went.
final class Supervisor {
    /// What is to be run.
    struct Assignment {
        /// The run.
        let directory: RunDirectory
        /// The job, for what progress means.
        let job: Job
        /// Number of ranks.
        let ranks: Int
        /// What starts them.
        let launcher: LauncherKind
        /// How they are started.
        let invocation: Invocation
        /// The run's lock, which the launcher is to hold as well.
        let lock: RunLock?
        /// The SLURM job that this is in.
        let allocation: SlurmAllocation?
        /// Says when the run must stop before its time limit.
        let timeLimit: TimeLimitWatch?
    }

    /// Spans of time, in seconds.
    struct Patience {
        /// Until a request to stop is passed on although not every rank has given a sign of life.
        var start = 60.0
        /// Until a silent rank is mentioned, unless it would have ended the run before.
        var warning = 120.0
        /// Between asking ranks to end at once and killing them.
        var mercy = 3.0
        /// Until an outcome that cannot be read is given up, as while a file server is away.
        var outcome = 10.0
    }

    private let assignment: Assignment
    private let signals: any StopSignals
    private let progress: any ProgressDisplay
    private let patience: Patience
    private let events: EventLog?
    private var notices: EventNotices
    private var signs = SignsOfLife()
    private var silence: SilenceWatch
    private var tail: [String] = []
    private var interrupts = 0
    private var stopRequested: Int32?
    private var isStopSent = false
    private var mentioned: Set<Int> = []
    private var silenceVerdict: String?

    /// Whether somebody, or the time limit, has asked for an end.
    var isStopRequested: Bool { stopRequested != nil || interrupts > 0 }

    /// Whether any rank has given a sign of life.
    var hasHeardOfRanks: Bool { !beats.isEmpty }

    /// The newest sign of life of each rank. One that was cut off from an execution with more ranks may still leave its own.
    private var beats: [Heartbeat] { signs.beats.filter { $0.rank < assignment.ranks } }

    /// Prepares to supervise.
    init(
        _ assignment: Assignment, signals: any StopSignals, progress: any ProgressDisplay,
        patience: Patience = Patience()
    ) {
        self.assignment = assignment
        self.signals = signals
        self.progress = progress
        self.patience = patience
        silence = SilenceWatch(limit: 60 * assignment.job.cluster.silenceMinutes)
        events = try? EventLog(path: assignment.directory.events, rank: nil)
        notices = EventNotices(path: assignment.directory.events)
    }

    /// Starts the ranks and waits for their end.
    ///
    /// - Returns: What rank 0 wrote, or what is known without it.
    /// - Throws: `DiptychFailure` when the ranks could not be started, or what they came to cannot be read;
    ///   `SystemCallError` when what an earlier execution came to cannot be removed.
    func run() throws -> Outcome {
        let directory = assignment.directory
        noteSweep(Leftovers.killRanks(of: directory), Leftovers.sweep(assignment.invocation.scratch))
        CrashLoop.noteLaunch(assignment.job, in: directory)
        try Outcome.remove(from: directory)
        Heartbeat.removeAll(in: directory)
        try Leftovers.prepare(assignment.invocation.scratch)
        defer { Leftovers.sweep(assignment.invocation.scratch) }
        let log = WorkerLog(path: directory.workerOutput)
        let child = try ChildProcess(assignment.invocation, inherited: assignment.lock?.descriptor)
        assignment.lock?.describe(launcher: child.process)
        events?.append(
            .launched,
            [
                "ranks": .integer(assignment.ranks), "launcher": .integer(Int(child.process)),
                "launched_by": .string(assignment.launcher.rawValue),
                "slurm_job": assignment.allocation.map { .string($0.name) } ?? .null,
                "nodes": assignment.allocation.map { .string($0.nodeList) } ?? .null,
                "restarts": .integer(assignment.allocation?.restarts ?? 0),
                "environment": .object(assignment.invocation.influences.map { .init($0.key, .string($0.value)) }),
            ])
        watch(child, log)
        notices.take().forEach(progress.say)
        progress.finish()
        return try conclude(child)
    }

    private func watch(_ child: ChildProcess, _ log: WorkerLog) {
        var nextLook = 0.0
        var endedAt: Double?
        while true {
            child.wait(milliseconds: 100)
            for line in child.output.lines() + child.error.lines() {
                hear(line, log)
            }
            for signal in signals.take() { receive(signal, child) }
            let now = silence.elapsed
            // A request to stop that waits for the ranks does not wait for the next look: theirs may be a job of seconds.
            if now >= nextLook || stopRequested != nil && !isStopSent {
                nextLook = now + 0.5
                look(child, log)
            }
            if child.hasEnded() {
                endedAt = endedAt ?? now
                // A rank that outlives mpirun keeps the pipes open; its last words are waited for only briefly.
                if child.output.isAtEnd && child.error.isAtEnd || now - (endedAt ?? now) > 2 { return }
            }
        }
    }

    /// Keeps a line that the launcher or a rank has written, unless it stands for what a file did not take.
    private func hear(_ line: String, _ log: WorkerLog) {
        switch SpokenNote(line: line) {
        case .heartbeat(let beat): signs.hear(beat)
        case .event(let event):
            log.append(line)
            // What the log took before comes first.
            notices.take().forEach(progress.say)
            notices.hear(event).map(progress.say)
        case nil:
            log.append(line)
            tail.append(line)
            if tail.count > 400 { tail.removeFirst(200) }
        }
    }

    private func receive(_ signal: Int32, _ child: ChildProcess) {
        events?.append(.signal, ["signal": .integer(Int(signal))])
        if signal == SIGINT { interrupts += 1 }
        if interrupts >= 2 {
            progress.say("interrupted twice: ending at once, without waiting for anything to be saved")
            end(child)
            while !child.hasEnded() { usleep(10_000) }
            return
        }
        guard stopRequested == nil else { return }
        stopRequested = signal
        progress.say(
            "stopping: every group ends its step and saves"
                + (signal == SIGINT ? "; press Ctrl-C again not to wait for that" : ""))
    }

    /// What is done twice a second: progress, a pending request to stop, silent ranks.
    private func look(_ child: ChildProcess, _ log: WorkerLog) {
        signs.look(in: assignment.directory)
        let beats = beats
        progress.update(beats, job: assignment.job)
        if stopRequested == nil,
            let reason = assignment.timeLimit?.reason(beats: beats)
        {
            events?.append(.signal, ["reason": .string(reason)])
            stopRequested = SIGUSR1
            progress.say("stopping: \(reason); every group ends its step and saves")
        }
        notices.take().forEach(progress.say)
        silence.update(beats)
        // Before MPI is up in a rank, the signal that asks it to save would end it.
        let isReady = beats.count == assignment.ranks || silence.elapsed > patience.start
        if stopRequested != nil, !isStopSent, isReady, !child.hasEnded() {
            child.send(SIGUSR1)
            isStopSent = true
        }
        lookForSilence(child, log)
    }

    /// Mentions ranks that are silent, and ends the run when one has been so for too long.
    private func lookForSilence(_ child: ChildProcess, _ log: WorkerLog) {
        let limit = 60 * assignment.job.cluster.silenceMinutes
        let warning = limit > 0 ? min(patience.warning, limit / 2) : patience.warning
        let silent = silence.silent(for: warning).filter { $0.isWaiting != true }
        for beat in silent where !mentioned.contains(beat.rank) {
            progress.say("no sign of life: \(silence.describe(beat))")
            events?.append(.silent, ["silent_rank": .integer(beat.rank), "step": .integer(beat.step)])
        }
        mentioned = Set(silent.map(\.rank))
        guard limit > 0, silenceVerdict == nil, !child.hasEnded(),
            let verdict = silence.verdict(limit: limit, ranks: assignment.ranks)
        else { return }
        silenceVerdict = verdict
        keepThreadStates(log)
        end(child)
    }

    /// Keeps what the ranks of this machine were doing when they were found to hang.
    private func keepThreadStates(_ log: WorkerLog) {
        let host = ProcessInfo.processInfo.hostName
        for beat in beats where beat.host == host && beat.process > 1 {
            log.append("\(silence.describe(beat)); its threads:")
            for line in ThreadStates.lines(of: beat.process) { log.append("  \(line)") }
        }
    }

    /// Asks the ranks to end at once, and sees to it.
    private func end(_ child: ChildProcess) {
        child.send(SIGTERM)
        let clock = Stopwatch()
        while !child.hasEnded(), clock.seconds < patience.mercy { child.wait(milliseconds: 50) }
        child.killSession()
    }

    private func conclude(_ child: ChildProcess) throws -> Outcome {
        let directory = assignment.directory
        // Ranks that outlive mpirun belong to no job any more.
        child.killSession()
        signs.look(in: directory)
        noteSweep(Leftovers.killRanks(of: directory), [])
        if interrupts >= 2 {
            CrashLoop.forget(in: directory)
            // The first request to stop may have been met meanwhile; this run's end is the second all the same.
            try? Outcome.remove(from: directory)
            return Outcome(
                exit: .interrupted,
                message: "interrupted twice; what was done since the last checkpoint is lost, the same command goes on")
        }
        // Ranks that were ended because one of them hung may still have saved and said that they stopped on request.
        if silenceVerdict != nil {
            try? Outcome.remove(from: directory)
        } else if let outcome = try readOutcome() {
            if !CrashLoop.isDeath(outcome.exit) { CrashLoop.forget(in: directory) }
            return outcome
        }
        let failure = failure(child)
        if !CrashLoop.isDeath(failure.code) { CrashLoop.forget(in: directory) }
        events?.append(.failed, ["exit": .integer(Int(failure.code.rawValue)), "message": .string(failure.message)])
        return Outcome(exit: failure.code, message: failure.message)
    }

    /// What rank 0 wrote; nil when it wrote nothing.
    private func readOutcome() throws -> Outcome? {
        let clock = Stopwatch()
        while true {
            do throws(SystemCallError) {
                return try Outcome.read(from: assignment.directory)
            } catch {
                guard error.mayPass, clock.seconds < patience.outcome else {
                    throw DiptychFailure(
                        .inputOutput,
                        "the ranks have ended, but how cannot be read: \(error.description). What they saved stays; the "
                            + "same command goes on")
                }
                usleep(200_000)
            }
        }
    }

    /// Why the ranks ended without an outcome.
    private func failure(_ child: ChildProcess) -> DiptychFailure {
        guard let silenceVerdict else {
            let beats = beats
            return MPIRunReport.failure(
                lines: tail, end: child.end ?? .signaled(SIGKILL), launcher: assignment.launcher,
                lastSeen: { rank in beats.first { $0.rank == rank }.map(SilenceWatch.place) },
                process: { rank in beats.first { $0.rank == rank }.map(\.process) })
        }
        return DiptychFailure(
            .rankLost,
            "\(silenceVerdict). The run was ended (cluster.silence_minutes); the same command goes on from the last "
                + "checkpoint. Look at that node first; what the threads of ranks on this machine were doing is at the end of "
                + printable(assignment.directory.workerOutput))
    }

    private func noteSweep(_ ranks: [Int], _ directories: [String]) {
        guard !ranks.isEmpty || !directories.isEmpty else { return }
        events?.append(
            .swept,
            ["ranks": .array(ranks.map { .integer($0) }), "directories": .array(directories.map { .string($0) })])
    }
}

/// Keeps what the ranks and mpirun write; a log that cannot be written does not stop a run.
private final class WorkerLog {
    private let descriptor: Int32

    init(path: String) {
        descriptor = (try? FileBytes.open(path, flags: O_WRONLY | O_CREAT | O_APPEND)) ?? -1
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    func append(_ line: String) {
        if descriptor >= 0 { Console.write(line + "\n", to: descriptor) }
    }
}
