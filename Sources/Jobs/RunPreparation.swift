import Foundation

/// Opens the directory of a run for a job: a new one, or one that goes on.
///
/// Both programs come this way, so that `diptych run` and `mpirun diptych-worker` give the same result. Under MPI only
/// rank 0 calls it.
public struct RunPreparation: Sendable {
    /// The run's directory.
    public let directory: RunDirectory
    /// The right to run there; held for as long as this value, or a child process that got it, lives.
    public let lock: RunLock
    /// The job, with absolute paths.
    public let job: Job
    /// Whether the run began earlier.
    public let isResumed: Bool
    /// What differs from the earlier execution, all of it allowed.
    public let differences: [Job.Difference]
    /// For each model that has any, the step of its newest checkpoint, by file name.
    public let resumeSteps: [String: Int]

    /// Checks a job against a run's directory, creates what is missing and writes `job.yaml`.
    ///
    /// - Parameters:
    ///   - job: The job as read.
    ///   - run: The run's directory; nil for `runs/<name of the job>`.
    ///   - extend: Whether numbers of steps may grow.
    ///   - retry: Whether to go on although the last executions died without progress.
    ///   - patience: Seconds to wait for the ranks of a run that lost its supervisor.
    ///   - waiting: Called once, with a description of who holds the directory, when there is something to wait for.
    ///   - whileWaiting: Called often during the wait, which an error of its ends.
    /// - Throws: `DiptychFailure`: 64 when the directory holds another job, with the difference and a ready `--run`;
    ///   64, 65 or 74 when teachers that are still to be taken from another run cannot be; 65 when something under the name
    ///   of one of the run's files is none;
    ///   74 when it cannot be created or written, or is in use; 70 when executions die again and again without progress.
    public static func open(
        job: Job, run: String?, extend: Bool, retry: Bool = false, patience: Double = 0,
        waiting: (String) -> Void = { _ in }, whileWaiting: () throws -> Void = {}
    ) throws -> RunPreparation {
        let directory = RunDirectory(run ?? "runs/\(job.name)")
        try directory.create()
        try directory.requireRegularFiles()
        let lock = try RunLock(
            directory, job: job.name, patience: patience, waiting: waiting, whileWaiting: whileWaiting)
        directory.sweepLeftovers()
        var job = job
        job.data.images = absolutePath(job.data.images)
        job.data.labels = job.data.labels.map(absolutePath)
        job.numerics.convolutions = job.numerics.convolutions.map(absolutePath)
        job.teachersFrom = job.teachersFrom.map(absolutePath)
        var differences: [Job.Difference] = []
        let isResumed = try directory.isPrepared
        if !isResumed {
            try directory.copyConvolutions(of: job)
        } else {
            let older = try directory.readJob()
            differences = job.differences(from: older)
            try check(differences, job: job, older: older, directory: directory, extend: extend)
            try checkData(job, instead: older)
            try directory.checkConvolutions(of: job, older: older, freeName: freeName(directory.path))
            if !retry { try CrashLoop.check(job, in: directory) }
        }
        try TeacherSource.check(job, in: directory)
        try directory.write(job)
        var steps: [String: Int] = [:]
        for model in job.models { steps[model.name] = try directory.checkpointSteps(of: model.name).last }
        return RunPreparation(
            directory: directory, lock: lock, job: job, isResumed: isResumed, differences: differences,
            resumeSteps: steps)
    }

    private static func check(
        _ differences: [Job.Difference], job: Job, older: Job, directory: RunDirectory, extend: Bool
    ) throws {
        let bits = differences.filter { $0.kind == .bits }
        if !bits.isEmpty {
            throw DiptychFailure(
                .usage,
                "\(printable(directory.path)) holds a run of a different job:\n"
                    + bits.map { "  \($0)\n" }.joined()
                    + "To train the changed job, give it a directory of its own: --run \(freeName(directory.path)); "
                    + "to go on with the old one, undo the change.")
        }
        let longer = differences.filter { $0.kind == .extendable }
        if !longer.isEmpty, !extend {
            throw DiptychFailure(
                .usage,
                "the job now asks for more steps than the run in \(printable(directory.path)):\n"
                    + longer.map { "  \($0)\n" }.joined()
                    + "Add --extend to train on, or give another directory: --run \(freeName(directory.path))")
        }
        for difference in longer {
            guard let reason = try whyStepsAreFinal(difference.key, older: older, directory: directory) else {
                continue
            }
            throw DiptychFailure(
                .usage,
                "`\(difference.key)` cannot grow any more in \(printable(directory.path)): \(reason). Give the longer "
                    + "job another directory: --run \(freeName(directory.path))")
        }
    }

    /// A run keeps the paths that it has unless there is something at the new ones.
    private static func checkData(_ job: Job, instead older: Job) throws {
        let paths = [("images", job.data.images, older.data.images), ("labels", job.data.labels, older.data.labels)]
        for case (let name, let path?, let old) in paths where path != old && access(path, R_OK) != 0 {
            let reason = String(cString: strerror(errno))
            throw DiptychFailure(
                .inputOutput,
                "`data.\(name)`: cannot read \(printable(path)): \(reason); "
                    + (old.map { "the run has worked with \(printable($0))" } ?? "the run has worked without"))
        }
    }

    /// Why training longer would not give what the longer job gives from the start; nil if it would.
    private static func whyStepsAreFinal(_ key: String, older: Job, directory: RunDirectory) throws -> String? {
        let phase: Phase = key == "teach.steps" ? .teach : .distill
        if phase == .teach, let student = older.student, try !directory.checkpointSteps(of: student.name).isEmpty {
            return "the student has begun to learn from the teachers as they are"
        }
        for model in older.models where model.phase == phase {
            let options = older.options(of: model)
            let constant = options.steps - options.decaySteps
            if options.decaySteps > 0, let newest = try directory.checkpointSteps(of: model.name).last,
                newest > constant
            {
                return "the learning rate of \(model) has decayed since step \(constant), and its newest checkpoint is "
                    + "of step \(newest)"
            }
        }
        return nil
    }

    /// A directory beside the given one that is not there yet.
    private static func freeName(_ path: String) -> String {
        var number = 2
        while access("\(path)-\(number)", F_OK) == 0 { number += 1 }
        return quotedIfNeeded("\(path)-\(number)")
    }
}
