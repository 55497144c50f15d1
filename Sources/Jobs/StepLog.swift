import Checkpoints
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
    private let calls: SystemCalls
    /// Bytes of the file that are on the medium.
    private var durable: Int
    /// The lines behind them.
    private var recent = Data()
    /// Bytes of these that have been written.
    private var written = 0
    /// Whether what the file holds behind the good lines must go first.
    private var isTorn = false

    /// Opens the log, and creates it if it is not there.
    ///
    /// - Throws: `SystemCallError`.
    public convenience init(path: String) throws {
        try self.init(path: path, calls: .real)
    }

    /// Opens the log, which is synchronised by way of the given calls.
    package init(path: String, calls: SystemCalls) throws {
        self.path = path
        self.calls = calls
        descriptor = try FileBytes.open(path, flags: O_RDWR | O_CREAT | O_APPEND)
        durable = Int(lseek(descriptor, 0, SEEK_END))
    }

    deinit { close(descriptor) }

    /// The most bytes that the log of a number of steps can have.
    package static func largest(steps: Int) -> Int { 65_536 + 256 * max(0, steps) }

    /// Adds a line.
    ///
    /// - Throws: `SystemCallError` when it could not be written, as on a full disk: it is kept, and written with the next.
    public func append(_ record: StepRecord) throws {
        recent.append(contentsOf: record.line.utf8)
        try flush()
    }

    /// Keeps a line that may not be written yet; it is, with the next.
    package func hold(_ record: StepRecord) {
        recent.append(contentsOf: record.line.utf8)
    }

    private func flush() throws {
        if isTorn {
            guard ftruncate(descriptor, off_t(durable + written)) == 0 else { throw SystemCallError(path, "ftruncate") }
            isTorn = false
        }
        do {
            try FileBytes.writeAll(recent.dropFirst(written), to: descriptor, path: path)
        } catch {
            // Half a line must not stay in the middle of the log.
            isTorn = ftruncate(descriptor, off_t(durable + written)) != 0
            throw error
        }
        written = recent.count
    }

    /// Makes the lines so far durable; to be called before a checkpoint that counts on them.
    ///
    /// - Throws: `SystemCallError`; the lines that may be lost are then written again by the next call.
    public func synchronize() throws {
        try flush()
        let answer = calls.synchronizeData(descriptor)
        guard answer >= 0 else {
            // Linux reports a failed write once and then takes the lost pages for written.
            written = 0
            isTorn = true
            throw SystemCallError(path, "write to the medium", number: Int32(-answer))
        }
        durable += written
        recent.removeAll(keepingCapacity: true)
        written = 0
    }

    /// Drops every line from the first one on that is torn, out of order, or at or beyond a step. Where lines were lost
    /// before, the gap stays.
    ///
    /// The file is cut in one operation, so a crash leaves it as it was or as it should be.
    ///
    /// - Parameter step: The step that training goes on with.
    /// - Returns: The number of lines that stay, which is `step` unless lines were lost.
    /// - Throws: `SystemCallError`.
    public func cutBack(toStep step: Int) throws -> Int {
        var (kept, last, end) = (0, -1, 0)
        var isWhole = true
        while isWhole {
            let piece = try read(at: end)
            guard let newline = piece.lastIndex(of: UInt8(ascii: "\n")) else { break }
            for line in piece[..<newline].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
                let record = StepRecord(line: String(decoding: line, as: UTF8.self))
                guard let record, record.step > last, record.step < step else {
                    isWhole = false
                    break
                }
                kept += 1
                last = record.step
                end += line.count + 1
            }
        }
        if end != Int(lseek(descriptor, 0, SEEK_END)) {
            guard ftruncate(descriptor, off_t(end)) == 0 else { throw SystemCallError(path, "ftruncate") }
            guard fsync(descriptor) == 0 else { throw SystemCallError(path, "fsync") }
        }
        durable = end
        recent.removeAll(keepingCapacity: true)
        (written, isTorn) = (0, false)
        return kept
    }

    /// Bytes of the file from an offset on, many lines of them.
    private func read(at offset: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = pread(descriptor, &bytes, bytes.count, off_t(offset))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw SystemCallError(path, "read") }
            return Array(bytes[..<count])
        }
    }

    /// The last whole line of a log that may be growing.
    ///
    /// - Returns: The record, or nil when there is none or the file cannot be read.
    public static func last(path: String) -> StepRecord? {
        guard let tail = try? FileBytes.readEnd(of: path, atMost: 4096),
            let newline = tail.lastIndex(of: UInt8(ascii: "\n"))
        else { return nil }
        let lines = String(decoding: tail[..<newline], as: UTF8.self).split(separator: "\n")
        return lines.last.flatMap { StepRecord(line: $0) }
    }
}
