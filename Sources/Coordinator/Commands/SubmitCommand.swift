import ArgumentParser
import Foundation
import Jobs

/// `diptych submit`: gives a job to SLURM.
struct SubmitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "submit", abstract: "Checks a job, writes its batch script and gives it to SLURM.",
        discussion: """
            Everything that can be checked is checked here, before anything is queued. The job's section `cluster` holds \
            the same options under the same names; an option wins over the job. In the job `diptych run` supervises: it \
            saves before the time limit and when SLURM warns it, and queues itself again until it is done.

            --sweep seed=1,2 --sweep defence=none,dualmd submits an array of four runs, each with a directory of its own \
            within --run.
            """)

    @OptionGroup var options: JobOptions
    @OptionGroup(title: "Cluster") var cluster: ClusterFlags

    @Option(help: "Values of one key, key=value,value,...; one run for each. Repeatable: every combination.")
    var sweep: [String] = []

    @Option(help: "How many runs of a sweep are in work at the same time.")
    var concurrency: Int?

    @Flag(help: "Prints the batch script and submits nothing.")
    var dryRun = false

    @Flag(help: "Returns when the job has ended, with the run's exit code.")
    var wait = false

    @Flag(help: "Lets numbers of steps grow beyond those the run began with.")
    var extend = false

    @Flag(help: "Ends with one line of JSON on standard output; text for people goes to standard error.")
    var json = false

    func validate() throws {
        if let concurrency {
            guard concurrency >= 1 else { throw ValidationError("--concurrency must be at least 1") }
            guard !sweep.isEmpty else { throw ValidationError("--concurrency is for a --sweep") }
        }
        if wait, dryRun { throw ValidationError("--wait is not for --dry-run") }
    }

    func run() throws {
        // The script goes to standard output, so that it can be redirected.
        let console = Console(json: json || dryRun)
        let machine = try Machine.current()
        let overrides = try cluster.overrides(ranks: options.ranks) + options.overrides
        let request = SubmissionRequest(
            file: options.job, overrides: overrides, run: options.run, sweep: sweep, concurrency: concurrency,
            extend: extend)
        let checked = try request.check(machine: machine, needsSlurm: !dryRun, say: console.say)
        if dryRun {
            if !json { Console.write(checked.script.text, to: STDOUT_FILENO) }
            report(checked, job: nil, exit: nil)
            return
        }
        let submitted = try checked.submit(machine: machine, extend: extend)
        let run = checked.runs.count == 1 ? checked.runs[0].directory.path : checked.script.folder
        console.say("submitted as job \(submitted.job)")
        console.say("run: \(printable(run))")
        console.say("script: \(printable(submitted.script))")
        console.say("log: \(printable(submitted.log))")
        let place = ShellText.quoted(run)
        console.say("follow it:  diptych status --watch \(place)")
        console.say("            diptych logs --follow \(ShellText.quoted(checked.runs[0].directory.path))")
        console.say("stop it:    diptych cancel \(place)")
        guard wait else { return report(checked, job: submitted, exit: nil) }
        let code = try JobWait(tools: SlurmTools(machine: machine), checked: checked, job: submitted.job).code(console)
        report(checked, job: submitted, exit: code)
        Foundation.exit(code)
    }

    private func report(_ checked: CheckedSubmission, job: Submission?, exit: Int32?) {
        guard json else { return }
        var members: [JSONValue.Member] = [
            .init("job_id", job.map { .string($0.job) } ?? .null), .init("run", .string(checked.folder)),
            .init("script", .string(checked.scriptPath)), .init("log", job.map { .string($0.log) } ?? .null),
            .init("runs", .array(checked.runs.map { .string($0.directory.path) })),
            .init("nodes", .integer(checked.script.layout.nodes)),
            .init("ranks_per_node", .integer(checked.script.layout.ranksPerNode)),
        ]
        if dryRun { members.append(.init("text", .string(checked.script.text))) }
        if let exit { members.append(.init("exit", .integer(Int(exit)))) }
        Console(json: true).report(.object(members))
    }
}
