import Foundation
import Jobs

/// How ranks are started with Open MPI's `mpirun`.
package struct MPIRun: Launcher {
    package let kind = LauncherKind.mpirun

    /// The machine.
    package let machine: Machine
    /// Open MPI's launcher.
    let mpirun: String
    /// The program of a rank.
    let worker: String

    /// Finds the two programs.
    ///
    /// - Throws: `DiptychFailure` with code 74 that says what to install.
    init(machine: Machine) throws {
        try self.init(machine: machine, worker: machine.worker())
    }

    /// Uses a given program for the ranks.
    ///
    /// - Throws: `DiptychFailure` with code 74 when there is no mpirun.
    package init(machine: Machine, worker: String) throws {
        guard let mpirun = machine.find("mpirun") else {
            throw DiptychFailure(
                .inputOutput,
                "mpirun is not on the search path; install Open MPI (Debian: apt install openmpi-bin) or load its module"
            )
        }
        self.machine = machine
        self.mpirun = mpirun
        self.worker = worker
    }

    package func invocation(ranks: Int, arguments: [String], label: String) -> Invocation {
        var options = ["-n", "\(ranks)"]
        if machine.isRoot { options.append("--allow-run-as-root") }
        if machine.isCrowded(ranks: ranks) { options.append("--oversubscribe") }
        // Bound ranks of two runs on one machine would fight for its first cores, so only a run that fills it binds.
        // Neighbours belong to one group and talk most: they get neighbouring cores, and node after node is filled. Other
        // nodes may have fewer cores, or give Open MPI's daemon fewer: their ranks then share them.
        let cores = machine.isSingleNode ? "core" : "core:overload-allowed"
        options +=
            machine.isFilled(by: ranks)
            ? ["--map-by", "core", "--bind-to", cores] : ["--map-by", "slot", "--bind-to", "none"]
        let (environment, scratch) = rankEnvironment(ranks: ranks, label: label)
        let (executable, all) = tied(mpirun, options + [worker] + arguments)
        return Invocation(executable: executable, arguments: all, environment: environment, scratch: scratch)
    }
}
