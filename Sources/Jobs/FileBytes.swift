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

    /// Replaces a file durably: temporary file in the same directory, fsync, rename, fsync of the directory.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - bytes: What it is to hold.
    ///   - mode: Who may read and write a new file, less the process's umask; the user alone unless told otherwise.
    /// - Throws: `SystemCallError`; the old file is then still there.
    public static func replace(
        _ path: String, with bytes: Data, mode: mode_t = 0o600
    ) throws(SystemCallError) {
        let temporary = "\(path).\(getpid()).tmp"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw SystemCallError(temporary, "open") }
        do throws(SystemCallError) {
            defer { close(descriptor) }
            try writeAll(bytes, to: descriptor, path: temporary)
            guard fsync(descriptor) == 0 else { throw SystemCallError(temporary, "fsync") }
        } catch {
            unlink(temporary)
            throw error
        }
        guard rename(temporary, path) == 0 else {
            let error = SystemCallError(path, "rename")
            unlink(temporary)
            throw error
        }
        try synchronizeDirectory(of: path)
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

    /// Makes a rename in a file's directory durable.
    static func synchronizeDirectory(of path: String) throws(SystemCallError) {
        let directory = (path as NSString).deletingLastPathComponent
        let descriptor = open(directory.isEmpty ? "." : directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemCallError(directory, "open") }
        defer { close(descriptor) }
        // Some file systems cannot sync a directory and say EINVAL; there the rename is as durable as it gets.
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw SystemCallError(directory, "fsync") }
    }
}
