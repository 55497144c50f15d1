import Glibc
import Synchronization

/// Whether somebody asked this rank to stop; the training loop looks at it between steps.
///
/// The signals are blocked and stay pending: a handler would be run on the stack of whatever they interrupt, and oneDNN's
/// matrix products (2.6.3) let the stack pointer point into the heap while they compute, so that the handler's frame
/// destroys what lies there.
package enum StopSignal {
    private static let requested = Atomic<Bool>(false)

    /// Has SIGUSR1 and SIGTERM taken as wishes to stop; to be called before this program starts a thread.
    ///
    /// `diptych run` and mpirun pass every wish to stop on as SIGUSR1. SLURM sends the ranks of a step SIGTERM, and kills
    /// them when KillWait has passed; mpirun does so within a second.
    ///
    /// A library may have started threads before `main` that do not block them (OpenBLAS does). They do not compute here:
    /// one of those runs a handler, which only sets a flag.
    package static func install() {
        requested.store(false, ordering: .relaxed)  // touched here, so that the handler finds it initialised
        for number in [SIGUSR1, SIGTERM] {
            signal(number) { _ in StopSignal.requested.store(true, ordering: .relaxed) }
        }
        var set = signals(SIGUSR1, SIGTERM)
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// True once the signal has arrived.
    package static var isRequested: Bool {
        var pending = sigset_t()
        sigpending(&pending)
        return requested.load(ordering: .relaxed) || sigismember(&pending, SIGUSR1) == 1
            || sigismember(&pending, SIGTERM) == 1
    }

    /// From now on SIGTERM ends the process, as it does any other; one that came before does not count.
    package static func letTerminationEnd() {
        var now = timespec()
        var set = signals(SIGTERM)
        while sigtimedwait(&set, nil, &now) > 0 {}
        requested.store(false, ordering: .relaxed)
        signal(SIGTERM, SIG_DFL)
        pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }

    private static func signals(_ numbers: Int32...) -> sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for number in numbers { sigaddset(&set, number) }
        return set
    }
}
