import Glibc

/// What checkpoints of a model need, known before the first is written.
public struct CheckpointEstimate: Hashable, Sendable {
    /// The most bytes that a checkpoint takes on disk.
    public let fileBytes: Int
    /// Bytes on disk of the copy that training hands over while it goes on: four float32 vectors.
    public let stagingBytes: Int
    /// Checkpoints up to this size are built in memory, larger ones in their temporary file.
    public static let largestImage = 16 << 20

    /// An estimate, an upper bound.
    ///
    /// - Parameters:
    ///   - parameters: The number of the model's parameters.
    ///   - tensors: The number of tensors that they form.
    public init(parameters: Int, tensors: Int) {
        stagingBytes = 16 * parameters
        // zstd adds at most 1/256 to what it cannot compress; an object's header takes under 512 bytes.
        fileBytes = stagingBytes + stagingBytes / 256 + 4 * tensors * 1024 + (1 << 16)
    }

    /// Bytes of memory that saving takes: the file's image, in libhdf5's and in our hands, or, for a large checkpoint, one
    /// parameter at a time, as it was handed over and as it is read back, and libhdf5's chunks.
    ///
    /// - Parameter largestParameter: The number of elements of the largest tensor.
    public func workingBytes(largestParameter: Int) -> Int {
        fileBytes <= Self.largestImage
            ? 2 * fileBytes : 2 * MemoryLayout<Float>.stride * largestParameter + 8 * HDF5File.chunkBytes
    }

    /// Bytes that an ordinary user may still write to the file system of a folder.
    ///
    /// - Parameter path: A folder; of those above it, the first that exists is asked.
    /// - Throws: ``FileError``.
    public static func freeBytes(at path: String) throws -> Int {
        var path = path
        var status = statvfs()
        while statvfs(path.isEmpty ? "." : path, &status) != 0 {
            guard errno == ENOENT, !path.isEmpty, path != "/" else {
                throw FileError("ask for the free space of", path, number: errno)
            }
            path = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? ""
        }
        return Int(clamping: UInt(status.f_bavail).multipliedReportingOverflow(by: UInt(status.f_frsize)).partialValue)
    }
}
