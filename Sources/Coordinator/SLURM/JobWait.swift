import Foundation
import Jobs

/// Waits until SLURM is done with a job, through all its restarts.
struct JobWait {
    let tools: SlurmTools
    let checked: CheckedSubmission
    /// The job, or the array.
    let job: String

    /// Seconds between two looks.
    private static let interval: UInt32 = 2
    /// Looks without an answer from SLURM, one after the other, after which it counts as gone.
    private static let patience = 150

    /// Waits for the end.
    ///
    /// - Returns: The code of the first run, in their order, that did not end with 0; 0 if all did.
    /// - Throws: `DiptychFailure` with code 74 when SLURM does not answer any more.
    func code(_ console: Console) throws -> Int32 {
        var codes: [Int32] = []
        for (index, run) in checked.runs.enumerated() {
            codes.append(try code(of: checked.script.isArray ? "\(job)_\(index)" : job, run.directory, console))
        }
        return codes.first { $0 != 0 } ?? 0
    }

    private func code(of name: String, _ directory: RunDirectory, _ console: Console) throws -> Int32 {
        var last = ""
        var misses = 0
        while true {
            switch tools.state(of: name) {
            case .known(let state):
                misses = 0
                if state.state != last { console.say("job \(name): \(state.state.lowercased())") }
                last = state.state
                if !state.isLive {
                    // SLURM's own code of a job that was cancelled, lost its node or ran out of time is often 0.
                    if state.state == "COMPLETED" { return 0 }
                    if let code = state.exitCode, code != 0 { return code }
                    // What an earlier job of this run came to does not make this one a success.
                    let own = try said(by: directory)
                    return own == ExitCode.done.rawValue ? ExitCode.rankLost.rawValue : own
                }
            case .forgotten:
                return try said(by: directory)
            case .unavailable(let reason):
                misses += 1
                guard misses < Self.patience else {
                    throw DiptychFailure(.inputOutput, "SLURM does not answer any more (\(reason)); the job goes on")
                }
            }
            sleep(Self.interval)
        }
    }

    /// What the run itself says when SLURM has no code: it was cancelled, or is forgotten.
    private func said(by directory: RunDirectory) throws -> Int32 {
        (try Outcome.read(from: directory)?.exit ?? .rankLost).rawValue
    }
}
