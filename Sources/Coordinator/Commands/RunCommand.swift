import ArgumentParser
import Foundation
import Jobs

/// `diptych run`: does a job, or goes on with it.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Runs a job; the same command again resumes it.",
        discussion: """
            SIGTERM, SIGUSR1 and the first Ctrl-C make every group end its step and save (exit code 75); a second \
            Ctrl-C ends at once (130). Any number of ranks gives the same bits.
            """)

    @OptionGroup var options: JobOptions

    @Flag(help: "Lets numbers of steps grow beyond those the run began with.")
    var extend = false

    @Flag(help: "Runs although the last executions died without progress.")
    var retry = false

    @Flag(help: "Ends with one line of JSON on standard output; text for people goes to standard error.")
    var json = false

    @Flag(help: "Shows no progress.")
    var quiet = false

    func run() throws {
        let console = Console(json: json, quiet: quiet)
        var path = options.run ?? ""
        let outcome: Outcome
        do {
            outcome = try supervise(console, &path)
        } catch let failure as DiptychFailure {
            outcome = Outcome(exit: failure.code, message: failure.message)
        } catch let error as SystemCallError {
            outcome = Outcome(exit: .inputOutput, message: error.description)
        } catch {
            outcome = Outcome(exit: .internalError, message: "\(error)")
        }
        console.report(RunReport.json(outcome, run: path))
        if outcome.exit != .done { throw DiptychFailure(outcome.exit, outcome.message) }
    }

    private func supervise(_ console: Console, _ path: inout String) throws -> Outcome {
        let signals = ProcessSignals()
        let machine = Machine.current()
        let (job, placement) = try options.resolve(machine)
        let launcher = try MPIRun(machine: machine)
        let preparation = try RunPreparation.open(
            job: job, run: options.run, extend: extend, retry: retry, patience: 60,
            waiting: { console.say("waiting for the ranks of a run that was killed (\($0)) to save and stop") })
        let directory = preparation.directory
        path = directory.path
        RunReport.begin(preparation, placement, console)
        let display: any ProgressDisplay =
            quiet
            ? NoProgress()
            : Terminal.display(on: json ? STDERR_FILENO : STDOUT_FILENO, environment: machine.environment)
        let assignment = Supervisor.Assignment(
            directory: directory, job: preparation.job, ranks: placement.ranks,
            invocation: launcher.invocation(
                ranks: placement.ranks, arguments: ["train", "--run", directory.path], label: directory.path),
            lock: preparation.lock)
        let started = Date().timeIntervalSince1970
        let outcome = try Supervisor(assignment, signals: signals, progress: display).run()
        RunReport.damage(since: started, directory, console)
        RunReport.end(outcome, directory, console)
        return outcome
    }
}
