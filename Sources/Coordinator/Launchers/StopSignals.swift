import Foundation

/// The signals that ask a run to stop, as the supervisor sees them.
protocol StopSignals: AnyObject {
    /// The signals that came since the last call, in order.
    func take() -> [Int32]
}

/// This process's own signals: blocked, and collected when the supervisor asks for them, so no handler ever runs.
final class ProcessSignals: StopSignals {
    private var set = sigset_t()

    /// Blocks SIGINT, SIGTERM, SIGUSR1 and SIGHUP; to be made before any other thread.
    init() {
        sigemptyset(&set)
        for signal in [SIGINT, SIGTERM, SIGUSR1, SIGHUP] { sigaddset(&set, signal) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    func take() -> [Int32] {
        var taken: [Int32] = []
        var now = timespec()
        while true {
            let signal = sigtimedwait(&set, nil, &now)
            guard signal > 0 else { return taken }
            taken.append(signal)
        }
    }
}
