import Glibc
import Synchronization

/// Whether somebody asked this rank to stop. The handler only sets a flag; the training loop looks at it between steps.
package enum StopSignal {
    private static let requested = Atomic<Bool>(false)

    /// Makes SIGUSR1 set the flag. `diptych run` and mpirun pass every wish to stop on as SIGUSR1.
    static func install() {
        requested.store(false, ordering: .relaxed)  // touched here, so that the handler finds it initialised
        signal(SIGUSR1) { _ in StopSignal.requested.store(true, ordering: .relaxed) }
    }

    /// True once the signal has arrived.
    package static var isRequested: Bool { requested.load(ordering: .relaxed) }
}
