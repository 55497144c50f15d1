import Checkpoints
import Datasets
import Foundation
import Jobs

/// The readers of what others may have written or damaged, each as a function of bytes that must come back: with a value or
/// an error, never with a crash, and with no more memory than the bytes justify.
///
/// What was read is shown as the programs show it: a number that the reader takes must not end whoever prints it. The fuzzer
/// (`make torture`) and the replay of what it has found (`make test`) call the same functions.
public enum FuzzTarget: String, CaseIterable, Sendable {
    /// A job file.
    case job
    /// The values of `--set`, one a line.
    case overrides
    /// The words of a command line, one a line: read by both programs.
    case commandLine = "command-line"
    /// Variables of the environment, NAME=VALUE, one a line.
    case environment
    /// An IDX file of images, plain or gzip.
    case images
    /// An IDX file of labels.
    case labels
    /// A checkpoint's manifest; its own hash is made to fit, so that what follows is reached.
    case manifest
    /// An HDF5 file with a checkpoint, as libhdf5 sees it once its hash was found right.
    case checkpoint
    /// An HDF5 file with a split; its hash is made to fit.
    case split
    /// A key in PEM that signs or verifies.
    case keys
    /// The list of a signed export.
    case export
    /// A file of convolution algorithms.
    case convolutions
    /// The numerics profile of a run.
    case profile
    /// The heartbeat of a rank.
    case heartbeat
    /// `outcome.json`.
    case outcome
    /// A log of steps.
    case steps
    /// The log of events.
    case events
    /// `submission.json`.
    case submission
    /// `deaths.json`.
    case deaths
    /// `audit/report.json`, as the ranks of an audit leave it.
    case report
    /// `audit/nearest.json`: samples beside the training images that they come nearest to.
    case nearest
    /// What a child that examines a stranger's file says.
    case examination
    /// A chunk of an audit's measurements, in `audit/scores`; a hash of zeros is made to fit.
    case scores

    /// The parameters of the checkpoints of ``seeds()``: what their manifest would name.
    static let parameters = 259

    /// Reads some bytes.
    ///
    /// - Returns: Whether they were taken for what they should be.
    @discardableResult
    public func read(_ bytes: [UInt8]) -> Bool {
        switch self {
        case .job: readJob(bytes)
        case .overrides: takes { try Job.decode(FuzzFiles.smallJob, file: "fuzz", overrides: words(bytes)) }
        case .commandLine: readCommandLine(words(bytes))
        case .environment: readEnvironment(words(bytes))
        case .images:
            takes { try Catalogue.load(DataSource(reader: .idx, images: FuzzFiles.write(bytes, "images"))) }
        case .labels:
            takes {
                let two = FuzzFiles.write([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 7, 8], "two")
                let labels = FuzzFiles.write(bytes, "labels")
                return try Catalogue.load(DataSource(reader: .idx, images: two, labels: labels))
            }
        case .manifest: takes { try Manifest(withOwnHash(bytes), path: "fuzz") }
        case .checkpoint:
            takes { try Checkpoint(from: HDF5File.open(image: bytes, label: "fuzz"), count: Self.parameters) }
        case .split: readSplit(bytes)
        case .keys: readKeys(bytes)
        case .export: takes { try ExportList(bytes, path: "fuzz").encoded() }
        case .convolutions: readConvolutions(bytes)
        case .profile: readProfile(bytes)
        case .heartbeat: readHeartbeat(bytes)
        case .outcome: readOutcome(bytes)
        case .steps: readSteps(bytes)
        case .events: readEvents(bytes)
        case .submission: readSubmission(bytes)
        case .deaths: readDeaths(bytes)
        case .report: readReport(bytes)
        case .nearest: readNearest(bytes)
        case .examination: readExamination(bytes)
        case .scores: readScores(bytes)
        }
    }

    /// The most memory that reading may take at once, in bytes: what the reader needs for anything, and a multiple of what it
    /// was given.
    ///
    /// - Parameter count: The number of bytes that it was given.
    public func memoryBound(of count: Int) -> Int {
        switch self {
        // A tree, whose least node takes two bytes of text.
        case .job, .overrides, .commandLine, .environment, .convolutions: 2 << 20 + 256 * count
        // The least line takes one byte.
        case .examination: 2 << 20 + 256 * count
        // It is tabled, and every score is a line with its names.
        case .report: 2 << 20 + 512 * count
        // Read in pieces of 4 MB.
        case .events: 6 << 20 + 64 * count
        // What is packed as far as these allow is larger; cases of such a kind are kept small.
        case .images, .labels, .checkpoint, .split: 2 << 20 + 16 * count
        default: 2 << 20 + 64 * count
        }
    }

    /// Whether a reader takes its input; what it says otherwise is made into words, as programs do.
    func takes<Value>(_ read: () throws -> Value) -> Bool {
        do {
            _ = try read()
            return true
        } catch {
            _ = "\(error)"
            return false
        }
    }

    private func words(_ bytes: [UInt8]) -> [String] {
        bytes.isEmpty
            ? []
            : bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map {
                String(decoding: $0, as: UTF8.self)
            }
    }

    private func readJob(_ bytes: [UInt8]) -> Bool {
        takes {
            let job = try Job.load(path: FuzzFiles.write(bytes, "job.yaml"))
            // A run writes this down and reads it when it is resumed.
            let again = try? Job.decode(job.resolved, file: "resolved")
            precondition(again?.hash == job.hash, "a resolved job reads back as another")
        }
    }

    /// The bytes with the hash that a manifest must hold of itself, if there is a place for it.
    private func withOwnHash(_ bytes: [UInt8]) -> [UInt8] {
        let label = Array(#""manifest_sha256": ""#.utf8)
        guard let start = bytes.firstRange(of: label)?.upperBound, start + 64 <= bytes.count else { return bytes }
        var bytes = bytes
        bytes.replaceSubrange(start..<start + 64, with: repeatElement(UInt8(ascii: "0"), count: 64))
        bytes.replaceSubrange(start..<start + 64, with: sha256Hex(bytes).utf8)
        return bytes
    }

    private func readKeys(_ bytes: [UInt8]) -> Bool {
        let path = FuzzFiles.write(bytes, "key.pem")
        _ = FuzzFiles.write(Array(bytes.prefix(64)), "key.pem.sig")
        return takes { try SigningKey(path: path) } || takes { try VerifyingKey(path: path).fault(of: path) }
    }

    private func readConvolutions(_ bytes: [UInt8]) -> Bool {
        takes {
            let file = try ConvolutionFile.load(path: FuzzFiles.write(bytes, "convolutions.yaml"))
            return (file.text, file.table, file.changes)
        }
    }

    private func readSplit(_ bytes: [UInt8]) -> Bool {
        _ = FuzzFiles.write(bytes, "split.h5")
        _ = FuzzFiles.write(Array("\(sha256Hex(bytes))  split.h5\n".utf8), "split.h5.sha256")
        return takes {
            let split = try SplitFile.read(FuzzFiles.directory).split(verifiedAgainst: FuzzFiles.catalogue)
            return ("\(split.report)", split.report.largestLabelDifference)
        }
    }
}
