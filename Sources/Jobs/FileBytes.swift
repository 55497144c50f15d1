import Checkpoints
import Foundation

/// A system call on a file that failed.
public struct SystemCallError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The file or directory.
    public let path: String
    /// What was tried: `open`, `write`, ...
    public let operation: String
    /// The system's error number; 0 when the failure is not the system's.
    public let number: Int32
    /// Why, in the system's words or ours.
    public let reason: String

    /// Makes an error from the current `errno`.
    public init(_ path: String, _ operation: String, number: Int32 = errno) {
        self.path = path
        self.operation = operation
        self.number = number
        reason = String(cString: strerror(number))
    }

    /// The same failure as the module of files tells it.
    package init(_ error: FileError) {
        path = error.path
        operation = error.operation
        number = error.number
        reason = error.reason
    }

    /// Whether the file is not there.
    public var isMissing: Bool { number == ENOENT || number == ENOTDIR }
    /// Whether the same call may succeed at another time: what it was made on is not absent, not somebody else's, and not of
    /// a wrong kind.
    public var mayPass: Bool { number != 0 && !isMissing && ![EACCES, EPERM, ELOOP].contains(number) }
    /// Path, operation and reason.
    public var description: String { "\(printable(path)): \(operation): \(reason)" }
    /// What to do when something that is there could not be read; empty for other failures.
    public var advice: String { FileError.advice(operation, number) }
    /// The same as a failure with code 74.
    public var failure: DiptychFailure { DiptychFailure(.inputOutput, description + advice) }
}

/// Whole small files: read with a limit, written so that a reader sees the old or the new one, never half of it.
public enum FileBytes {
    /// The most bytes of a file that is read as a whole, where nothing less is known to be enough.
    public static let largest = 1 << 30

    /// Reads a regular file, such as those of a run, which may be a stranger's: what is a link, a pipe or a device is
    /// refused at once, and so is what is too large.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - limit: Largest size in bytes.
    /// - Throws: `SystemCallError`.
    public static func read(_ path: String, limit: Int = largest) throws(SystemCallError) -> Data {
        try asSystemCall { Data(try InputFile(path).bytes(limit: limit)) }
    }

    /// Reads a file of a run that need not be there.
    ///
    /// - Returns: Its bytes; nil when nothing has the name.
    /// - Throws: `SystemCallError` when it cannot be read now: whoever took it for absent would be wrong about the run.
    public static func readIfThere(_ path: String, limit: Int = largest) throws(SystemCallError) -> Data? {
        do throws(SystemCallError) {
            return try read(path, limit: limit)
        } catch {
            guard error.isMissing else { throw error }
            return nil
        }
    }

    /// Whether the name of the working directory is UTF-8, and so can be a `String` as it is.
    static var workingDirectoryIsText: Bool {
        guard let name = getcwd(nil, 0) else { return true }
        defer { free(name) }
        return String(validatingCString: name) != nil
    }

    /// Whether anything has a name.
    ///
    /// - Throws: `SystemCallError` when the system does not tell.
    public static func exists(_ path: String) throws(SystemCallError) -> Bool {
        try asSystemCall { try Folder.contains(path) }
    }

    /// Reads the last bytes of a regular file.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - count: How many at most.
    /// - Throws: `SystemCallError`.
    static func readEnd(of path: String, atMost count: Int) throws(SystemCallError) -> Data {
        try asSystemCall {
            let file = try InputFile(path)
            return Data(try file.bytes(from: max(0, file.size - count), atMost: count))
        }
    }

    /// The whole lines that were added to a regular file, read piece by piece however large it is.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - offset: Where to go on; moves behind the lines.
    /// - Returns: At most a piece of lines, with their newlines; nothing when none were finished, or the file cannot be
    ///   read now. A line longer than a piece is passed over.
    public static func readLines(of path: String, from offset: inout Int) -> Data {
        while true {
            let start = offset
            let bytes = try? asSystemCall { Data(try InputFile(path).bytes(from: start, atMost: linesPiece)) }
            guard let bytes, !bytes.isEmpty else { return Data() }
            if let end = bytes.lastIndex(of: UInt8(ascii: "\n")) {
                let lines = bytes[...end]
                offset += lines.count
                return lines
            }
            guard bytes.count == linesPiece else { return Data() }
            offset += bytes.count
        }
    }

    private static let linesPiece = 4 << 20

    /// Reads what a user has named: a file, also by way of a link, or a pipe, such as `/dev/stdin`.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - limit: Largest size in bytes; longer files fail with `EFBIG`.
    /// - Throws: `SystemCallError`.
    public static func readNamed(_ path: String, limit: Int) throws(SystemCallError) -> Data {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
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

    /// Opens a regular file of a run to write to, or to lock; with `O_CREAT` it is created for this user alone.
    ///
    /// - Returns: The descriptor, which the caller closes.
    /// - Throws: `SystemCallError`, also for what is a link, a pipe or a device.
    package static func open(_ path: String, flags: Int32) throws(SystemCallError) -> Int32 {
        try asSystemCall { try RegularFile.open(path, flags).descriptor }
    }

    private static func asSystemCall<Value>(_ body: () throws -> Value) throws(SystemCallError) -> Value {
        do {
            return try body()
        } catch let error as FileError {
            throw SystemCallError(error)
        } catch {
            preconditionFailure("a file is opened, read or written with another error than FileError: \(error)")
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
        try asSystemCall { try AtomicFile.write(Array(bytes), to: path, mode: mode) }
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
