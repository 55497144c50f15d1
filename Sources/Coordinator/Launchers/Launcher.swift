import Foundation
import Jobs

/// A program with everything it is given.
package struct Invocation: Hashable {
    /// The program's file.
    package var executable: String
    /// Its arguments, without its own name.
    package var arguments: [String]
    /// Its environment.
    package var environment: [String: String]
    /// Directories that the ranks use while they run and that are to be removed afterwards.
    package var scratch: [String] = []

    /// Gathers what a program is given.
    package init(executable: String, arguments: [String], environment: [String: String], scratch: [String] = []) {
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
        self.scratch = scratch
    }

    /// The variables that can change how a run behaves, by name: for the event log.
    package var influences: [(key: String, value: String)] {
        let prefixes = [
            "OMPI_", "PMIX_", "HDF5_", "DNNL_", "ONEDNN_", "OPENBLAS_", "OMP_", "LD_", "MALLOC_", "DIPTYCH_", "SLURM_",
        ]
        return environment.filter { variable in prefixes.contains { variable.key.hasPrefix($0) } }
            .sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}

/// A way of starting ranks.
package protocol Launcher {
    /// Which one it is; never `auto`.
    var kind: LauncherKind { get }
    /// The machine.
    var machine: Machine { get }
    /// The command line and environment that start ranks.
    ///
    /// - Parameters:
    ///   - ranks: Number of ranks.
    ///   - arguments: What every rank is given.
    ///   - label: Names the directories for sockets and shared memory; runs with different labels share none.
    func invocation(ranks: Int, arguments: [String], label: String) -> Invocation
}

extension Launcher {
    /// The environment of the ranks, and the directories that it names.
    package func rankEnvironment(ranks: Int, label: String) -> (environment: [String: String], scratch: [String]) {
        var environment = machine.environment
        func set(_ name: String, _ value: String) {
            if environment[name] == nil { environment[name] = value }
        }
        // Reading another process's memory is forbidden in many containers, and fails there again and again.
        set("OMPI_MCA_btl_vader_single_copy_mechanism", "none")
        if machine.isCrowded(ranks: ranks) { set("OMPI_MCA_mpi_yield_when_idle", "1") }
        guard machine.isSingleNode else { return (environment, []) }
        let name = "diptych-\(getuid())-\(hexadecimalSHA256(label).prefix(12))"
        let temporary = environment["TMPDIR"].map { $0.count < 40 ? $0 : "/tmp" } ?? "/tmp"
        let scratch = ["\(temporary)/\(name)", "/dev/shm/\(name)"]
        set("OMPI_MCA_orte_tmpdir_base", scratch[0])
        set("OMPI_MCA_btl_vader_backing_directory", scratch[1])
        return (environment, scratch)
    }

    /// The command with which the kernel tells the launcher when this program is killed; it tells the ranks, which save
    /// and stop.
    func tied(_ program: String, _ arguments: [String]) -> (executable: String, arguments: [String]) {
        guard let setpriv = machine.find("setpriv") else { return (program, arguments) }
        return (setpriv, ["--pdeathsig", "USR1", program] + arguments)
    }
}

/// Chooses how ranks are started.
package enum Launchers {
    /// The launcher of a kind.
    ///
    /// - Throws: `DiptychFailure` with code 64 for `srun` outside of a SLURM job, 74 when a program is missing.
    static func choose(_ kind: LauncherKind, machine: Machine) throws -> any Launcher {
        switch kind {
        case .mpirun: return try MPIRun(machine: machine)
        case .srun:
            guard let allocation = machine.allocation else {
                throw DiptychFailure(
                    .usage,
                    "the launcher srun needs a SLURM job; use `diptych submit`, or run within `salloc`, or take the "
                        + "launcher mpirun")
            }
            return try SRun(machine: machine, allocation: allocation)
        case .auto:
            if let allocation = machine.allocation, let srun = try? SRun(machine: machine, allocation: allocation),
                srun.speaksPMIx
            {
                return srun
            }
            return try MPIRun(machine: machine)
        }
    }
}
