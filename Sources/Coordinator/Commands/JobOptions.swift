import ArgumentParser
import Foundation
import Jobs

/// The options that name a job and change it.
struct JobOptions: ParsableArguments {
    @Argument(help: "The job file.", completion: .file(extensions: ["yaml"]))
    var job: String

    @Option(help: "MPI ranks; by default the job's, else the smaller of cores (in a SLURM job: tasks) and lanes.")
    var ranks: Int?

    @Option(help: "The run's directory; runs/<name of the job> by default.", completion: .directory)
    var run: String?

    @Option(name: .customLong("set"), help: "Changes one value of the job: --set checkpoint.keep=5. Repeatable.")
    var overrides: [String] = []

    func validate() throws {
        // As a shell makes it of a variable that is not set: the run would fill the current directory.
        guard run != "" else { throw ValidationError("--run needs a directory, and was given an empty name") }
    }

    /// Reads the job and settles the number of ranks.
    func resolve(_ machine: Machine) throws -> (job: Job, placement: Placement) {
        let job = try Job.load(path: self.job, overrides: overrides)
        return (job, try machine.placement(of: job, ranks: ranks))
    }
}
