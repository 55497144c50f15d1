import Foundation
import Synchronization
import Testing

/// Runs that several tests look at; each is made once, when first asked for. Whoever changes one copies it first.
enum Runs {
    /// A run with what came of it.
    struct Made: Sendable {
        let job: TinyJob
        let result: RunResult
    }

    private static let made = Mutex<[Int: Made]>([:])

    private static let halted = Result {
        let job = try kept(TinyJob())
        let end = try Moment.distill.stop(job.start(ranks: 2), job.run, signal: SIGUSR1)
        guard end.code == Exit.stopped else {
            throw TestFailure("a run asked to stop ended with \(end.code.map { "\($0)" } ?? "a signal"):\n\(end.error)")
        }
        return job
    }

    /// The tiny job, run to its end without interruption.
    static func finished(ranks: Int = 2) throws -> Made {
        if let known = made.withLock({ $0[ranks] }) { return known }
        let job = try kept(TinyJob())
        let new = Made(job: job, result: try RunResult(job.finish(ranks: ranks), job.run))
        made.withLock { $0[ranks] = new }
        return new
    }

    private static let largeRun = Result {
        let job = try kept(TinyJob())
        return Made(job: job, result: try RunResult(job.finish(ranks: 2, set: TinyJob.large), job.run))
    }

    /// The tiny job on many images (`TinyJob.large`), run to its end without interruption.
    static func large() throws -> Made { try largeRun.get() }

    /// A copy of a run of the tiny job that was stopped in the middle of distill.
    static func stopped() throws -> TinyJob { try TinyJob(copying: halted.get()) }

    // MARK: Removal

    private static let folders = Mutex<[String]>([])

    /// Has a job's folder removed when the process ends: what a global variable holds is never deinitialised.
    private static func kept(_ job: TinyJob) -> TinyJob {
        let isFirst = folders.withLock { paths in
            paths.append(job.folder.path)
            return paths.count == 1
        }
        if isFirst {
            atexit {
                for path in Runs.folders.withLock(\.self) { try? FileManager.default.removeItem(atPath: path) }
            }
        }
        return job
    }
}
