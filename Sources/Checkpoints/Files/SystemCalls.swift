import Glibc

/// The system calls through which this module changes files, so that tests can make any of them fail.
///
/// Each returns what the call returns, or the negated `errno`.
package struct SystemCalls: Sendable {
    /// `open`: path, flags, mode.
    package var open: @Sendable (String, Int32, mode_t) -> Int
    /// `write`: may write fewer bytes than given.
    package var write: @Sendable (Int32, UnsafeRawBufferPointer) -> Int
    /// `fsync`: a file's or a folder's.
    package var synchronize: @Sendable (Int32) -> Int
    /// `fdatasync`: of a log that grows.
    package var synchronizeData: @Sendable (Int32) -> Int
    /// `close`.
    package var close: @Sendable (Int32) -> Int
    /// `rename`: from, to.
    package var rename: @Sendable (String, String) -> Int
    /// `unlink`.
    package var unlink: @Sendable (String) -> Int

    /// The system's own.
    package static let real = SystemCalls(
        open: { path, flags, mode in answer(Glibc.open(path, flags, mode)) },
        write: { file, bytes in
            let written = Glibc.write(file, bytes.baseAddress, bytes.count)
            return written < 0 ? -Int(errno) : written
        },
        synchronize: { answer(Glibc.fsync($0)) },
        synchronizeData: { answer(Glibc.fdatasync($0)) },
        close: { answer(Glibc.close($0)) },
        rename: { answer(Glibc.rename($0, $1)) },
        unlink: { answer(Glibc.unlink($0)) })

    /// Repeats a call while a signal interrupts it, and throws when it fails.
    @discardableResult
    func retrying(_ operation: String, _ path: String, _ call: () -> Int) throws -> Int {
        while true {
            let result = call()
            if result == -Int(EINTR) { continue }
            guard result >= 0 else { throw FileError(operation, path, number: Int32(-result)) }
            return result
        }
    }

    /// Writes all bytes, in as many calls as it takes.
    ///
    /// - Throws: ``FileError``.
    func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ path: String) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            // Linux writes at most 2 GiB a call; smaller pieces also let a full disk show early.
            let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(64 << 20))
            let written = try retrying("write", path) { write(descriptor, piece) }
            guard written > 0 else { throw FileError("write", path, number: EIO) }
            rest = rest.dropFirst(written)
        }
    }
}

private func answer(_ result: Int32) -> Int {
    result < 0 ? -Int(errno) : Int(result)
}
