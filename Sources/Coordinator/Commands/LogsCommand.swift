import ArgumentParser
import Foundation
import Jobs

/// `diptych logs`: what a run wrote.
struct LogsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs",
        abstract: "Shows a run's log: what `diptych run` said, through all restarts of its newest SLURM job.",
        discussion: "With --rank N: what that rank noted, as lines of JSON. --workers: what the ranks and MPI printed.")

    @Argument(help: ArgumentHelp("The run's directory.", valueName: "run"), completion: .directory)
    var path: String

    @Flag(name: .shortAndLong, help: "Shows what is added, until Ctrl-C or the run's end.")
    var follow = false

    @Option(help: "Only what this rank noted: where it was, checkpoints, rates, failures.")
    var rank: Int?

    @Flag(help: "What the ranks and MPI printed.")
    var workers = false

    func validate() throws {
        if workers, rank != nil { throw ValidationError("--rank and --workers are two different logs") }
    }

    func run() throws {
        let directory = RunDirectory(path)
        guard try directory.isPrepared else {
            throw DiptychFailure(.inputOutput, "\(printable(directory.path)) is not a run: it has no job.yaml")
        }
        try directory.requireRegularFiles()
        let machine = try Machine.current()
        let submission = try Submission.read(from: directory)
        let file =
            workers ? directory.workerOutput : rank != nil ? directory.events : submission?.log ?? directory.events
        // The name of SLURM's log is the run's own word.
        try RunDirectory.requireRegular(file, limit: RunDirectory.largestOutput)
        if access(file, R_OK) != 0, !follow {
            throw DiptychFailure(
                .inputOutput,
                "there is no log \(printable(file)) yet" + (submission == nil ? "" : "; the job may be queued"))
        }
        let tail = FileTail(file)
        var question = Throttle(seconds: 10, answer: false)
        while true {
            // Asked before the last look, so that nothing is missed.
            let isOver =
                !follow
                || (try? RunLock.isHeld(directory)) == false
                    && question.ask { !Self.isWithSlurm(submission, directory, machine) }
            while true {
                let lines = tail.lines()
                if lines.isEmpty { break }
                for line in lines where isWanted(line) { Console.write(printable(line) + "\n", to: STDOUT_FILENO) }
            }
            if isOver { return }
            usleep(500_000)
        }
    }

    private func isWanted(_ line: String) -> Bool { rank.map { line.contains("\"rank\":\($0),") } ?? true }

    /// Whether SLURM has the job still; it may be starting again itself, and then does not answer.
    private static func isWithSlurm(
        _ submission: Submission?, _ directory: RunDirectory, _ machine: Machine
    ) -> Bool {
        guard let submission else { return false }
        switch SlurmTools(machine: machine).state(of: submission) {
        case .known(let state): return state.isLive
        case .forgotten: return false
        case .unavailable:
            return machine.find("scontrol") != nil && ((try? Outcome.read(from: directory)) ?? nil)?.exit != .done
        }
    }
}

/// The lines that are added to a file.
private final class FileTail {
    private let path: String
    private var offset = 0

    init(_ path: String) { self.path = path }

    /// The whole lines since the last call, or the first of them: none when there are no more.
    func lines() -> [String] {
        let bytes = FileBytes.readLines(of: path, from: &offset)
        guard !bytes.isEmpty else { return [] }
        return bytes.dropLast().split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
    }
}
