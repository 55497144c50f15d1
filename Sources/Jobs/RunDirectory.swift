import Checkpoints
import Foundation

/// Where everything of a run lies.
public struct RunDirectory: Hashable, Sendable {
    /// The run's directory, absolute.
    public let path: String

    /// Names a run's directory; nothing is created.
    ///
    /// - Parameter path: The directory; relative paths start at the current one.
    public init(_ path: String) {
        self.path = absolutePath(path)
    }

    /// The job as resolved.
    public var job: String { path + "/job.yaml" }
    /// The run's copy of the table of convolution algorithms, if its job names one.
    public var convolutions: String { path + "/convolutions.yaml" }
    /// The split; private.
    public var split: String { path + "/split.h5" }
    /// SHA-256 of the split's file, as `sha256sum` writes it.
    public var splitHash: String { split + ".sha256" }
    /// All checkpoints.
    public var checkpoints: String { path + "/checkpoints" }
    /// The checkpoints of one model.
    public func checkpoints(of model: String) -> String { "\(checkpoints)/\(model)" }
    /// Images made at the end, or on demand.
    public var samples: String { path + "/samples" }
    /// Reports.
    public var report: String { path + "/report" }
    /// Sizes, balance and duplicates of the split, for people; private.
    public var splitReport: String { report + "/split.txt" }
    /// What audits measured and found; private.
    public var audit: String { path + "/audit" }
    /// The newest audit's report.
    public var auditReport: String { audit + "/report.json" }
    /// Samples beside the training images that they come nearest to, for the newest audit's page; private.
    public var auditPairs: String { audit + "/nearest.json" }
    /// All logs.
    public var logs: String { path + "/logs" }
    /// The steps of one model, one JSON line each.
    public func log(of model: String) -> String { "\(logs)/\(model).jsonl" }
    /// Restarts, hosts, rates and the like.
    public var events: String { logs + "/events.jsonl" }
    /// What the ranks wrote to their standard output and error.
    public var workerOutput: String { logs + "/worker.log" }
    /// One small file for each rank.
    public var heartbeats: String { logs + "/heartbeats" }
    /// The heartbeat of one rank.
    public func heartbeat(of rank: Int) -> String { "\(heartbeats)/\(rank)" }
    /// How often the run has died since it last got further.
    public var deaths: String { path + "/deaths.json" }
    /// How the run ended.
    public var outcome: String { path + "/outcome.json" }
    /// Held by whoever runs or prepares the run.
    public var lock: String { path + "/lock" }

    /// The number of the execution that may write here; a former one whose ranks were cut off must not.
    public var execution: String { path + "/execution" }
    /// The script that was given to SLURM.
    public var submissionScript: String { path + "/submit.sbatch" }
    /// What SLURM was given, and what it said.
    public var submission: String { path + "/submission.json" }

    /// Whether a job was ever prepared here.
    ///
    /// - Throws: `DiptychFailure` with code 74 when the system does not tell: a run that is there must not be begun anew.
    public var isPrepared: Bool {
        get throws {
            do throws(SystemCallError) {
                return try FileBytes.exists(job)
            } catch {
                throw error.failure
            }
        }
    }

    /// Whether Diptych prepared it: a folder in which somebody keeps a job file of that name is no run.
    ///
    /// - Throws: `SystemCallError` when a job file that is there cannot be read now.
    public var isRun: Bool {
        get throws(SystemCallError) {
            do throws(SystemCallError) {
                let text = String(decoding: try FileBytes.read(job, limit: JobNode.largestFile), as: UTF8.self)
                return Self.recordedHash(in: text) != nil
            } catch {
                guard !error.mayPass else { throw error }
                return false
            }
        }
    }

    /// Creates the directories that are missing, for this user alone.
    ///
    /// - Throws: `DiptychFailure` with code 74 that names the directory and the reason.
    public func create() throws {
        let old = umask(0o077)
        defer { umask(old) }
        try requireRegularFiles()
        for directory in [path] + folders where directory != audit { try Self.makeDirectory(directory) }
        guard access(path, W_OK) == 0 else {
            throw DiptychFailure(
                .inputOutput,
                "the run directory \(printable(path)) is not writable (\(SystemCallError(path, "access").reason)); "
                    + "give another one with --run")
        }
    }

