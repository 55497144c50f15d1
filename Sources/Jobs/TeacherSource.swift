/// The run that `teachers.from` names, found to train the teachers of the job that names it.
///
/// The job, the numerics profile, the split and the checkpoint of that run must be what this run's own would be, so that a
/// teacher taken is the teacher that would have been trained. The job is compared here, the rest where it is read.
public struct TeacherSource: Sendable {
    /// Its directory.
    public let directory: RunDirectory
    /// Its job as resolved.
    public let job: Job

    /// Reads the job of the run that another job takes its teachers from; nil when that one trains them itself.
    ///
    /// - Parameter job: The job that names the run.
    /// - Throws: `DiptychFailure`: 74 when there is no such run, 64 when its teachers are others, with the difference.
    public init?(of job: Job) throws {
        guard let path = job.teachersFrom else { return nil }
        directory = RunDirectory(path)
        do {
            self.job = try directory.readJob()
        } catch let failure as DiptychFailure {
            throw Self.refusal(failure.code, "\(failure.message).")
        }
        let differences = job.teacherDifferences(from: self.job)
        guard differences.isEmpty else {
            throw Self.refusal(
                .usage,
                "the run in \(printable(directory.path)) does not train the teachers of this job (there -> here):\n"
                    + differences.map { "  \($0)\n" }.joined())
        }
    }

    /// Throws unless the teachers that a run still lacks are there to be taken, by the names of files alone.
    ///
    /// - Parameters:
    ///   - job: The run's job.
    ///   - directory: The run.
    /// - Throws: `DiptychFailure`, as the initializer and ``requireFinished(_:)``.
    public static func check(_ job: Job, in directory: RunDirectory) throws {
        guard let (source, teachers) = try pending(job, in: directory) else { return }
        for model in teachers { try source.requireFinished(model) }
    }

    /// The teachers that a run still has to take, and from where; nil when there are none.
    ///
    /// - Parameters:
    ///   - job: The run's job.
    ///   - directory: The run.
    /// - Throws: `DiptychFailure`, as the initializer.
    public static func pending(
        _ job: Job, in directory: RunDirectory
    ) throws -> (source: TeacherSource, teachers: [TrainedModel])? {
        let missing = try job.taughtModels.filter { try directory.checkpointSteps(of: $0.name).isEmpty }
        guard !missing.isEmpty, let source = try TeacherSource(of: job) else { return nil }
        return (source, missing)
    }

    /// Throws unless a checkpoint of the teacher's last step is there.
    ///
    /// - Throws: `DiptychFailure` with code 65.
    public func requireFinished(_ model: TrainedModel) throws {
        let step = try directory.checkpointSteps(of: model.name).last ?? 0
        guard step != job.teach.steps else { return }
        throw Self.refusal(
            .badData,
            "\(model) of the run in \(printable(directory.path)) has come to step \(step), not to its last, "
                + "\(job.teach.steps); that run's own command goes on with it.")
    }

    /// A failure to take teachers, with what to do.
    ///
    /// - Parameters:
    ///   - code: Its kind.
    ///   - text: What is wrong, in whole sentences.
    public static func refusal(_ code: ExitCode, _ text: String) -> DiptychFailure {
        let advice = "Name a run that has finished the teachers of this job, or leave the key out to train them here"
        return DiptychFailure(code, "`teachers.from`: \(text)\(text.hasSuffix("\n") ? "" : " ")\(advice)")
    }
}

extension Job {
    /// The values that make this job's teachers others than another job's, in the order of the resolved text: all that
    /// change bits, but those of what follows the teachers. What the numerics profile compares is not among them.
    ///
    /// - Parameter other: The job whose teachers are to be taken.
    package func teacherDifferences(from other: Job) -> [Difference] {
        differences(from: other).filter { difference in
            switch difference.key {
            case "defence": (defence == .undefended) != (other.defence == .undefended)
            case let key where key.hasPrefix("distill.") || key.hasPrefix("sample."): false
            default: difference.kind == .bits || difference.kind == .extendable
            }
        }
    }

    /// The teachers that are, or were, taken from another run and are not trained in this one: a job that names a run
    /// takes those that were never saved.
    package func takenTeachers(in directory: RunDirectory) throws -> [TrainedModel] {
        guard teachersFrom != nil else { return [] }
        return try taughtModels.filter { try directory.checkpointSteps(of: $0.name).allSatisfy { $0 == teach.steps } }
    }
}
