import Glibc

/// A file that appears under its name complete and durable, or not at all.
///
/// It grows as a temporary file in the same folder, readable by its owner only; ``commit()`` writes it to the medium,
/// gives it its name in one step and writes the folder to the medium too. A process that is killed leaves the temporary
/// file behind, which ``isLeftover(_:)`` recognises by its name.
public final class AtomicFile {
    /// The name that the file will have.
    public let path: String
    /// The name that it has until then.
    public let temporaryPath: String
    private let calls: SystemCalls
    private var descriptor: Int32?
    private var renamed = false

    /// Creates the temporary file.
    ///
    /// - Parameter path: The final name; its folder must exist. A file that is there already is replaced by `commit`.
    /// - Throws: ``FileError``.
    public convenience init(_ path: String) throws {
        try self.init(path, calls: .real)
    }

    /// Creates the temporary file by way of the given system calls.
    ///
    /// - Parameter mode: Who may read and write it, less the process's umask.
    package init(_ path: String, calls: SystemCalls, mode: mode_t = 0o600) throws {
        self.path = path
        self.calls = calls
        let temporary = Self.temporaryName(for: path)
        temporaryPath = temporary
        let flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        descriptor = Int32(try calls.retrying("create", temporary) { calls.open(temporary, flags, mode) })
    }

    deinit {
        discard()
    }

    /// Writes a whole file at once: creates, writes, commits.
    ///
    /// - Parameters:
    ///   - bytes: What it is to hold.
    ///   - path: Its name.
    ///   - mode: Who may read and write it, less the process's umask; the user alone unless told otherwise.
    /// - Throws: ``FileError``; what was at `path` before is then still there, unless only the folder's own write to the
    ///   medium failed.
    public static func write(_ bytes: [UInt8], to path: String, mode: mode_t = 0o600) throws {
        try write(bytes, to: path, calls: .real, mode: mode)
    }

    static func write(_ bytes: [UInt8], to path: String, calls: SystemCalls, mode: mode_t = 0o600) throws {
        let file = try AtomicFile(path, calls: calls, mode: mode)
        try file.write(bytes)
        try file.commit()
    }

    /// Whether a file name is that of a temporary file that a killed process left behind.
    ///
    /// - Parameters:
    ///   - name: A name without folder.
    public static func isLeftover(_ name: String) -> Bool {
        finalName(ofLeftover: name) != nil
    }

    /// A name for a temporary file; no two are the same.
    static func temporaryName(for path: String) -> String {
        "\(path).partial-\(hexadecimal(withUnsafeBytes(of: UInt64.random(in: 0 ... .max), Array.init)))"
    }

    /// The name that a temporary file would have got; nil for other files.
    static func finalName(ofLeftover name: String) -> String? {
        guard let match = name.wholeMatch(of: /(.+)\.partial-[0-9a-f]{16}/) else { return nil }
        return String(match.1)
    }

    /// Appends bytes.
    ///
    /// - Throws: ``FileError``.
    public func write(_ bytes: [UInt8]) throws {
        guard let descriptor else { preconditionFailure("\(path) was committed or discarded before this write") }
        try bytes.withUnsafeBytes { try calls.writeAll($0, to: descriptor, temporaryPath) }
    }

    /// Reads the temporary file from its beginning: what is on its way to the medium, however it got there.
    func readBack(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        guard let descriptor else { preconditionFailure("\(path) was committed or discarded before it was read") }
        try InputFile.read(descriptor, path: temporaryPath, body)
    }

    /// Makes the file durable and gives it its name.
    ///
    /// - Throws: ``FileError``.
    public func commit() throws {
        guard let descriptor else { preconditionFailure("\(path) was committed or discarded before") }
        // The system's own message is the useful one; the temporary file goes with `discard`.
        do {
            try calls.retrying("write to the medium", temporaryPath) { calls.synchronize(descriptor) }
            self.descriptor = nil
            let closed = calls.close(descriptor)
            // Linux has closed the file even when it reports an interruption.
            if closed < 0, closed != -Int(EINTR) { throw FileError("close", temporaryPath, number: Int32(-closed)) }
            try calls.retrying("rename", temporaryPath) { calls.rename(temporaryPath, path) }
            renamed = true
        } catch {
            discard()
            throw error
        }
        try Self.synchronizeFolder(of: path, calls: calls)
    }

    /// Removes the temporary file; does nothing after `commit`.
    public func discard() {
        if let descriptor { _ = calls.close(descriptor) }
        descriptor = nil
        if !renamed { _ = calls.unlink(temporaryPath) }
        renamed = true
    }

    /// Writes the folder that a file lies in to the medium: names are the folder's contents.
    static func synchronizeFolder(of path: String, calls: SystemCalls) throws {
        let folder = path.contains("/") ? String(path.prefix(upTo: path.lastIndex(of: "/") ?? path.endIndex)) : "."
        let name = folder.isEmpty ? "/" : folder
        let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC
        let descriptor = Int32(try calls.retrying("open folder", name) { calls.open(name, flags, 0) })
        defer { _ = calls.close(descriptor) }
        try calls.retrying("write to the medium the folder", name) { calls.synchronize(descriptor) }
    }
}
