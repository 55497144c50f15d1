import Glibc
import Synchronization

/// Whether somebody asked this rank to stop. The handler only sets a flag; the training loop looks at it between steps.
package enum StopSignal {
    private static let requested = Atomic<Bool>(false)

    /// Makes SIGUSR1 and SIGTERM set the flag.
    ///
    /// `diptych run` and mpirun pass every wish to stop on as SIGUSR1. SLURM sends the ranks of a step SIGTERM, and kills
    /// them when KillWait has passed; mpirun does so within a second.
    static func install() {
        requested.store(false, ordering: .relaxed)  // touched here, so that the handler finds it initialised
        for number in [SIGUSR1, SIGTERM] {
            signal(number) { _ in StopSignal.requested.store(true, ordering: .relaxed) }
        }
    }

    /// True once the signal has arrived.
    package static var isRequested: Bool { requested.load(ordering: .relaxed) }
}
