import Glibc

/// Bytes that are read once, from the first to the last.
protocol ByteInput: AnyObject {
    /// Reads the next bytes.
    ///
    /// - Parameter count: How many are wanted; not many more than are there, where memory counts.
    /// - Returns: That many bytes; fewer only at the end.
    func read(_ count: Int) throws -> [UInt8]
}

/// A regular file open for reading; the one place of this module that calls the system's file functions, with `Files`.
final class InputFile: ByteInput {
    let path: String
    let size: Int
    private let descriptor: CInt

    /// - Throws: `DatasetError` if there is no such file, or it is no regular file or cannot be read.
    init(_ path: String) throws {
        // Non-blocking, so that a named pipe is refused below instead of waiting for a writer for ever.
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        self.path = path
        guard descriptor >= 0 else {
            if errno == ENOENT { throw Self.missing(path) }
            throw Self.unreadable(path, systemMessage())
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw Self.unreadable(path, "something that is not a regular file")
        }
        size = Int(status.st_size)
    }

    deinit { close(descriptor) }

    func read(_ count: Int) throws -> [UInt8] {
        var failure: String?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let got = Glibc.read(descriptor, buffer.baseAddress! + filled, count - filled)
                if got < 0 && errno == EINTR { continue }
                if got < 0 { failure = systemMessage() }
                if got <= 0 { break }
                filled += got
            }
        }
        if let failure { throw Self.unreadable(path, failure) }
        return bytes
    }

    /// Goes back to the first byte.
    func rewind() throws {
        guard lseek(descriptor, 0, SEEK_SET) == 0 else { throw Self.unreadable(path, systemMessage()) }
    }

    private static func missing(_ path: String) -> DatasetError {
        let isFashion = path.hasPrefix("/usr/share/datasets/fashion-mnist/")
        return DatasetError(
            .missingFile, path, "no such file",
            advice: isFashion
                ? "Install the Debian package dataset-fashion-mnist (apt-get install dataset-fashion-mnist)"
                : "Correct the path in the job file, or put the data there")
    }

    private static func unreadable(_ path: String, _ found: String) -> DatasetError {
        DatasetError(
            .unreadableFile, path, "cannot be read", expected: "a readable regular file", found: found,
            advice: "Check the path and the permissions")
    }
}

/// Writing of whole files.
enum Files {
    /// Writes a file so that the path holds either all of the bytes or what it held before: temporary file in the
    /// same directory, fsync, rename, fsync of the directory.
    ///
    /// - Throws: `DatasetError` of kind `unwritableFile`.
    static func writeAtomically(_ bytes: [UInt8], to path: String) throws {
        // Named as the temporary files of checkpoints are, so that the next run sweeps it after a crash.
        let digits = String(UInt64.random(in: 0 ... .max), radix: 16)
        let temporary = "\(path).partial-" + String(repeating: "0", count: 16 - digits.count) + digits
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw unwritable(path) }
        do {
            defer { close(descriptor) }
            try write(bytes, to: descriptor, path: path)
            guard fsync(descriptor) == 0 else { throw unwritable(path) }
        } catch {
            unlink(temporary)
            throw error
        }
        guard rename(temporary, path) == 0 else {
            let error = unwritable(path)
            unlink(temporary)
            throw error
        }
        try synchronizeDirectory(of: path)
    }

    private static func write(_ bytes: [UInt8], to descriptor: CInt, path: String) throws {
        try bytes.withUnsafeBytes { buffer in
            var written = 0
            while written < buffer.count {
                let count = Glibc.write(descriptor, buffer.baseAddress! + written, buffer.count - written)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { throw unwritable(path) }
                written += count
            }
        }
    }

    private static func synchronizeDirectory(of path: String) throws {
        let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unwritable(path) }
        defer { close(descriptor) }
        // Some file systems cannot synchronise a directory and say EINVAL; the file itself is safe by then.
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw unwritable(path) }
    }

    private static func unwritable(_ path: String) -> DatasetError {
        DatasetError(
            .unwritableFile, path, "cannot be written", found: systemMessage(),
            advice: "Check that the directory exists, that you may write to it and that the disk has room")
    }
}

private func systemMessage() -> String { String(cString: strerror(errno)) }
