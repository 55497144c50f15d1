import Foundation
import Jobs

/// Says when a run must stop to have saved before its SLURM job's time limit.
package struct TimeLimit: Hashable {
    /// When SLURM ends the job, in seconds of the caller's clock.
    package var end: Double
    /// What a checkpoint takes, in seconds: the longest of this execution, before there is one the median of the newest of
    /// former executions, which a single slow one does not change; nil when the run has written none.
    package var saveSeconds: Double?

    /// What is taken for the time of a checkpoint before one was measured, in seconds.
    package static let assumedSaveSeconds = 10.0
    /// Seconds for the ranks to end and the job to be queued again.
    package static let reserve = 10.0

    /// Names the end.
    package init(end: Double, saveSeconds: Double? = nil) {
        self.end = end
        self.saveSeconds = saveSeconds
    }

    /// Whether it is time to stop.
    ///
    /// - Parameters:
    ///   - now: Seconds of the same clock.
    ///   - stepSeconds: What one step takes, which must be ended first.
    package func isDue(now: Double, stepSeconds: Double) -> Bool {
        now + Self.reserve + 1.5 * ((saveSeconds ?? Self.assumedSaveSeconds) + stepSeconds) >= end
    }

    /// The seconds of the slowest group's step, by its heartbeats.
    package static func stepSeconds(_ beats: [Heartbeat], job: Job) -> Double {
        beats.filter { $0.imagesPerSecond > 0 && $0.imagesPerSecond.isFinite && !$0.model.isEmpty }.map { beat in
            Double((beat.phase == .distill ? job.distill : job.teach).batch) / beat.imagesPerSecond
        }.max() ?? 0
    }
}

/// Watches the time limit of the SLURM job that a run lives in.
package final class TimeLimitWatch {
    private var limit: TimeLimit
    private let clock = Stopwatch()
    private var offset = 0
    /// How many checkpoints of former executions count.
    private static let newest = 11
    /// The longest checkpoint of this execution.
    private var longest = 0.0
    private let events: String
    private let job: Job

    /// Asks SLURM once; nil outside of a SLURM job, or when there is no limit.
    ///
    /// - Parameter say: Told, in one sentence, when SLURM cannot be asked.
    init?(machine: Machine, directory: RunDirectory, job: Job, say: (String) -> Void) {
        guard let allocation = machine.allocation else { return nil }
        switch SlurmTools(machine: machine).state(of: allocation.name) {
        case .known(let state):
            guard let left = state.secondsLeft else { return nil }
            limit = TimeLimit(end: clock.seconds + left)
        case .forgotten:
            return nil
        case .unavailable(let reason):
            say("the time limit is not known (\(reason)); the run stops when SLURM warns it")
            return nil
        }
        events = directory.events
        self.job = job
        let former = newSaves().suffix(Self.newest).sorted()
        if !former.isEmpty { limit.saveSeconds = former[(former.count - 1) / 2] }
    }

    /// What to say when the run must stop now; nil as long as it may go on.
    func reason(beats: [Heartbeat]) -> String? {
        if let own = newSaves().max() {
            longest = max(longest, own)
            limit.saveSeconds = longest
        }
        let now = clock.seconds
        guard limit.isDue(now: now, stepSeconds: TimeLimit.stepSeconds(beats, job: job)) else { return nil }
        let save = limit.saveSeconds.map { ", and a checkpoint takes \(ProgressRenderer.digits($0)) s" } ?? ""
        return "the time limit is \(Int(max(0, limit.end - now))) s away" + save
    }

    private struct Saved: Decodable {
        var kind: String
        var seconds: Double
    }

    /// The seconds of the checkpoints that the event log tells of since the last look.
    private func newSaves() -> [Double] {
        var saves: [Double] = []
        while true {
            let lines = FileBytes.readLines(of: events, from: &offset)
            if lines.isEmpty { return saves }
            saves += Self.saves(in: lines)
        }
    }

    /// The seconds of each checkpoint that lines of the event log tell of.
    package static func saves(in lines: Data) -> [Double] {
        lines.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let event = try? JSONDecoder().decode(Saved.self, from: Data(line))
            return event?.kind == EventLog.Kind.checkpoint.rawValue ? event?.seconds : nil
        }
    }
}
