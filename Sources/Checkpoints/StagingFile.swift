import Glibc

/// The nameless file that a model's state is copied into while training waits.
///
/// Its pages are the system's to keep or to write out, and vanish with the last descriptor, also when the process is
/// killed. Fresh pages cost several times what copying into them does, so the file stays from save to save, unless
/// the model is very large.
final class StagingFile: @unchecked Sendable {
    // Safe because one thread writes, and others read only afterwards.
    /// The largest file that stays between saves, in bytes: above it, a step takes longer than any copy.
    static let largestKept = 1 << 30

    let path: String
    private let calls: SystemCalls
    private let descriptor: Int32

    /// Makes a file in a store, beside the checkpoints of a model.
    ///
    /// - Throws: ``FileError``.
    init(in store: CheckpointStore, model: String, step: Int) throws {
        calls = store.calls
        path = AtomicFile.temporaryName(for: store.path(model: model, step: step))
        try store.prepareForWriting(model: model)
        let flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        descriptor = Int32(
            try calls.retrying("create", path) { [calls, path] in calls.open(path, flags, 0o600) })
        _ = try calls.retrying("remove", path) { [calls, path] in calls.unlink(path) }
    }

    deinit {
        _ = calls.close(descriptor)
    }

    /// The next bytes are written from the beginning.
    ///
    /// - Throws: ``FileError``.
    func rewind() throws {
        guard lseek(descriptor, 0, SEEK_SET) == 0 else { throw FileError("rewind", path, number: errno) }
    }

    /// Writes bytes behind those written last.
    ///
    /// - Throws: ``FileError``.
    func write(_ bytes: UnsafeRawBufferPointer) throws {
        try calls.writeAll(bytes, to: descriptor, path)
    }

    /// Writes so many zeros, or fewer if they are not wanted any more.
    ///
    /// - Throws: ``FileError``.
    func fill(bytes: Int, while isWanted: () -> Bool) throws {
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        for start in stride(from: 0, to: bytes, by: zeros.count) where isWanted() {
            try zeros.withUnsafeBytes { try write(UnsafeRawBufferPointer(rebasing: $0.prefix(bytes - start))) }
        }
    }

    /// Fills memory from a place of the file on.
    ///
    /// - Throws: ``FileError``; a shorter file is an input/output error.
    func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws {
        var done = 0
        while done < bytes.count {
            let read = pread(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
            if read < 0, errno == EINTR { continue }
            guard read > 0 else { throw FileError("read", path, number: read < 0 ? errno : EIO) }
            done += read
        }
    }
}
