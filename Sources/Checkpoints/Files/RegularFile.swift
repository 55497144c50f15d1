import Glibc

/// Opens regular files and nothing else: a run may come from a stranger, and a pipe under the name of a file would keep
/// its reader waiting for ever, a device would never end, a link leads anywhere.
package enum RegularFile {
    /// Opens a file.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - flags: How, as for open(2); with `O_CREAT` it is created for its owner only.
    /// - Returns: The descriptor, which the caller closes, and what fstat(2) says of it.
    /// - Throws: ``FileError``; for what is no regular file, with what it is.
    package static func open(_ path: String, _ flags: Int32) throws -> (descriptor: Int32, status: stat) {
        // O_NONBLOCK: opening a pipe that has no other end would wait for one. For regular files it means nothing.
        let descriptor = Glibc.open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure(path, flags, number: errno) }
        var status = stat()
        let isKnown = fstat(descriptor, &status) == 0
        let number = errno
        guard isKnown, status.st_mode & S_IFMT == S_IFREG else {
            Glibc.close(descriptor)
            throw isKnown
                ? FileError("read", path, reason: refusal(of: status.st_mode))
                : FileError("look at", path, number: number)
        }
        return (descriptor, status)
    }

    /// What is wrong with a file of a run, judged by its name alone; nil when nothing is, or nothing has the name.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - limit: The most bytes that such a file may have.
    package static func fault(of path: String, limit: Int) -> String? {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        guard status.st_mode & S_IFMT == S_IFREG else { return refusal(of: status.st_mode) }
        guard status.st_size > limit else { return nil }
        return "it has \(status.st_size) bytes, more than the \(limit) that such a file may have"
    }

    /// The system's word for links and pipes that were refused at once is a riddle.
    private static func failure(_ path: String, _ flags: Int32, number: Int32) -> FileError {
        let operation = flags & O_ACCMODE == O_RDONLY ? "open" : "write to"
        var status = stat()
        guard number == ELOOP || number == ENXIO, lstat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG else {
            return FileError(operation, path, number: number)
        }
        return FileError(operation, path, reason: refusal(of: status.st_mode))
    }

    private static func refusal(of mode: mode_t) -> String {
        "it is \(kind(of: mode)), and a regular file is expected"
    }

    /// What a mode stands for, in words.
    static func kind(of mode: mode_t) -> String {
        switch mode & S_IFMT {
        case S_IFREG: "a regular file"
        case S_IFLNK: "a symbolic link"
        case S_IFIFO: "a named pipe"
        case S_IFSOCK: "a socket"
        case S_IFDIR: "a folder"
        case S_IFCHR, S_IFBLK: "a device"
        default: "of an unknown kind"
        }
    }
}
