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
        let tools = SlurmTools(machine: .current())
        var ended: [JSONValue] = []
        var failures: [String] = []
        for directory in try RunFolders.find(path) {
            do {
                let state = try cancel(directory, tools)
                console.say("\(printable(directory.path)): \(state)")
                ended.append(["run": .string(directory.path), "state": .string(state)])
            } catch let failure as DiptychFailure {
                failures.append(failure.message)
            }
        }
        console.report(["runs": .array(ended), "failures": .array(failures.map { .string($0) })])
        if !failures.isEmpty { throw DiptychFailure(.inputOutput, failures.joined(separator: "\n")) }
    }

    /// - Returns: How it ended, in words.
    private func cancel(_ directory: RunDirectory, _ tools: SlurmTools) throws -> String {
        guard let submission = Submission.read(from: directory) else {
            throw DiptychFailure(
                .inputOutput,
                "\(printable(directory.path)) was not submitted to SLURM; stop a run on a machine with Ctrl-C or SIGTERM"
            )
        }
        let job = submission.job
        let state: SlurmTools.JobState
        switch tools.state(of: job) {
        case .known(let known): state = known
        case .forgotten: return "has ended already"
        case .unavailable(let reason):
            throw DiptychFailure(.inputOutput, "\(printable(directory.path)): SLURM cannot be asked: \(reason)")
        }
        guard state.isLive else { return "has ended already (\(state.state.lowercased()))" }
        guard state.state == "RUNNING", !now else {
            try check(ShortCommand.run("scancel", [job], tools.machine), job)
            return state.state == "RUNNING" ? "ended at once" : "taken out of the queue"
        }
        // Whatever asks for it now, SLURM does not queue the job again.
        try check(ShortCommand.run("scontrol", ["update", "JobId=\(job)", "Requeue=0"], tools.machine), job)
        if let complaint = tools.signal(job, "USR1") {
            throw DiptychFailure(.inputOutput, "job \(job) could not be asked to stop: \(complaint)")
        }
        let deadline = Date().addingTimeInterval(Double(patience))
        while Date() < deadline {
            if case .known(let state) = tools.state(of: job), state.isLive {
                sleep(1)
                continue
            }
            return Outcome.read(from: directory)?.exit == .done ? "was done before it could stop" : "saved and stopped"
        }
        throw DiptychFailure(
            .inputOutput,
            "job \(job) has been asked to stop, but is still saving after \(patience) s; --now ends it at once")
    }

    private func check(_ answer: ShortCommand.Answer, _ job: String) throws {
        guard answer.isGood else {
            throw DiptychFailure(.inputOutput, "SLURM does not end job \(job): \(answer.complaint)")
        }
    }
}
