import Foundation

/// What one optimizer step of one model came to; a line of `logs/<model>.jsonl`.
///
/// Holds only what is the same on every number of ranks: no times, no hosts.
public struct StepRecord: Hashable, Sendable {
    /// The step, from 0.
    public var step: Int
    /// Mean loss of the batch.
    public var loss: Double
    /// Learning rate of the update.
    public var learningRate: Double
    /// L2 norm of the gradient before clipping.
    public var gradientNorm: Double

    /// Makes a record.
    public init(step: Int, loss: Double, learningRate: Double, gradientNorm: Double) {
        self.step = step
        self.loss = loss
        self.learningRate = learningRate
        self.gradientNorm = gradientNorm
    }

    /// One line of JSON with its newline: fixed order of keys, shortest numbers that read back the same.
    ///
    /// - Precondition: All numbers are finite.
    public var line: String {
        let value: JSONValue = [
            "step": .integer(step), "loss": .number(loss), "learning_rate": .number(learningRate),
            "grad_norm": .number(gradientNorm),
        ]
        return value.text + "\n"
    }

    /// Reads one line.
    ///
    /// - Returns: The record, or nil for a torn or foreign line.
    public init?(line: some StringProtocol) {
        guard let read = try? JSONDecoder().decode(Line.self, from: Data(line.utf8)),
            (0..<Int.max).contains(read.step)
        else { return nil }
        self.init(step: read.step, loss: read.loss, learningRate: read.learning_rate, gradientNorm: read.grad_norm)
    }

    private struct Line: Codable {
        var step: Int
        var loss: Double
        var learning_rate: Double
        var grad_norm: Double
    }
}

/// The log of one model's steps: appended to while training, cut back to the checkpoint when a run resumes, so that it
/// ends up the same as if nothing had happened.
public final class StepLog {
    /// The file.
    public let path: String
    private let descriptor: Int32
    /// Bytes of whole lines in the file.
    private var end: Int
    /// Lines that could not be written yet.
    private var pending = Data()
    private var isTorn = false

    /// Opens the log, and creates it if it is not there.
    ///
    /// - Throws: `SystemCallError`.
    public init(path: String) throws {
        self.path = path
        descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemCallError(path, "open") }
        end = Int(lseek(descriptor, 0, SEEK_END))
    }

    deinit { close(descriptor) }

    /// Adds a line.
    ///
    /// - Throws: `SystemCallError` when it could not be written, as on a full disk: it is kept, and written with the next.
    public func append(_ record: StepRecord) throws {
        pending.append(contentsOf: record.line.utf8)
        try flush()
    }

    private func flush() throws {
        // Half a line must not stay in the middle of the log.
        if isTorn {
            guard ftruncate(descriptor, off_t(end)) == 0 else { throw SystemCallError(path, "ftruncate") }
            isTorn = false
        }
        do {
            try FileBytes.writeAll(pending, to: descriptor, path: path)
        } catch {
            isTorn = ftruncate(descriptor, off_t(end)) != 0
            throw error
        }
        end += pending.count
        pending.removeAll(keepingCapacity: true)
    }

    /// Makes the lines so far durable; to be called before a checkpoint that counts on them.
    ///
    /// - Throws: `SystemCallError`.
    public func synchronize() throws {
        try flush()
        guard fdatasync(descriptor) == 0 else { throw SystemCallError(path, "fdatasync") }
    }

    /// Drops every line from the first one on that is torn, out of order, or at or beyond a step.
    ///
    /// What stays is a gapless run of lines from the log's first step. The file is cut in one operation, so a crash
    /// leaves it as it was or as it should be.
    ///
    /// - Parameter step: The step that training goes on with.
    /// - Returns: The number of lines that stay, which is `step` unless lines were lost.
    /// - Throws: `SystemCallError`.
    @discardableResult
    public func cutBack(toStep step: Int) throws -> Int {
        let bytes = try FileBytes.read(path)
        var kept = 0
        var end = bytes.startIndex
        while kept < step, let newline = bytes[end...].firstIndex(of: UInt8(ascii: "\n")),
            let record = StepRecord(line: String(decoding: bytes[end..<newline], as: UTF8.self)), record.step == kept
        {
            kept += 1
            end = newline + 1
        }
        if end != bytes.endIndex {
            guard ftruncate(descriptor, off_t(end - bytes.startIndex)) == 0 else {
                throw SystemCallError(path, "ftruncate")
            }
            guard fsync(descriptor) == 0 else { throw SystemCallError(path, "fsync") }
        }
        self.end = end - bytes.startIndex
        return kept
    }

    /// The last whole line of a log that may be growing.
    ///
    /// - Returns: The record, or nil when there is none or the file cannot be read.
    public static func last(path: String) -> StepRecord? {
        guard let handle = FileHandle(forReadingAtPath: path) else { return nil }
        defer { try? handle.close() }
        guard let size = try? handle.seekToEnd() else { return nil }
        guard (try? handle.seek(toOffset: size > 4096 ? size - 4096 : 0)) != nil,
            let tail = try? handle.readToEnd(), let newline = tail.lastIndex(of: UInt8(ascii: "\n"))
        else { return nil }
        let lines = String(decoding: tail[..<newline], as: UTF8.self).split(separator: "\n")
        return lines.last.flatMap { StepRecord(line: $0) }
    }
}
