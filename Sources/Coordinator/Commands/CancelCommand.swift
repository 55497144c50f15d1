import ArgumentParser
import Foundation
import Jobs

/// `diptych cancel`: takes a submitted run out of SLURM, saved if it is in work.
struct CancelCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Ends a submitted run: it saves, stops, and is not queued again.",
        discussion: """
            `diptych submit` or `diptych run` with the same directory goes on with it later. A folder of a sweep ends all \
            of its runs.
            """)

    @Argument(help: ArgumentHelp("The run's directory, or a sweep's.", valueName: "run"), completion: .directory)
    var path: String

    @Flag(help: "Ends it at once, without saving; what was done since the last checkpoint is lost.")
    var now = false

    @Option(help: "Seconds to wait for it to save.")
    var patience = 120

    @Flag(help: "Prints one line of JSON.")
    var json = false

    func run() throws {
        let console = Console(json: json)
        var cancellation = try Cancellation(tools: SlurmTools(machine: .current()), isImmediate: now)
        for directory in try RunFolders.find(path) { cancellation.add(directory) }
        cancellation.ask()
        cancellation.wait(seconds: Double(patience))
        let ended = cancellation.ended.sorted { $0.directory.path < $1.directory.path }
        for (directory, state) in ended { console.say("\(printable(directory.path)): \(state)") }
        console.report([
            "runs": .array(ended.map { ["run": .string($0.directory.path), "state": .string($0.state)] }),
            "failures": .array(cancellation.failures.map { .string($0) }),
        ])
        if !cancellation.failures.isEmpty {
            throw DiptychFailure(.inputOutput, cancellation.failures.joined(separator: "\n"))
        }
    }
}

/// Several submitted runs on their way out of SLURM: first what waits in the queue, so that nothing starts meanwhile, then
/// all that run at the same time.
private struct Cancellation {
    let tools: SlurmTools
    let isImmediate: Bool
    /// What has become of the runs that are done with.
    var ended: [(directory: RunDirectory, state: String)] = []
    var failures: [String] = []
    private var pending: [(directory: RunDirectory, submission: Submission)] = []
    private var running: [(directory: RunDirectory, submission: Submission)] = []
    private var ending: [(directory: RunDirectory, submission: Submission)] = []

    init(tools: SlurmTools, isImmediate: Bool) {
        self.tools = tools
        self.isImmediate = isImmediate
    }

    /// Finds out what must be done to a run.
    mutating func add(_ directory: RunDirectory) {
        let found: Submission?
        do {
            try directory.requireRegularFiles()
            found = try Submission.read(from: directory)
        } catch {
            failures.append((error as? SystemCallError)?.failure.message ?? "\(error)")
            return
        }
        guard let submission = found else {
            failures.append(
                "\(printable(directory.path)) was not submitted to SLURM; stop a run on a machine with Ctrl-C or SIGTERM"
            )
            return
        }
        switch tools.state(of: submission) {
        case .known(let state) where !state.isLive:
            ended.append((directory, "has ended already (\(state.state.lowercased()))"))
        case .known(let state):
            switch state.state {
            case "RUNNING", "SUSPENDED": running.append((directory, submission))
            case "COMPLETING": ending.append((directory, submission))
            default: pending.append((directory, submission))
            }
        case .forgotten: ended.append((directory, "has ended already"))
        case .unavailable(let reason):
            failures.append("\(printable(directory.path)): SLURM cannot be asked: \(reason)")
        }
    }

    /// Takes out of the queue what waits there, and asks what runs to save and stop.
    mutating func ask() {
        for (directory, submission) in pending {
            let isTaken = isDone("scancel", [submission.job], submission.job)
            if isTaken { ended.append((directory, "taken out of the queue")) }
        }
        for (directory, submission) in running {
            let job = submission.job
            if isImmediate {
                if isDone("scancel", [job], job) { ended.append((directory, "ended at once")) }
                continue
            }
            // Whatever asks for it now, SLURM does not queue the job again.
            guard isDone("scontrol", ["update", "JobId=\(job)", "Requeue=0"], job) else { continue }
            if let complaint = tools.signal(job, "USR1") {
                failures.append("job \(job) could not be asked to stop: \(complaint)")
            } else {
                ending.append((directory, submission))
            }
        }
    }

    /// Waits for what was asked to stop.
    mutating func wait(seconds: Double) {
        let clock = Stopwatch()
        for (directory, submission) in ending {
            var isOver = false
            repeat {
                switch tools.state(of: submission) {
                case .known(let state): isOver = !state.isLive
                case .forgotten: isOver = true
                // slurmctld may be starting again.
                case .unavailable: break
                }
                if !isOver { sleep(1) }
            } while !isOver && clock.seconds < seconds
            guard isOver else {
                failures.append(
                    "job \(submission.job) has been asked to stop, but is not known to have ended after \(Int(seconds)) s; "
                        + "--now ends it at once")
                continue
            }
            ended.append((directory, Self.words((try? Outcome.read(from: directory)) ?? nil)))
        }
    }

    private static func words(_ outcome: Outcome?) -> String {
        switch outcome?.exit {
        case .done: "was done before it could stop"
        case .stopped: "saved and stopped"
        case let exit?: "ended with code \(exit.rawValue): \(printable(outcome?.message ?? ""))"
        case nil: "ended without a word; what was done since its last checkpoint is lost"
        }
    }

    private mutating func isDone(_ program: String, _ arguments: [String], _ job: String) -> Bool {
        let answer = ShortCommand.run(program, arguments, tools.machine)
        if !answer.isGood { failures.append("SLURM does not end job \(job): \(answer.complaint)") }
        return answer.isGood
    }
}
