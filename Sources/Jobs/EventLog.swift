import Foundation

/// The log of everything that may differ from one execution to the next: restarts, hosts, ranks, rates, checkpoints.
///
/// Any rank may write: the file is opened for appending and a line is one write.
public final class EventLog {
    /// What happened.
    public enum Kind: String, Codable, CaseIterable, Sendable {
        /// The supervisor started the ranks.
        case launched
        /// A rank is up: host, process, lanes, numerics profile.
        case started
        /// A model goes on from a checkpoint.
        case resumed
        /// A finished teacher was taken from another run.
        case taken
        /// A phase began.
        case phaseBegan = "phase_began"
        /// A phase ended.
        case phaseEnded = "phase_ended"
        /// Images per second over some steps, and the rank's peak memory.
        case rate
        /// A checkpoint was written and verified.
        case checkpoint
        /// A checkpoint was passed over because it is damaged.
        case checkpointSkipped = "checkpoint_skipped"
        /// A checkpoint or log could not be written; training goes on unless `ends_run` is true.
        case writeFailed = "write_failed"
        /// The log of a model's steps lacks lines that its checkpoint counts on.
        case logIncomplete = "log_incomplete"
        /// A signal asked the run to stop.
        case signal
        /// The run stopped on request, saved.
        case stopped
        /// The run failed.
        case failed
        /// A rank gave no sign of life for long.
        case silent
        /// SLURM was asked to queue the run again.
        case requeued
        /// What a killed run left behind was removed.
        case swept
        /// The run is done.
        case finished
    }

    /// The file.
    public let path: String
    private let descriptor: Int32
    private let host: String
    private let rank: Int?
    private let speak: (String) -> Void
    private var isTorn = false

    /// Opens the log, and creates it if it is not there.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - rank: The writer's rank in the world; nil for the supervisor.
    ///   - speak: Given the ``SpokenNote`` of each line that could not be written.
    /// - Throws: `SystemCallError`.
    public init(path: String, rank: Int?, speak: @escaping (String) -> Void = { _ in }) throws {
        self.path = path
        self.rank = rank
        self.speak = speak
        host = ProcessInfo.processInfo.hostName
        descriptor = try FileBytes.open(path, flags: O_WRONLY | O_CREAT | O_APPEND)
    }

    deinit { close(descriptor) }

    /// Adds a line `{"time":...,"host":...,"rank":...,"kind":...,<fields>}`.
    ///
    /// A log that cannot be written (a full disk) does not stop a run, so this does not throw.
    ///
    /// - Returns: Whether the line was written.
    @discardableResult
    public func append(_ kind: Kind, _ fields: KeyValuePairs<String, JSONValue> = [:]) -> Bool {
        let seconds = (Date().timeIntervalSince1970 * 1000).rounded() / 1000
        var members = [
            JSONValue.Member("time", .number(seconds)), .init("host", .string(host)),
            .init("rank", rank.map { .integer($0) } ?? .null), .init("kind", .string(kind.rawValue)),
        ]
        members += fields.map { JSONValue.Member($0.key, $0.value) }
        let text = JSONValue.object(members).text
        // A full disk may have taken the beginning of a line, which must not swallow the next one.
        let line = Data(((isTorn ? "\n" : "") + text + "\n").utf8)
        var isWritten = line.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) } == line.count
        isTorn = !isWritten
        // Nobody but the user can do something about this one, and a file server may take lines for which it has no space.
        if kind == .writeFailed, isWritten { isWritten = fdatasync(descriptor) == 0 }
        if !isWritten, let note = SpokenNote.event(text).line { speak(note) }
        return isWritten
    }
}
