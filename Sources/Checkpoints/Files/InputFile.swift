import Glibc

/// A regular file opened for reading. A symbolic link, a pipe or a device under the name is refused.
package struct InputFile: ~Copyable {
    let path: String
    /// Bytes in the file when it was opened.
    package let size: Int
    /// What tells this file apart from any other state of it: device, inode, size, time of last change.
    let identity: [Int]
    private let descriptor: Int32

    /// Opens a file.
    ///
    /// - Throws: ``FileError``; for what is no regular file, with what it is.
    package init(_ path: String) throws {
        self.path = path
        let (descriptor, status) = try RegularFile.open(path, O_RDONLY)
        self.descriptor = descriptor
        size = Int(status.st_size)
        identity = Self.identity(status)
    }

    deinit {
        Glibc.close(descriptor)
    }

    private static func identity(_ status: stat) -> [Int] {
        [
            Int(status.st_dev), Int(truncatingIfNeeded: status.st_ino), Int(status.st_size), status.st_ctim.tv_sec,
            status.st_ctim.tv_nsec,
        ]
    }

    /// Another name of this very file, whatever has its path by now; valid as long as this value lives.
    var openName: String { "/proc/self/fd/\(descriptor)" }

    /// What ``identity`` would be if the file were opened now; a new link to it, or other rights, count as a change. Nil when
    /// the system does not tell.
    var presentIdentity: [Int]? {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? Self.identity(status) : nil
    }

    /// The whole contents.
    ///
    /// - Parameter limit: The most bytes that the caller is ready to hold.
    package func bytes(limit: Int) throws -> [UInt8] {
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

    /// A part of the contents.
    ///
    /// - Parameters:
    ///   - offset: Of its first byte.
    ///   - count: The most bytes; fewer where the file ends before.
    package func bytes(from offset: Int, atMost count: Int) throws -> [UInt8] {
        let path = path
        let descriptor = descriptor
        return try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let read = pread(
                    descriptor, buffer.baseAddress.map { $0 + filled }, count - filled, off_t(offset + filled))
                if read < 0, errno == EINTR { continue }
                guard read >= 0 else { throw FileError("read", path, number: errno) }
                if read == 0 { return }
                filled += read
            }
        }
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