    /// Removes the temporary files of processes that were killed; to be called by who holds the lock.
    func sweepLeftovers() {
        for directory in [path, report, samples] { _ = FileBytes.sweep(directory) }
    }

    /// Creates one directory and those above it.
    private static func makeDirectory(_ path: String) throws {
        if mkdir(path, 0o700) == 0 { return }
        let number = errno
        if number == ENOENT {
            let parent = (path as NSString).deletingLastPathComponent
            if !parent.isEmpty, parent != path {
                try makeDirectory(parent)
                if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
            }
        }
        var status = stat()
        if number == EEXIST, stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { return }
        let reason =
            number == EEXIST
            ? "something that is not a directory has that name" : SystemCallError(path, "mkdir", number: number).reason
        throw DiptychFailure(
            .inputOutput,
            "cannot create the run directory \(printable(path)): \(reason); give another one with --run")
    }

    /// Reads the resolved job.
    ///
    /// - Throws: `DiptychFailure` with code 74 when it is not there, 64 when it is not a job or was edited by hand, 65 when
    ///   something under the name of one of the run's files is none.
    public func readJob() throws -> Job {
        guard try isPrepared else {
            throw DiptychFailure(.inputOutput, "\(printable(path)) is not a run: it has no job.yaml")
        }
        try requireRegularFiles()
        let text = try Job.text(path: self.job, FileBytes.read(_:limit:))
        let job = try Job.decode(text, file: self.job)
        try requireRegularFiles(of: job)
        let recorded = Self.recordedHash(in: text)
        guard recorded == job.hash else {
            throw DiptychFailure(
                .usage,
                "\(printable(self.job)) was changed by hand, or written by another version of Diptych: it says job hash "
                    + "\(recorded ?? "(none)"), its values make \(job.hash); change the job file you started from, and "
                    + "give it another --run")
        }
        return job
    }

    /// The hash that the text of a resolved job says it has.
    private static func recordedHash(in text: String) -> String? {
        text.split(separator: "\n").first { $0.hasPrefix(hashLine) }.map { String($0.dropFirst(hashLine.count)) }
    }

    /// What `split.h5.sha256` says.
    ///
    /// - Throws: `DiptychFailure` with code 65 when it is missing or not a line of `sha256sum`, 74 when it cannot be read.
    public func recordedSplitHash() throws -> String {
        let bytes: Data
        do throws(SystemCallError) {
            bytes = try FileBytes.readIfThere(splitHash, limit: 4096) ?? Data()
        } catch {
            throw error.failure
        }
        let words = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace)
        guard words.count == 2, words[1] == "split.h5", words[0].wholeMatch(of: /[0-9a-f]{64}/) != nil else {
            throw DiptychFailure(
                .badData,
                "\(printable(splitHash)) is missing or damaged: it must hold the SHA-256 of split.h5, as `sha256sum "
                    + "split.h5` prints it. Restore both files, or start a new run")
        }
        return String(words[0])
    }

    /// Writes the resolved job with its hash.
    func write(_ job: Job) throws {
        let text = "# This run's job as diptych resolved it; do not edit.\n\(Self.hashLine)\(job.hash)\n\(job.resolved)"
        do {
            try FileBytes.replace(self.job, with: Data(text.utf8))
        } catch {
            throw error.failure
        }
    }

    private static let hashLine = "# hash: "

    /// The steps for which a model has a checkpoint with its manifest, ascending; by name alone, nothing is verified.
    ///
    /// - Throws: `DiptychFailure` with code 74 when the folder cannot be listed: that is not to have none.
    public func checkpointSteps(of model: String) throws -> [Int] {
        let names: [String]
        do {
            names = try Folder.names(checkpoints(of: model))
        } catch let error as FileError {
            throw SystemCallError(error).failure
        }
        return names.compactMap { name in
            guard name.hasPrefix("step-"), name.hasSuffix(".json") else { return nil }
            return Int(name.dropFirst(5).dropLast(5))
        }.sorted()
    }
}

/// A path from the root, without `.`, `..` and doubled slashes; symbolic links stay.
public func absolutePath(_ path: String) -> String {
    let full = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
    var parts: [Substring] = []
    for part in full.split(separator: "/") where part != "." {
        if part == ".." { _ = parts.popLast() } else { parts.append(part) }
    }
    return "/" + parts.joined(separator: "/")
}
