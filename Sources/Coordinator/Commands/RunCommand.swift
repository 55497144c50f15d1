import ArgumentParser
import Foundation
import Jobs

/// `diptych run`: does a job, or goes on with it.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Runs a job; the same command again resumes it.",
        discussion: """
            SIGTERM, SIGUSR1 and the first Ctrl-C make every group end its step and save (exit code 75); a second \
            Ctrl-C ends at once (130). Any number of ranks gives the same bits. In a SLURM job the run also saves and \
            stops before the time limit; `diptych submit` makes such jobs.
            """)

    @OptionGroup var options: JobOptions

    @Flag(help: "Lets numbers of steps grow beyond those the run began with.")
    var extend = false

    @Option(help: "What starts the ranks: auto, srun or mpirun; the job's by default.")
    var launcher: LauncherKind?

    @Option(
        help: "In a SLURM job: queues it again when it has saved and stopped, until it was restarted this many times.")
    var requeueLimit = 0

    @Flag(help: "Runs although the last executions died without progress.")
    var retry = false

    @Flag(help: "Ends with one line of JSON on standard output; text for people goes to standard error.")
    var json = false

    @Flag(help: "Shows no progress.")
    var quiet = false

    func run() throws {
        let console = Console(json: json, quiet: quiet)
        var path = options.run ?? ""
        var isRequeued = false
        let outcome: Outcome
        do {
            outcome = try supervise(console, &path, &isRequeued)
        } catch let failure as DiptychFailure {
            outcome = Outcome(exit: failure.code, message: failure.message)
        } catch let error as SystemCallError {
            outcome = Outcome(exit: .inputOutput, message: error.description)
        } catch {
            outcome = Outcome(exit: .internalError, message: "\(error)")
        }
        console.report(RunReport.json(outcome, run: path, isRequeued: isRequeued))
        if outcome.exit != .done { throw DiptychFailure(outcome.exit, outcome.message) }
    }

    private func supervise(
        _ console: Console, _ path: inout String, _ isRequeued: inout Bool
    ) throws -> Outcome {
        let signals = ProcessSignals()
        let machine = try Machine.current()
        let (job, placement) = try options.resolve(machine)
        let launcher = try Launchers.choose(launcher ?? job.cluster.launcher, machine: machine)
        let requeue = Requeue(limit: requeueLimit, machine: machine, say: console.say)
        let preparation: RunPreparation
        do {
            preparation = try prepare(job, signals, console)
            path = preparation.directory.path
            // Examining other runs' teachers takes as long as their files are large.
            let stop = StopBeforeStart(signals: signals, say: console.say, occasion: "preparing the run")
            try Examination(whileWaiting: stop.look).requireReadableTeachers(
                of: preparation.job, in: preparation.directory)
            try stop.look()
            try stop.conclude()
        } catch let failure as DiptychFailure where failure.code == .stopped {
            isRequeued = requeue?.conclude(failure.code) ?? false
            throw failure
        }
        let directory = preparation.directory
        try RunReport.begin(preparation, placement, console)
        if let allocation = machine.allocation { RunReport.place(allocation, launcher.kind, console) }
        RunReport.crowd(machine, ranks: placement.ranks, console)
        let display: any ProgressDisplay =
            quiet
            ? NoProgress()
            : Terminal.display(on: json ? STDERR_FILENO : STDOUT_FILENO, environment: machine.environment)
        let execution = try Execution.begin(in: directory)
        let assignment = Supervisor.Assignment(
            directory: directory, job: preparation.job, ranks: placement.ranks, launcher: launcher.kind,
            invocation: launcher.invocation(
                ranks: placement.ranks,
                arguments: [
                    "train", "--ranks", "\(placement.ranks)", "--execution", execution.name, "--run", directory.path,
                ], label: directory.path),
            lock: preparation.lock, allocation: machine.allocation,
            timeLimit: TimeLimitWatch(
                machine: machine, directory: directory, job: preparation.job, say: console.say))
        let former = (try? FileBytes.read(directory.events))?.count ?? 0
        let outcome = try execute(assignment, signals, display)
        RunReport.damage(after: former, directory).forEach(console.say)
        RunReport.end(outcome, directory, console)
        if let requeue {
            if outcome.exit != .done { console.say(outcome.message) }
            isRequeued = requeue.conclude(outcome, directory, from: preparation.resumeSteps)
        }
        return outcome
    }

    /// Takes the run's directory, waiting for it where its holder is about to let go.
    private func prepare(_ job: Job, _ signals: any StopSignals, _ console: Console) throws -> RunPreparation {
        let stop = StopBeforeStart(signals: signals, say: console.say, occasion: "waiting for the run's directory")
        let preparation = try RunPreparation.open(
            job: job, run: options.run, extend: extend, retry: retry, patience: 60,
            waiting: { console.say("waiting for the ranks of a run that was killed (\($0)) to save and stop") },
            whileWaiting: stop.look)
        try stop.conclude()
        return preparation
    }

    /// Runs the ranks; starts them again, twice at most, when MPI lost one before any of them had begun.
    private func execute(
        _ assignment: Supervisor.Assignment, _ signals: any StopSignals, _ display: any ProgressDisplay
    ) throws -> Outcome {
        for _ in 0..<2 {
            let supervisor = Supervisor(assignment, signals: signals, progress: display)
            let outcome = try supervisor.run()
            guard outcome.exit == .rankLost, !supervisor.isStopRequested,
                !supervisor.hasHeardOfRanks
            else { return outcome }
            display.say("no rank came up (\(outcome.message)): starting them again")
        }
        return try Supervisor(assignment, signals: signals, progress: display).run()
    }
}
