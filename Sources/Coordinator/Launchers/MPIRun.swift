import Foundation
import Jobs

/// How ranks are started with Open MPI's `mpirun`.
package struct MPIRun {
    /// A program with everything it is given.
    package struct Invocation: Hashable {
        /// The program's file.
        package var executable: String
        /// Its arguments, without its own name.
        package var arguments: [String]
        /// Its environment.
        package var environment: [String: String]
        /// Directories that the ranks use while they run and that are to be removed afterwards.
        package var scratch: [String]

        /// The variables that can change how a run behaves, by name: for the event log.
        var influences: [(key: String, value: String)] {
            let prefixes = [
                "OMPI_", "PMIX_", "HDF5_", "DNNL_", "ONEDNN_", "OPENBLAS_", "OMP_", "LD_", "MALLOC_", "DIPTYCH_",
            ]
            return environment.filter { variable in prefixes.contains { variable.key.hasPrefix($0) } }
                .sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        }
    }

    /// The machine.
    let machine: Machine
    /// Open MPI's launcher.
    let mpirun: String
    /// The program of a rank.
    let worker: String

    /// Finds the two programs.
    ///
    /// - Throws: `DiptychFailure` with code 74 that says what to install.
    init(machine: Machine) throws {
        guard let worker = machine.findWorker() else {
            throw DiptychFailure(
                .inputOutput,
                "diptych-worker is not beside this program; build both with `make build` or install both with "
                    + "`make install`")
        }
        try self.init(machine: machine, worker: worker)
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

    /// The command line and environment that start ranks.
    ///
    /// - Parameters:
    ///   - ranks: Number of ranks.
    ///   - arguments: What every rank is given.
    ///   - label: Names the directories for sockets and shared memory; runs with different labels share none.
    package func invocation(ranks: Int, arguments: [String], label: String) -> Invocation {
        var options = ["-n", "\(ranks)"]
        if machine.isRoot { options.append("--allow-run-as-root") }
        // How many cores other nodes have, only the launcher knows.
        let isCrowded = machine.isSingleNode && ranks > machine.cores
        if isCrowded { options.append("--oversubscribe") }
        // Bound ranks of two runs on one machine would fight for its first cores, so only a run that fills it binds.
        let fills = ranks <= machine.cores && 2 * ranks > machine.cores
        options += ["--bind-to", fills && machine.isSingleNode ? "core" : "none"]
        var environment = machine.environment
        func set(_ name: String, _ value: String) {
            if environment[name] == nil { environment[name] = value }
        }
        // Reading another process's memory is forbidden in many containers, and fails there again and again.
        set("OMPI_MCA_btl_vader_single_copy_mechanism", "none")
        if isCrowded { set("OMPI_MCA_mpi_yield_when_idle", "1") }
        var scratch: [String] = []
        if machine.isSingleNode {
            let name = "diptych-\(getuid())-\(hexadecimalSHA256(label).prefix(12))"
            let temporary = environment["TMPDIR"].map { $0.count < 40 ? $0 : "/tmp" } ?? "/tmp"
            scratch = ["\(temporary)/\(name)", "/dev/shm/\(name)"]
            set("OMPI_MCA_orte_tmpdir_base", scratch[0])
            set("OMPI_MCA_btl_vader_backing_directory", scratch[1])
        }
        var executable = mpirun
        var all = options + [worker] + arguments
        // If this program is killed, the kernel tells mpirun, which tells the ranks to save and stop.
        if let setpriv = machine.find("setpriv") {
            all = ["--pdeathsig", "USR1", mpirun] + all
            executable = setpriv
        }
        return Invocation(executable: executable, arguments: all, environment: environment, scratch: scratch)
    }
}
