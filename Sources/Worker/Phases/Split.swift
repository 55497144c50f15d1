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
            let isThere = try FileBytes.exists(directory.split)
            let record = try isThere ? SplitFile.read(directory) : makeSplit()
            _ = try record.split(verifiedAgainst: catalogue)
            if try !FileBytes.exists(directory.splitReport) {
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
