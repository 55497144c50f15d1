import Checkpoints
import Foundation

/// A system call on a file that failed.
public struct SystemCallError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The file or directory.
    public let path: String
    /// What was tried: `open`, `write`, ...
    public let operation: String
    /// The system's error number.
    public let number: Int32

    /// Makes an error from the current `errno`.
    public init(_ path: String, _ operation: String, number: Int32 = errno) {
        self.path = path
        self.operation = operation
        self.number = number
    }

    /// The system's words for it.
    public var reason: String { String(cString: strerror(number)) }
    /// Whether the file is not there.
    public var isMissing: Bool { number == ENOENT || number == ENOTDIR }
    /// Path, operation and reason.
    public var description: String { "\(printable(path)): \(operation): \(reason)" }
    /// The same as a failure with code 74.
    public var failure: DiptychFailure { DiptychFailure(.inputOutput, description) }
}

/// Whole small files: read with a limit, written so that a reader sees the old or the new one, never half of it.
public enum FileBytes {
    /// Reads a file.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - limit: Largest size in bytes; longer files fail with `EFBIG`.
    /// - Throws: `SystemCallError`.
    public static func read(_ path: String, limit: Int = .max) throws(SystemCallError) -> Data {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemCallError(path, "open") }
        defer { close(descriptor) }
        var data = Data()
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw SystemCallError(path, "read")
            }
            if count == 0 { return data }
            data.append(contentsOf: buffer[..<count])
            if data.count > limit { throw SystemCallError(path, "read", number: EFBIG) }
        }
    }

    /// Replaces a file durably and at once, by way of a temporary file: see `AtomicFile`.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - bytes: What it is to hold.
    ///   - mode: Who may read and write a new file, less the process's umask; the user alone unless told otherwise.
    /// - Throws: `SystemCallError`; the old file is then still there.
    public static func replace(
        _ path: String, with bytes: Data, mode: mode_t = 0o600
    ) throws(SystemCallError) {
        do {
            try AtomicFile.write(Array(bytes), to: path, mode: mode)
        } catch let error as FileError {
            throw SystemCallError(error.path, error.operation, number: error.number)
        } catch {
            preconditionFailure("a file is written with another error than FileError: \(error)")
        }
    }

    /// Removes the temporary files that killed processes have left in a directory.
    ///
    /// - Returns: The names of those that were there.
    static func sweep(_ directory: String) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        return names.filter { AtomicFile.isLeftover($0) && unlink("\(directory)/\($0)") == 0 }.sorted()
    }

    /// Writes all bytes to an open file.
    static func writeAll(_ bytes: Data, to descriptor: Int32, path: String) throws(SystemCallError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                throw SystemCallError(path, "write")
            }
            rest = rest.dropFirst(count)
        }
    }
}
