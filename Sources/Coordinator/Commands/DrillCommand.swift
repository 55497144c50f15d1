import ArgumentParser
import Foundation
import Jobs

/// `diptych drill`: rehearses a pre-emption on a running job.
struct DrillCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drill",
        abstract: "Rehearses a pre-emption: warns a running job as SLURM would, and watches it come back.",
        discussion: """
            The run saves, is queued again, starts again and goes on; each is reported with the time it took. Nothing is \
            lost but the waiting in the queue. Ends with 0 when all went well, else with 71.
            """)

    @Argument(
        help: ArgumentHelp("The directory of a run that was submitted.", valueName: "run"), completion: .directory)
    var path: String

    @Option(help: "Seconds to wait for it to save.")
    var savePatience = 300.0

    @Option(help: "Seconds to wait for it to start again; a full cluster takes its time.")
    var queuePatience = 3600.0

    @Flag(help: "Prints one line of JSON.")
    var json = false

    func run() throws {
        let console = Console(json: json)
        let directory = RunDirectory(path)
        let job = try directory.readJob()
        guard let submission = try Submission.read(from: directory) else {
            throw DiptychFailure(
                .usage, "\(printable(directory.path)) was not submitted to SLURM: there is nothing to rehearse")
        }
        let drill = Drill(
            directory: directory, models: job.models.map(\.name), submission: submission,
            tools: try SlurmTools(machine: .current()), say: console.say)
        let results = try drill.run(savePatience: savePatience, queuePatience: queuePatience)
        console.report([
            "run": .string(directory.path), "job_id": .string(submission.job),
            "passed": .boolean(results.allSatisfy(\.isGood)),
            "steps": .array(
                results.map {
                    [
                        "name": .string($0.name), "passed": .boolean($0.isGood), "seconds": .number($0.seconds),
                        "text": .string($0.text),
                    ]
                }),
        ])
        if let failed = results.first(where: { !$0.isGood }) {
            throw DiptychFailure(.rankLost, "the drill failed: \(failed.text)")
        }
    }
}

/// A rehearsed pre-emption.
struct Drill {
    /// One thing that must happen.
    struct Result {
        var name: String
        var isGood: Bool
        var seconds: Double
        var text: String
    }

    let directory: RunDirectory
    let models: [String]
    let submission: Submission
    let tools: SlurmTools
    let say: (String) -> Void

    private var job: String { submission.job }

    /// Warns the job and watches it.
    func run(savePatience: Double, queuePatience: Double) throws -> [Result] {
        guard case .known(let before) = tools.state(of: submission), before.state == "RUNNING" else {
            throw DiptychFailure(.usage, "job \(job) is not running; start the drill when `diptych status` says so")
        }
        guard !Heartbeat.readAll(in: directory).isEmpty else {
            throw DiptychFailure(.usage, "job \(job) has not begun to train yet; start the drill in a moment")
        }
        if let complaint = tools.signal(job, "USR1") {
            throw DiptychFailure(.inputOutput, "job \(job) could not be warned: \(complaint)")
        }
        say("job \(job) was warned, as before a pre-emption or the time limit")
        var results: [Result] = []
        func watch(_ name: String, _ patience: Double, _ good: String, _ bad: String, _ condition: () -> Bool) -> Bool {
            let clock = Stopwatch()
            var isGood = condition()
            while !isGood, clock.seconds < patience {
                usleep(250_000)
                isGood = condition()
            }
            let seconds = clock.seconds
            let text = isGood ? good : "\(bad) within \(ProgressRenderer.duration(patience))"
            say(
                "\(isGood ? "ok  " : "BAD ")  \(text)" + (isGood ? ", after \(ProgressRenderer.duration(seconds))" : "")
            )
            results.append(Result(name: name, isGood: isGood, seconds: seconds, text: text))
            return isGood
        }
        let restarts = before.restarts ?? 0
        var question = Throttle<SlurmTools.JobState?>(seconds: 2, answer: nil)
        func state() -> SlurmTools.JobState? {
            question.ask { if case .known(let state) = tools.state(of: submission) { state } else { nil } }
        }
        guard
            watch(
                "saved", savePatience, "the run saved and stopped", "the run did not save and stop",
                { ended(.stopped) }),
            watch(
                "requeued", 60, "the job is queued again", "the job was not queued again",
                { state()?.restarts ?? restarts > restarts })
        else { return results }
        let steps = logged()
        if watch(
            "restarted", queuePatience, "the job runs again", "the job did not start again",
            { state()?.state == "RUNNING" && (state()?.restarts ?? 0) > restarts })
        {
            _ = watch(
                "continued", savePatience, "the run has gone on from where it was", "the run did not go on",
                { logged() > steps || ended(.done) })
        }
        return results
    }

    /// Whether the run says that it ended like this; while it cannot be read, it is looked at again.
    private func ended(_ exit: Jobs.ExitCode) -> Bool {
        ((try? Outcome.read(from: directory)) ?? nil)?.exit == exit
    }

    /// Steps done, of all models.
    private func logged() -> Int {
        models.reduce(0) { $0 + (StepLog.last(path: directory.log(of: $1)).map { $0.step + 1 } ?? 0) }
    }
}
