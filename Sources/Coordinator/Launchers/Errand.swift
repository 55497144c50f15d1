import Foundation
import Jobs

/// A short job of the ranks that has no run of its own: sampling from a checkpoint, or a benchmark.
///
/// Rank 0 may end it with one line of JSON on its standard output.
struct Errand {
    /// How the ranks are started.
    let invocation: Invocation
    /// The signals that end it.
    let signals: any StopSignals
    /// Whether the first signal asks the ranks to stop in their own time, with code 75, and only a second one ends them.
    var stopsGently = false
    /// Seconds after which it is ended; nil for no limit.
    var patience: Double?
    /// Takes other lines of the ranks' standard output.
    var say: (String) -> Void = { _ in }

    /// Starts the ranks and waits for their end.
    ///
    /// - Returns: Rank 0's line of JSON, if it wrote one.
    /// - Throws: `DiptychFailure` that says what failed; with code 75 when the ranks stopped as they were asked to, 130
    ///   when a signal ended them.
    func run() throws -> String? {
        try Leftovers.prepare(invocation.scratch)
        defer { Leftovers.sweep(invocation.scratch) }
        let child = try ChildProcess(invocation)
        var report: String?
        var tail: [String] = []
        var ended: Stopwatch?
        var isStopping = false
        let clock = Stopwatch()
        while true {
            if let patience, clock.seconds > patience {
                child.killSession()
                throw DiptychFailure(.rankLost, "the ranks gave no answer within \(Int(patience)) s")
            }
            child.wait(milliseconds: 100)
            for line in child.output.lines() {
                if line.hasPrefix("{") { report = line } else { say(line) }
            }
            tail = (tail + child.error.lines()).suffix(200)
            for signal in signals.take() {
                if stopsGently && !isStopping {
                    isStopping = true
                    say("stopping; once more to end at once")
                    child.send(SIGUSR1)
                    continue
                }
                child.send(SIGTERM)
                let mercy = Stopwatch()
                while !child.hasEnded(), mercy.seconds < 3 { child.wait(milliseconds: 50) }
                child.killSession()
                throw DiptychFailure(.interrupted, "ended by signal \(signal)")
            }
            if child.hasEnded() {
                let since = ended ?? Stopwatch()
                ended = since
                if child.output.isAtEnd && child.error.isAtEnd || since.seconds > 2 { break }
            }
        }
        if isStopping && child.end == .exited(ExitCode.stopped.rawValue) {
            throw DiptychFailure(.stopped, "stopped; the same command goes on from here")
        }
        guard child.end == .exited(0) else {
            throw MPIRunReport.failure(lines: tail, end: child.end ?? .signaled(SIGKILL))
        }
        return report
    }
}
