/// NumPy archives of samples as improved-diffusion writes them: `arr_0` holds unsigned bytes (N, H, W, C), `arr_1`
/// the labels if there are any. No time stamps, so that equal samples make equal files.
public enum NPZ {
    /// How a member of the archive is stored.
    public enum Compression: String, Codable, Hashable, Sendable, CaseIterable {
        /// As it is, like `numpy.savez`.
        case stored
        /// Deflated, like `numpy.savez_compressed`.
        case deflated
    }

    /// Samples as the bytes of an `.npz` file.
    ///
    /// - Parameters:
    ///   - images: The samples.
    ///   - labels: Their classes, one per sample, as 64-bit integers in `arr_1`.
    ///   - compression: How the arrays are stored.
    /// - Throws: `DatasetError` of kind `unsupportedShape` above 4 GB.
    public static func encoded(
        _ images: ImageSet, labels: [Int]? = nil, compression: Compression = .stored
    ) throws -> [UInt8] {
        precondition(labels?.count ?? images.count == images.count, "one label per image is needed")
        guard images.pixels.count < 4_000_000_000 else {
            throw DatasetError(
                .unsupportedShape, "npz", "an archive holds less than 4 GB", found: "\(images.pixels.count) bytes",
                advice: "Write fewer samples per file")
        }
        var zip = ZipArchive()
        var array = NPY.header(type: "|u1", shape: [images.count, images.height, images.width, images.channels])
        array.reserveCapacity(array.count + images.pixels.count)
        for index in 0..<images.count { array += images.interleaved(index) }
        zip.append("arr_0.npy", array, compression: compression)
        if let labels {
            var array = NPY.header(type: "<i8", shape: [labels.count])
            for label in labels { array.append(littleEndian: UInt64(bitPattern: Int64(label)), bytes: 8) }
            zip.append("arr_1.npy", array, compression: compression)
        }
        return zip.finished()
    }

    /// Writes samples to a file, whole or not at all.
    ///
    /// - Parameters:
    ///   - images: The samples.
    ///   - labels: Their classes, one per sample.
    ///   - path: Where to; an older file is replaced.
    ///   - compression: How the arrays are stored.
    /// - Throws: `DatasetError` of kinds `unsupportedShape`, `unwritableFile`.
    public static func write(
        _ images: ImageSet, labels: [Int]? = nil, to path: String, compression: Compression = .stored
    ) throws {
        try Files.writeAtomically(encoded(images, labels: labels, compression: compression), to: path)
    }
}

/// NumPy's file format for one array, version 1.0.
private enum NPY {
    /// Everything before the elements: magic, version, length, and a Python dictionary padded to a multiple of 64.
    static func header(type: String, shape: [Int]) -> [UInt8] {
        let extents = shape.map { "\($0)" }.joined(separator: ", ") + (shape.count == 1 ? "," : "")
        let dictionary = "{'descr': '\(type)', 'fortran_order': False, 'shape': (\(extents)), }"
        let prefix = 10
        let total = (prefix + dictionary.utf8.count + 1 + 63) / 64 * 64
        var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0]
        bytes.append(littleEndian: UInt64(total - prefix), bytes: 2)
        bytes += Array(dictionary.utf8)
        bytes += Array(repeating: UInt8(ascii: " "), count: total - bytes.count - 1)
        bytes.append(UInt8(ascii: "\n"))
        return bytes
    }
}

/// A zip archive in memory (PKWARE's APPNOTE, sections 4.3.7 to 4.3.16), below 4 GB.
private struct ZipArchive {
    private var bytes: [UInt8] = []
    private var directory: [UInt8] = []
    private var entries = 0

    mutating func append(_ name: String, _ content: [UInt8], compression: NPZ.Compression) {
        let data = compression == .deflated ? Zlib.deflated(content) : content
        let offset = bytes.count
        var description: [UInt8] = []
        description.append(littleEndian: 20, bytes: 2)  // version needed: 2.0
        description.append(littleEndian: 0, bytes: 2)
        description.append(littleEndian: compression == .deflated ? 8 : 0, bytes: 2)
        description.append(littleEndian: 0, bytes: 2)  // midnight
        description.append(littleEndian: 0x0021, bytes: 2)  // of 1980-01-01, the zero of this format
        description.append(littleEndian: UInt64(Zlib.checksum(content)), bytes: 4)
        description.append(littleEndian: UInt64(data.count), bytes: 4)
        description.append(littleEndian: UInt64(content.count), bytes: 4)
        description.append(littleEndian: UInt64(name.utf8.count), bytes: 2)
        description.append(littleEndian: 0, bytes: 2)
        bytes += [0x50, 0x4B, 3, 4] + description + Array(name.utf8) + data
        directory += [0x50, 0x4B, 1, 2]
        directory.append(littleEndian: 20, bytes: 2)
        directory += description
        // No comment, first disk, no attributes.
        directory += Array(repeating: 0, count: 10)
        directory.append(littleEndian: UInt64(offset), bytes: 4)
        directory += Array(name.utf8)
        entries += 1
    }

    func finished() -> [UInt8] {
        var end: [UInt8] = [0x50, 0x4B, 5, 6, 0, 0, 0, 0]
        end.append(littleEndian: UInt64(entries), bytes: 2)
        end.append(littleEndian: UInt64(entries), bytes: 2)
        end.append(littleEndian: UInt64(directory.count), bytes: 4)
        end.append(littleEndian: UInt64(bytes.count), bytes: 4)
        end.append(littleEndian: 0, bytes: 2)
        return bytes + directory + end
    }
}

extension [UInt8] {
    /// Appends the lowest bytes of a number, the lowest first.
    mutating func append(littleEndian value: UInt64, bytes: Int) {
        for index in 0..<bytes { append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index))) }
    }
}
