import Foundation
import Jobs

/// Heeds requests to stop while a run waits for its directory or examines what it takes: there are no ranks yet that would have to save.
final class StopBeforeStart {
    private let signals: any StopSignals
    private let say: (String) -> Void
    private let occasion: String
    private var interrupted: Stopwatch?

    /// Seconds after a first Ctrl-C in which a second one is one.
    private static let patience = 2.0

    /// Begins to wait.
    ///
    /// - Parameters:
    ///   - signals: This process's signals.
    ///   - say: Told what a first Ctrl-C does.
    ///   - occasion: What is being done meanwhile.
    init(signals: any StopSignals, say: @escaping (String) -> Void, occasion: String) {
        self.occasion = occasion
        self.signals = signals
        self.say = say
    }

    /// To be called often during the wait.
    ///
    /// - Throws: `DiptychFailure` when the wait is to end: 75, or 130 after a second SIGINT.
    func look() throws {
        for signal in signals.take() {
            guard signal == SIGINT else { throw stopped }
            guard interrupted == nil else {
                throw DiptychFailure(
                    .interrupted,
                    "interrupted twice while \(occasion); nothing was started, the same command goes on"
                )
            }
            interrupted = Stopwatch()
            say("stopping: nothing was started yet; press Ctrl-C again to end as interrupted")
        }
        if let interrupted, interrupted.seconds > Self.patience { throw stopped }
    }

    /// To be called when the wait is over.
    ///
    /// - Throws: `DiptychFailure` with code 75 when an end was asked for meanwhile.
    func conclude() throws {
        if interrupted != nil { throw stopped }
    }

    private var stopped: DiptychFailure {
        DiptychFailure(
            .stopped, "asked to stop while \(occasion); nothing was started, the same command goes on")
    }
}
