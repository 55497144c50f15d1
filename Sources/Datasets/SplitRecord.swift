/// A split as a run keeps it (`split.h5`): enough to prove that parts are disjoint and that the data is unchanged.
///
/// Private: it says who was in the training set.
public struct SplitRecord: Codable, Hashable, Sendable {
    /// In `partOfImage`: neither trained on nor held out.
    public static let unused: Int32 = -1
    /// In `partOfImage`: held out for the audit.
    public static let heldOut: Int32 = -2

    /// For each image of the catalogue its part, or `unused` or `heldOut`; N numbers.
    public let partOfImage: [Int32]
    /// For each image the smallest index of its duplicate group; N numbers.
    public let groupOfImage: [Int32]
    /// The SHA-256 of each image's pixels; N x 32 bytes.
    public let imageHashes: [UInt8]
    /// The SHA-256 of the whole catalogue, 64 hexadecimal digits.
    public let catalogueHash: String
    /// Sizes, balance and duplicates.
    public let report: SplitReport

    enum CodingKeys: String, CodingKey {
        case partOfImage = "part_of_image"
        case groupOfImage = "group_of_image"
        case imageHashes = "image_hashes"
        case catalogueHash = "catalogue_hash"
        case report
    }

    /// Records a split.
    ///
    /// - Parameters:
    ///   - split: The split.
    ///   - catalogue: The data set that it was made from.
    public init(_ split: DisjointSplit, of catalogue: Catalogue) {
        precondition(split.groupOfImage.count == catalogue.count, "the split is not of this catalogue")
        var partOfImage = Array(repeating: Self.unused, count: catalogue.count)
        for (part, images) in split.parts.enumerated() { for image in images { partOfImage[image] = Int32(part) } }
        for image in split.heldOut { partOfImage[image] = Self.heldOut }
        self.partOfImage = partOfImage
        groupOfImage = split.groupOfImage.map(Int32.init)
        imageHashes = catalogue.imageHashes.flatMap(\.bytes)
        catalogueHash = catalogue.hash.description
        report = split.report
    }

    /// Takes a record apart that was read from a file.
    ///
    /// - Parameters:
    ///   - partOfImage: N numbers, see the property.
    ///   - groupOfImage: N numbers.
    ///   - imageHashes: N x 32 bytes.
    ///   - catalogueHash: 64 hexadecimal digits.
    ///   - report: The report of the split.
    public init(
        partOfImage: [Int32], groupOfImage: [Int32], imageHashes: [UInt8], catalogueHash: String, report: SplitReport
    ) {
        self.partOfImage = partOfImage
        self.groupOfImage = groupOfImage
        self.imageHashes = imageHashes
        self.catalogueHash = catalogueHash
        self.report = report
    }

    /// The split, after checking that it is one and that the data is what it was made from.
    ///
    /// - Parameter catalogue: The data set as it is now.
    /// - Throws: `DatasetError` of kind `changedData` naming the first image that differs, or `inconsistentSplit` if
    ///   a duplicate group or equal images straddle parts, or the report's sizes are not those of the parts.
    public func split(verifiedAgainst catalogue: Catalogue) throws -> DisjointSplit {
        let count = partOfImage.count
        guard groupOfImage.count == count, imageHashes.count == 32 * count else {
            throw inconsistent("lists of different length: \(count), \(groupOfImage.count), \(imageHashes.count) / 32")
        }
        try checkUnchanged(catalogue)
        try checkDisjoint(catalogue)
        var parts = Array(repeating: [Int](), count: report.sizes.count)
        var heldOut: [Int] = []
        for (image, part) in partOfImage.enumerated() {
            switch part {
            case Self.unused: break
            case Self.heldOut: heldOut.append(image)
            default:
                guard parts.indices.contains(Int(part)) else {
                    throw inconsistent("part \(part) of image \(image), of \(parts.count) parts", images: [image])
                }
                parts[Int(part)].append(image)
            }
        }
        guard parts.map(\.count) == report.sizes, heldOut.count == report.heldOut else {
            throw inconsistent("parts of \(parts.map(\.count)) images for a report of \(report.sizes)")
        }
        try checkLabelCounts()
        return DisjointSplit(
            parts: parts, heldOut: heldOut, groupOfImage: groupOfImage.map(Int.init), report: report)
    }

    private func checkUnchanged(_ catalogue: Catalogue) throws {
        guard catalogue.count == partOfImage.count else {
            throw changed(catalogue, expected: "\(partOfImage.count) images", found: "\(catalogue.count)")
        }
        for (image, hash) in catalogue.imageHashes.enumerated() {
            let recorded = Digest256(bytes: imageHashes[32 * image..<32 * image + 32])
            guard hash == recorded else {
                throw changed(
                    catalogue, expected: "image \(image) with SHA-256 \(recorded)", found: "\(hash)", images: [image])
            }
        }
        guard catalogue.hash.description == catalogueHash else {
            throw changed(
                catalogue, expected: "labels and shape with SHA-256 \(catalogueHash)", found: "\(catalogue.hash)")
        }
    }

    private func checkDisjoint(_ catalogue: Catalogue) throws {
        var firstOfHash: [Digest256: Int] = [:]
        for image in partOfImage.indices {
            let group = Int(groupOfImage[image])
            guard partOfImage.indices.contains(group), partOfImage[group] == partOfImage[image] else {
                throw inconsistent("image \(image) apart from its duplicate group \(group)", images: [group, image])
            }
            let twin = firstOfHash[catalogue.imageHashes[image], default: image]
            guard partOfImage[twin] == partOfImage[image] else {
                throw inconsistent("equal images \(twin) and \(image) in different parts", images: [twin, image])
            }
            firstOfHash[catalogue.imageHashes[image]] = twin
        }
    }

    /// Makes sure that the report can be shown: a row of equally many labels for each part and for what is held out.
    private func checkLabelCounts() throws {
        let (rows, columns) = (report.labelCounts, report.heldOutLabelCounts.count)
        let counts = (rows + [report.heldOutLabelCounts]).joined()
        guard rows.count == report.sizes.count, rows.allSatisfy({ $0.count == columns }),
            counts.allSatisfy({ (0...partOfImage.count).contains($0) })
        else {
            throw inconsistent(
                "label counts \(rows) and \(report.heldOutLabelCounts) for \(report.sizes.count) parts of "
                    + "\(partOfImage.count) images")
        }
    }

    private func changed(
        _ catalogue: Catalogue, expected: String, found: String, images: [Int] = []
    ) -> DatasetError {
        DatasetError(
            .changedData, catalogue.name, "the data is not what the run was started with", expected: expected,
            found: found, advice: "Put the original data back, or start a new run", images: images)
    }

    private func inconsistent(_ found: String, images: [Int] = []) -> DatasetError {
        DatasetError(
            .inconsistentSplit, "recorded split", "the record contradicts itself", expected: "disjoint parts",
            found: found, advice: "The run's split file is damaged: restore it, or start a new run", images: images)
    }
}
