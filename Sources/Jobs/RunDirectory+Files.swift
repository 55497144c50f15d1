import Checkpoints
import Foundation

/// What may lie under the names of a run's files. The directory may come from a stranger, who can put there what keeps a
/// reader waiting for ever, or never ends.
extension RunDirectory {
    /// Bytes that files of a few lines may have: the outcome, the submission, the profile.
    package static let largestNote = 1 << 20
    /// Bytes that the event log may have, far more than a year of executions writes.
    static let largestEventLog = 256 << 20
    /// Bytes that what ranks print, or what SLURM keeps of a job, may have.
    package static let largestOutput = 4 << 30
    /// Bytes that the split may have, with more images than any catalogue.
    static let largestSplit = 100 << 30

    /// The files that commands read, with the most bytes that each may have.
    private var files: [(path: String, limit: Int)] {
        [
            (job, JobNode.largestFile), (convolutions, ConvolutionFile.largestFile), (split, Self.largestSplit),
            (splitHash, Self.largestNote), (path + "/profile.json", Self.largestNote), (outcome, Self.largestNote),
            (submission, Self.largestNote), (deaths, Self.largestNote), (execution, Self.largestNote),
            (lock, Self.largestNote), (events, Self.largestEventLog), (workerOutput, Self.largestOutput),
            (auditReport, FileBytes.largest), (auditPairs, FileBytes.largest),
        ]
    }

    /// The folders below the run's own.
    var folders: [String] { [checkpoints, samples, report, logs, heartbeats, audit] }

    /// Throws when something under the name of one of the run's files cannot be one: it is a link, a pipe or a device, or
    /// larger than such a file can be; and when one of its folders is none. Whoever reads a file refuses that, too; here it
    /// is said before anything is done.
    ///
    /// - Throws: `DiptychFailure` with code 65.
    public func requireRegularFiles() throws {
        for folder in folders { try Self.requireFolder(folder) }
        for (path, limit) in files { try Self.requireRegular(path, limit: limit) }
    }

    /// The same for what is the models': logs of steps, folders of checkpoints.
    ///
    /// - Throws: `DiptychFailure` with code 65.
    func requireRegularFiles(of job: Job) throws {
        for model in job.models {
            try Self.requireFolder(checkpoints(of: model.name))
            try Self.requireRegular(log(of: model.name), limit: StepLog.largest(steps: job.options(of: model).steps))
        }
    }

    private static func requireFolder(_ path: String) throws {
        guard let fault = Folder.fault(of: path) else { return }
        throw DiptychFailure(
            .badData,
            "\(printable(path)) is no folder that Diptych has made: \(fault). Nothing was read. Move it away, and do not "
                + "trust this run before you know who put it there. (A run's whole directory may be a link, as to another "
                + "disk, but nothing within it.)")
    }

    /// Throws when what has a name is no regular file, or larger than it may be; not when nothing has it.
    ///
    /// - Parameters:
    ///   - path: A file of a run.
    ///   - limit: The most bytes that it may have.
    /// - Throws: `DiptychFailure` with code 65.
    package static func requireRegular(_ path: String, limit: Int) throws {
        guard let fault = RegularFile.fault(of: path, limit: limit) else { return }
        throw DiptychFailure(
            .badData,
            "\(printable(path)) is no file that Diptych has written: \(fault). Nothing was read. Move it away, and do not "
                + "trust this run before you know who put it there")
    }
}
