import Checkpoints
import Datasets
import Foundation

/// `split.h5`: which image is in which part. Private.
package enum SplitFile {
    private static let format = "diptych split"
    private static let version: Int64 = 1
    /// A catalogue larger than this is refused before memory is taken for it.
    private static let largestCatalogue = 1 << 31
    /// Bytes of the file for such a catalogue, and the rest.
    private static let largestFile = 41 * largestCatalogue

    /// Writes the file and before it its hash, each whole or not at all.
    package static func write(_ record: SplitRecord, to directory: RunDirectory) throws {
        let image = try image(of: record, label: directory.split)
        let line = "\(sha256Hex(image))  split.h5\n"
        try AtomicFile.write(Array(line.utf8), to: directory.splitHash)
        try AtomicFile.write(image, to: directory.split)
    }

    private static func image(of record: SplitRecord, label path: String) throws -> [UInt8] {
        let count = record.partOfImage.count
        let file = try HDF5File.createInMemory(label: path)
        try file.write(record.partOfImage, to: "part_of_image", shape: [count])
        try file.write(record.groupOfImage, to: "group_of_image", shape: [count])
        try file.write(record.imageHashes, to: "image_hashes", shape: [count, 32])
        try file.setAttribute("format", to: format)
        try file.setAttribute("format_version", to: version)
        try file.setAttribute("catalogue_hash", to: record.catalogueHash)
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        try file.setAttribute("report", to: String(decoding: encoder.encode(record.report), as: UTF8.self))
        return try file.image()
    }

    /// Reads the file, after its hash was found right.
    ///
    /// - Throws: `DiptychFailure` with code 65 if it is not a split of a known version, `CheckpointError` if its hash is
    ///   another.
    package static func read(_ directory: RunDirectory) throws -> SplitRecord {
        let path = directory.split
        let file = try HDF5File.open(path: path, sha256: directory.recordedSplitHash(), limit: largestFile)
        let found = try (file.text("format"), file.integer("format_version"))
        guard found == (format, version) else {
            throw DiptychFailure(
                .badData,
                "\(path) says format \"\(found.0)\", version \(found.1); this build reads \"\(format)\", version "
                    + "\(version)")
        }
        let parts = try file.read(Int32.self, from: "part_of_image", maximumCount: largestCatalogue)
        let count = parts.scalars.count
        return try SplitRecord(
            partOfImage: parts.scalars, groupOfImage: file.read(Int32.self, from: "group_of_image", shape: [count]),
            imageHashes: file.read(UInt8.self, from: "image_hashes", shape: [count, 32]),
            catalogueHash: file.text("catalogue_hash"),
            report: JSONDecoder().decode(SplitReport.self, from: Data(file.text("report").utf8)))
    }
}
