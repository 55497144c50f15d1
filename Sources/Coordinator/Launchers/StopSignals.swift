import Foundation
import Synchronization

/// The signals that ask a run to stop, as the supervisor sees them.
protocol StopSignals: AnyObject {
    /// The signals that came since the last call.
    func take() -> [Int32]
}

/// This process's own signals, collected when the supervisor asks for them.
///
/// They are blocked, but a library may have started threads before `main` that do not block them (OpenBLAS does): one of
/// those then runs a handler, which only counts. Whoever started this program may have blocked or ignored them, as shells
/// do with SIGINT for what runs in the background; they are heard all the same. Only SIGHUP stays ignored, which is what
/// nohup(1) is for.
final class ProcessSignals: StopSignals {
    private static let interrupts = Atomic<Int>(0)
    private static let terminations = Atomic<Int>(0)
    private static let warnings = Atomic<Int>(0)
    private static let hangups = Atomic<Int>(0)
    private var set = sigset_t()

    /// Takes SIGINT, SIGTERM, SIGUSR1 and, unless it is ignored, SIGHUP; to be made before this program starts a thread.
    init() {
        sigemptyset(&set)
        let outlivesTerminal = Self.isIgnored(SIGHUP)
        for signal in [SIGINT, SIGTERM, SIGUSR1] + (outlivesTerminal ? [] : [SIGHUP]) { sigaddset(&set, signal) }
        // Touched here, so that the handlers find the counters initialised.
        _ = Self.taken()
        signal(SIGINT) { _ in ProcessSignals.interrupts.add(1, ordering: .relaxed) }
        signal(SIGTERM) { _ in ProcessSignals.terminations.add(1, ordering: .relaxed) }
        signal(SIGUSR1) { _ in ProcessSignals.warnings.add(1, ordering: .relaxed) }
        if !outlivesTerminal { signal(SIGHUP) { _ in ProcessSignals.hangups.add(1, ordering: .relaxed) } }
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    private static func isIgnored(_ signal: Int32) -> Bool {
        var action = sigaction()
        guard sigaction(signal, nil, &action) == 0 else { return false }
        // SIG_IGN is the number 1 in the place of a function, which Swift does not compare.
        return unsafeBitCast(action.__sigaction_handler, to: Int.self) == 1
    }

    /// What the handlers have counted since the last call.
    private static func taken() -> [Int32] {
        func take(_ counter: borrowing Atomic<Int>, _ signal: Int32) -> [Int32] {
            [Int32](repeating: signal, count: counter.exchange(0, ordering: .relaxed))
        }
        return take(interrupts, SIGINT) + take(terminations, SIGTERM) + take(warnings, SIGUSR1) + take(hangups, SIGHUP)
    }

    func take() -> [Int32] {
        var taken = Self.taken()
        var now = timespec()
        while true {
            let signal = sigtimedwait(&set, nil, &now)
            guard signal > 0 else { return taken }
            taken.append(signal)
        }
    }
}
