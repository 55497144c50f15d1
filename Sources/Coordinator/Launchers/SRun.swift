import Foundation
import Jobs

/// How ranks are started with SLURM's `srun`, inside of a SLURM job.
package struct SRun: Launcher {
    package let kind = LauncherKind.srun
    package let machine: Machine
    /// The job's nodes.
    let allocation: SlurmAllocation
    /// SLURM's launcher.
    let srun: String
    /// The program of a rank.
    let worker: String

    /// Finds the two programs.
    ///
    /// - Throws: `DiptychFailure` with code 74 that says what to install.
    init(machine: Machine, allocation: SlurmAllocation) throws {
        try self.init(machine: machine, allocation: allocation, worker: machine.worker())
    }

    /// Uses a given program for the ranks.
    ///
    /// - Throws: `DiptychFailure` with code 74 when there is no srun.
    package init(machine: Machine, allocation: SlurmAllocation, worker: String) throws {
        guard let srun = machine.find("srun") else {
            throw DiptychFailure(.inputOutput, "srun is not on the search path; take the launcher mpirun")
        }
        self.machine = machine
        self.allocation = allocation
        self.srun = srun
        self.worker = worker
    }

    /// Whether it can start MPI programs that are built with PMIx, as Open MPI's are.
    var speaksPMIx: Bool {
        let answer = ShortCommand.run(srun, ["--mpi=list"], machine)
        return (answer.output + answer.error).contains { line in
            line.split(whereSeparator: { $0.isWhitespace || $0 == "," }).contains("pmix")
        }
    }

    package func invocation(ranks: Int, arguments: [String], label: String) -> Invocation {
        var options = [
            "--mpi=pmix", "--nodes=\(min(ranks, allocation.nodes))", "--ntasks=\(ranks)",
            // Since SLURM 22.05 srun takes no notice of SLURM_CPUS_PER_TASK.
            "--cpus-per-task=\(allocation.cpusPerTask ?? 1)",
            // A rank that fails ends the others; ranks that are done wait for the rest however long it takes.
            "--kill-on-bad-exit=1", "--wait=0",
            // Within `srun --pty bash` the shell's step holds the cores.
            "--overlap", "--input=none",
        ]
        if ranks > allocation.tasks { options.append("--overcommit") }
        // Neighbours belong to one group and talk most: they get neighbouring cores, one each if there are enough.
        // Within a step, as of `srun --pty bash`, the variables are that step's and not the user's wish.
        func isFree(_ name: String) -> Bool {
            machine.environment[name] == nil || machine.environment["SLURM_STEP_ID"] != nil
        }
        if isFree("SLURM_DISTRIBUTION") { options.append("--distribution=block:block") }
        if isFree("SLURM_CPU_BIND"), isFree("SLURM_HINT") {
            options.append("--cpu-bind=\(machine.isCrowded(ranks: ranks) ? "none" : "cores")")
        }
        let (environment, scratch) = rankEnvironment(ranks: ranks, label: label)
        let (executable, all) = tied(srun, options + [worker] + arguments)
        return Invocation(executable: executable, arguments: all, environment: environment, scratch: scratch)
    }
}
