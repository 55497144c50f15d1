import Glibc

/// A regular file opened for reading. A symbolic link, a pipe or a device under the name is refused.
struct InputFile: ~Copyable {
    let path: String
    /// Bytes in the file when it was opened.
    let size: Int
    /// What tells this file apart from any other state of it: device, inode, size, time of last change.
    let identity: [Int]
    private let descriptor: Int32

    init(_ path: String) throws {
        self.path = path
        // O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
        let opened = Glibc.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard opened >= 0 else { throw FileError("open", path, number: errno) }
        var status = stat()
        let isKnown = fstat(opened, &status) == 0
        let number = errno
        guard isKnown, status.st_mode & S_IFMT == S_IFREG else {
            Glibc.close(opened)
            throw isKnown
                ? FileError("read", path, reason: "it is not a regular file")
                : FileError("look at", path, number: number)
        }
        descriptor = opened
        size = Int(status.st_size)
        identity = [
            Int(status.st_dev), Int(truncatingIfNeeded: status.st_ino), size, status.st_ctim.tv_sec,
            status.st_ctim.tv_nsec,
        ]
    }

    deinit {
        Glibc.close(descriptor)
    }

    /// The whole contents.
    ///
    /// - Parameter limit: The most bytes that the caller is ready to hold.
    func bytes(limit: Int) throws -> [UInt8] {
        guard size <= limit else {
            throw FileError(
                "read", path, reason: "it has \(size) bytes, more than the \(limit) that such a file may have")
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size)
        try Self.read(descriptor, path: path) { piece in
            guard bytes.count + piece.count <= limit else { throw FileError("read", path, reason: "it grows") }
            bytes.append(contentsOf: piece)
        }
        return bytes
    }

    /// SHA-256 of the contents.
    func sha256Hex() throws -> String {
        var digest = SHA256Stream()
        try Self.read(descriptor, path: path) { digest.update($0) }
        return digest.hex()
    }

    /// Passes a file's contents on from its beginning, piece by piece.
    static func read(_ descriptor: Int32, path: String, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { piece.deallocate() }
        var offset: off_t = 0
        while true {
            let count = pread(descriptor, piece.baseAddress, piece.count, offset)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FileError("read", path, number: errno) }
            if count == 0 { return }
            offset += count
            try body(UnsafeRawBufferPointer(rebasing: piece[..<count]))
        }
    }
}
