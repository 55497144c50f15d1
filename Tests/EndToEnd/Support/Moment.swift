import Foundation
import TestSupport
import Testing

/// Where in a run something is done to it.
enum Moment: String, CaseIterable {
    case teach
    case distill
    case sample

    /// Waits until the run is in the middle of the phase.
    func wait(for run: ProgramRun, _ folder: RunFolder) throws {
        switch self {
        case .teach: try run.wait(until: "teacher-0 has done 12 steps") { folder.steps(of: "teacher-0") > 11 }
        case .distill: try run.wait(until: "the student has done 12 steps") { folder.steps(of: "student") > 11 }
        case .sample:
            try run.wait(until: "a rank samples") {
                folder.heartbeats.values.contains { $0["phase"] as? String == "sample" && $0["step"] as? Int ?? 0 > 0 }
            }
        }
    }

    /// Whether the run is not beyond the phase.
    func isUnfinished(in folder: RunFolder) -> Bool {
        switch self {
        case .teach: folder.steps(of: "student") == 0
        case .distill: folder.steps(of: "student") < TinyJob.steps
        case .sample: folder.bytes("samples/student.npz") == nil
        }
    }

    /// Halts the ranks in the middle of the phase, all of them, and returns them.
    func halt(_ run: ProgramRun, _ folder: RunFolder) throws -> [LiveProcess] {
        try wait(for: run, folder)
        let ranks = run.ranks
        try #require(!ranks.isEmpty)
        for rank in ranks { rank.send(SIGSTOP) }
        try run.wait(until: "the ranks are halted") { ranks.allSatisfy(\.isHalted) }
        try #require(isUnfinished(in: folder), "\(self) was over before the ranks were halted")
        return ranks
    }

    /// Asks a run to stop in the middle of the phase.
    ///
    /// The ranks are halted until the request has reached all of them: a fast machine would be done before.
    func stop(_ run: ProgramRun, _ folder: RunFolder, signal: Int32) throws -> ProgramRun.End {
        let ranks = try halt(run, folder)
        run.send(signal)
        try run.wait(until: "the ranks are asked to stop") { ranks.allSatisfy { $0.hasPending(SIGUSR1) } }
        for rank in ranks { rank.send(SIGCONT) }
        return try run.end()
    }
}
