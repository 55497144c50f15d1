import Foundation

/// Counts the executions of a run that died one after the other without getting further, so that a queue does not start
/// a run that cannot go on for ever.
///
/// An execution dies when it leaves no outcome, or the outcome that a rank was lost or the program failed. Getting
/// further means a new checkpoint, split or grid of images.
public enum CrashLoop {
    /// Deaths in a row at one place after which the run is not started again.
    public static let limit = 5
    /// Deaths beyond which nobody counts.
    private static let mostDeaths = 1_000_000

    private struct Record: Codable {
        var deaths: Int
        var progress: String
    }

    /// Notes that the ranks are about to be started. Until the end is known, that counts as a death.
    ///
    /// Where the deaths so far cannot be read, their record stays as it is.
    public static func noteLaunch(_ job: Job, in directory: RunDirectory) {
        guard let deaths = try? deaths(job, in: directory), let progress = try? progress(job, in: directory),
            let bytes = try? JSONEncoder().encode(Record(deaths: deaths + 1, progress: progress))
        else { return }
        // A disk too full for this is no reason not to run.
        try? FileBytes.replace(directory.deaths, with: bytes)
    }

    /// Forgets the deaths, because the run ended in a way that a user asked for or can mend.
    public static func forget(in directory: RunDirectory) {
        unlink(directory.deaths)
    }

    /// Whether an execution that ended with this code has died.
    public static func isDeath(_ code: ExitCode) -> Bool { code == .rankLost || code == .internalError }

    /// Throws when the run has died too often where it stands.
    ///
    /// - Throws: `DiptychFailure` with code 70; 74 when the record of deaths, or what tells how far it got, cannot be read.
    static func check(_ job: Job, in directory: RunDirectory) throws {
        let deaths: Int
        do {
            deaths = try self.deaths(job, in: directory)
        } catch let error as SystemCallError {
            throw error.failure
        }
        guard deaths >= limit else { return }
        let place = try progress(job, in: directory)
        throw DiptychFailure(
            .internalError,
            "the run in \(printable(directory.path)) has died \(deaths) times in a row without getting further than "
                + "\(place), so it is not started again. Look at "
                + "\(printable(directory.workerOutput)) for the reason; once it is mended, add --retry")
    }

    private static func deaths(_ job: Job, in directory: RunDirectory) throws -> Int {
        guard let bytes = try FileBytes.readIfThere(directory.deaths, limit: RunDirectory.largestNote),
            let record = try? JSONDecoder().decode(Record.self, from: bytes),
            try record.progress == progress(job, in: directory)
        else { return 0 }
        // A rank that failed by itself has said so in the outcome.
        if let outcome = try Outcome.read(from: directory), !isDeath(outcome.exit) { return 0 }
        return min(max(0, record.deaths), mostDeaths)
    }

    /// Where the run stands, in words.
    private static func progress(_ job: Job, in directory: RunDirectory) throws -> String {
        let steps = try job.models.compactMap { model in
            try directory.checkpointSteps(of: model.name).last.map { "\(model.name) at step \($0)" }
        }
        if !steps.isEmpty { return "checkpoints of " + steps.joined(separator: ", ") }
        return try FileBytes.exists(directory.split) ? "the split" : "the start"
    }
}
