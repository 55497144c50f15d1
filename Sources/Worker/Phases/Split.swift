import Checkpoints
import Communication
import Datasets
import Foundation
import Glibc
import Jobs

extension Session {
    /// Deals the images into disjoint parts, or reads the split that the run began with and checks it against the data.
    /// Collective.
    ///
    /// Rank 0 does it and writes `split.h5`; every rank then works with what rank 0 has.
    package func split() throws -> DisjointSplit {
        let record = try world.onRoot { () -> SplitRecord in
            let isThere = access(directory.split, F_OK) == 0
            let record = try isThere ? SplitFile.read(directory) : makeSplit()
            _ = try record.split(verifiedAgainst: catalogue)
            if access(directory.splitReport, F_OK) != 0 {
                try AtomicFile.write(Array("\(record.report)\n".utf8), to: directory.splitReport)
            }
            return record.with(imageHashes: [])
        }
        // The hashes, by far the largest share, need not travel: all ranks have the same images.
        return try record.with(imageHashes: catalogue.imageHashes.flatMap(\.bytes)).split(verifiedAgainst: catalogue)
    }

    private func makeSplit() throws -> SplitRecord {
        announce(.phaseBegan, .split)
        let split = try DisjointSplit.make(
            catalogue: catalogue, members: job.data.members, heldOut: job.data.heldOut, parts: job.data.split.parts,
            balance: job.data.split.balance, nearDuplicates: job.data.split.nearDuplicates, seed: job.seed)
        let record = SplitRecord(split, of: catalogue)
        try SplitFile.write(record, to: directory)
        announce(.phaseEnded, .split)
        return record
    }
}

extension SplitRecord {
    fileprivate func with(imageHashes: [UInt8]) -> SplitRecord {
        SplitRecord(
            partOfImage: partOfImage, groupOfImage: groupOfImage, imageHashes: imageHashes,
            catalogueHash: catalogueHash, report: report)
    }
}

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
