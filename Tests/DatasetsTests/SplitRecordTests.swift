import Datasets
import Foundation
import Testing

@Suite struct SplitRecordTests {
    private let catalogue: Catalogue
    private let split: DisjointSplit
    private let record: SplitRecord

    init() throws {
        let all = try Fashion.testCatalogue()
        // Image 1,000 equals image 0.
        catalogue = try Catalogue(
            name: "real", images: all.images.subset(Array(0..<1_000) + [0]),
            labels: Array(all.labels!.prefix(1_000)) + [all.labels![0]], classCount: 10)
        split = try DisjointSplit.make(
            catalogue: catalogue, members: 801, heldOut: 200, parts: 2, balance: .label, nearDuplicates: .together,
            seed: 1)
        record = SplitRecord(split, of: catalogue)
    }

    private func changed(parts: [Int32]? = nil, groups: [Int32]? = nil, hash: String? = nil) -> SplitRecord {
        SplitRecord(
            partOfImage: parts ?? record.partOfImage, groupOfImage: groups ?? record.groupOfImage,
            imageHashes: record.imageHashes, catalogueHash: hash ?? record.catalogueHash, report: record.report)
    }

    @Test func recordGivesTheSplitBack() throws {
        #expect(try record.split(verifiedAgainst: catalogue) == split)
        let decoded = try JSONDecoder().decode(SplitRecord.self, from: JSONEncoder().encode(record))
        #expect(try decoded.split(verifiedAgainst: catalogue) == split)
        #expect(record.imageHashes.count == 1_001 * 32)
        #expect(record.partOfImage.count { $0 == SplitRecord.heldOut } == 200)
        let small = try DisjointSplit.make(
            catalogue: catalogue, members: 10, heldOut: 10, parts: 2, balance: .none, nearDuplicates: .ignore, seed: 1)
        #expect(SplitRecord(small, of: catalogue).partOfImage.count { $0 == SplitRecord.unused } == 981)
    }

    @Test func changedDataIsNoticed() throws {
        var pixels = catalogue.pixels
        pixels[500 * 784 + 300] ^= 1
        let images = ImageSet(count: 1_001, channels: 1, height: 28, width: 28, pixels: pixels)
        let other = try Catalogue(name: "real", images: images, labels: catalogue.labels, classCount: 10)
        expectError(.changedData, naming: ["real", "image 500", other.imageHashes[500].description]) {
            try record.split(verifiedAgainst: other)
        }
        var labels = try #require(catalogue.labels)
        labels[3] = (labels[3] + 1) % 10
        let relabelled = try Catalogue(name: "real", images: catalogue.images, labels: labels, classCount: 10)
        expectError(.changedData, naming: ["labels"]) { try record.split(verifiedAgainst: relabelled) }
        expectError(.changedData, naming: ["1001 images", "found 1000"]) {
            try record.split(
                verifiedAgainst: Catalogue(name: "real", images: catalogue.images.subset(Array(0..<1_000))))
        }
    }

    /// Fails when a report that cannot be shown as a table is taken: it ended whoever wrote it down for people.
    @Test(arguments: ["[[0]]", "[[1, 2], [3]]", "[[-1, 0, 0, 0, 0, 0, 0, 0, 0, 0]]"])
    func reportsThatCannotBeShownAreNoticed(counts: String) throws {
        var object = try #require(
            JSONSerialization.jsonObject(with: JSONEncoder().encode(record.report)) as? [String: Any])
        object["label_counts"] = try JSONSerialization.jsonObject(with: Data(counts.utf8))
        let report = try JSONDecoder().decode(
            SplitReport.self, from: JSONSerialization.data(withJSONObject: object))
        let other = SplitRecord(
            partOfImage: record.partOfImage, groupOfImage: record.groupOfImage, imageHashes: record.imageHashes,
            catalogueHash: record.catalogueHash, report: report)
        expectError(.inconsistentSplit, naming: ["label counts"]) { try other.split(verifiedAgainst: catalogue) }
    }

    @Test func straddlingGroupsAreNoticed() {
        var parts = record.partOfImage
        parts[1_000] = parts[0] == 0 ? 1 : 0
        expectError(.inconsistentSplit, naming: ["image 1000", "duplicate group 0"]) {
            try changed(parts: parts).split(verifiedAgainst: catalogue)
        }
        // A record that denies the group is caught by the images' hashes.
        var groups = record.groupOfImage
        groups[1_000] = 1_000
        expectError(.inconsistentSplit, naming: ["equal images 0 and 1000"]) {
            try changed(parts: parts, groups: groups).split(verifiedAgainst: catalogue)
        }
    }

    @Test func impossibleRecordsAreNoticed() {
        var parts = record.partOfImage
        let single = record.groupOfImage.lastIndex { group in record.groupOfImage.count { $0 == group } == 1 }!
        parts[single] = 2
        expectError(.inconsistentSplit, naming: ["part 2 of image \(single)"]) {
            try changed(parts: parts).split(verifiedAgainst: catalogue)
        }
        parts[single] = SplitRecord.unused
        expectError(.inconsistentSplit, naming: ["report"]) {
            try changed(parts: parts).split(verifiedAgainst: catalogue)
        }
        expectError(.inconsistentSplit, naming: ["different length"]) {
            try changed(groups: [0]).split(verifiedAgainst: catalogue)
        }
        var groups = record.groupOfImage
        groups[3] = -5
        expectError(.inconsistentSplit, naming: ["image 3"]) {
            try changed(groups: groups).split(verifiedAgainst: catalogue)
        }
    }
}
