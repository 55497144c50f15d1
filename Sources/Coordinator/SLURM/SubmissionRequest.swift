import Foundation
import Jobs

/// What the user wants to have queued.
struct SubmissionRequest {
    var file: String
    var overrides: [String]
    var run: String?
    var sweep: [String]
    var concurrency: Int?
    var extend: Bool

    /// Checks everything that can be checked on a login node; changes nothing.
    ///
    /// - Parameters:
    ///   - needsSlurm: Whether missing SLURM commands are an error and not only a remark.
    ///   - say: Told the plan.
    /// - Throws: `DiptychFailure` with the code that the run would have ended with.
    func check(machine: Machine, needsSlurm: Bool, say: (String) -> Void) throws -> CheckedSubmission {
        let jobs = try members()
        let options = jobs[0].job.cluster
        try SubmissionScript.requireForeign(options.directives)
        let partition = try partition(
            options.partition ?? machine.environment["SBATCH_PARTITION"], machine, needsSlurm: needsSlurm, say)
        let layout = try SubmissionScript.Layout(job: jobs[0].job, cores: partition?.cores ?? machine.cores)
        for (job, _) in jobs.dropFirst()
        where try SubmissionScript.Layout(job: job, cores: partition?.cores ?? machine.cores) != layout {
            throw DiptychFailure(
                .usage,
                "the runs of the sweep differ in how many ranks they can use; give --nodes and --ranks-per-node that "
                    + "suit all of them")
        }
        try partition?.check(layout, options)
        let folder = try ShellText.checked(
            path: absolutePath(run ?? "runs/\(jobs[0].job.name)"), named: "the run's directory")
        let runs = jobs.map { job, name in
            CheckedSubmission.Run(job: job, directory: RunDirectory(name.map { "\(folder)/\($0)" } ?? folder))
        }
        let script = SubmissionScript(
            name: jobs[0].job.name, options: options, layout: layout,
            program: try ShellText.checked(path: Machine.program, named: "this program's file"),
            runs: runs.map(\.directory.path), folder: folder, concurrency: concurrency)
        let checked = CheckedSubmission(runs: runs, script: script, folder: folder)
        _ = try machine.worker()
        try checked.checkNeeds(machine: machine, partition: partition, say: say)
        if machine.find("sbatch") != nil { try checked.test(machine: machine) }
        return checked
    }

    /// The jobs with the names of their directories within the sweep; no name without a sweep.
    private func members() throws -> [(job: Job, name: String?)] {
        guard !sweep.isEmpty else { return [(try Job.load(path: file, overrides: overrides), nil)] }
        return try Sweep(sweep).members.map { member in
            (try Job.load(path: file, overrides: overrides + member.overrides), member.name)
        }
    }

    private func partition(
        _ name: String?, _ machine: Machine, needsSlurm: Bool, _ say: (String) -> Void
    ) throws -> SlurmPartition? {
        let missing = ["sbatch", "sinfo"].filter { machine.find($0) == nil }
        guard missing.isEmpty else {
            let text = "SLURM's \(missing.joined(separator: " and ")) is not on the search path"
            guard needsSlurm else {
                say("\(text): partition, time and memory are not checked")
                return nil
            }
            throw DiptychFailure(
                .inputOutput, "\(text); submit on a login node, or use `diptych run` on this machine")
        }
        let answer = ShortCommand.run("sinfo", ["--noheader", "--format=\(SlurmPartition.format)"], machine)
        guard answer.isGood else {
            throw DiptychFailure(.inputOutput, "SLURM does not answer: sinfo: \(answer.complaint)")
        }
        return try SlurmPartition.choose(name, from: SlurmPartition.parse(answer.output))
    }
}
