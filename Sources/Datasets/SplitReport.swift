/// Sizes, balance and duplicates of a split, for people and for the run's records.
public struct SplitReport: Codable, Hashable, Sendable, CustomStringConvertible {
    /// What the data set is called.
    public let name: String
    /// The number of images in the data set.
    public let images: Int
    /// The number of images trained on.
    public let members: Int
    /// The number of images held out.
    public let heldOut: Int
    /// The number of images in each part.
    public let sizes: [Int]
    /// For each part, its images of each label; empty lists without labels.
    public let labelCounts: [[Int]]
    /// The held-out images of each label; empty without labels.
    public let heldOutLabelCounts: [Int]
    /// What the parts were to have in common.
    public let balance: Balance
    /// Whether near duplicates were kept together.
    public let nearDuplicates: NearDuplicates
    /// The rule for near duplicates, in words.
    public let nearDuplicateRule: String
    /// Sets of two or more equal images, in the whole data set.
    public let exactGroups: Int
    /// Pairs of equal images.
    public let exactPairs: Int
    /// Groups made up by near, not only equal images.
    public let nearGroups: Int
    /// Near pairs among distinct images.
    public let nearPairs: Int
    /// Images that have a duplicate.
    public let duplicateImages: Int
    /// The number of images in the largest group of duplicates; 0 if there are none.
    public let largestGroup: Int

    enum CodingKeys: String, CodingKey {
        case name, images, members, sizes, balance
        case heldOut = "held_out"
        case labelCounts = "label_counts"
        case heldOutLabelCounts = "held_out_label_counts"
        case nearDuplicates = "near_duplicates"
        case nearDuplicateRule = "near_duplicate_rule"
        case exactGroups = "exact_groups"
        case exactPairs = "exact_pairs"
        case nearGroups = "near_groups"
        case nearPairs = "near_pairs"
        case duplicateImages = "duplicate_images"
        case largestGroup = "largest_group"
    }

    init(
        catalogue: Catalogue, parts: [[Int]], heldOut: [Int], balance: Balance, nearDuplicates: NearDuplicates,
        duplicates: Duplicates
    ) {
        func labelCounts(_ images: [Int]) -> [Int] {
            var counts = Array(repeating: 0, count: catalogue.classCount)
            for image in images { if let label = catalogue.labels?[image] { counts[label] += 1 } }
            return counts
        }
        name = catalogue.name
        images = catalogue.count
        members = parts.reduce(0) { $0 + $1.count }
        self.heldOut = heldOut.count
        sizes = parts.map(\.count)
        self.labelCounts = parts.map(labelCounts)
        heldOutLabelCounts = labelCounts(heldOut)
        self.balance = balance
        self.nearDuplicates = nearDuplicates
        nearDuplicateRule = NearDuplicateRule.summary
        exactGroups = duplicates.exactGroups
        exactPairs = duplicates.exactPairs
        nearGroups = duplicates.nearGroups
        nearPairs = duplicates.nearPairs
        duplicateImages = duplicates.groups.reduce(0) { $0 + $1.count }
        largestGroup = duplicates.largestGroup.count
    }

    /// The largest difference between two parts in the number of images of one label.
    public var largestLabelDifference: Int {
        (labelCounts.first ?? []).indices.map { label in
            let counts = labelCounts.map { $0[label] }
            return counts.max()! - counts.min()!
        }.max() ?? 0
    }

    /// A table of the parts and their labels, and the duplicates in words below it.
    public var description: String {
        var rows = [["", "images"] + heldOutLabelCounts.indices.map { "label \($0)" }]
        for part in sizes.indices {
            rows.append(["part \(part)", "\(sizes[part])"] + labelCounts[part].map(String.init))
        }
        if heldOut > 0 { rows.append(["held out", "\(heldOut)"] + heldOutLabelCounts.map(String.init)) }
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max()! }
        let table = rows.map { row in
            let cells = zip(row, widths).enumerated().map { column, cell in
                let space = String(repeating: " ", count: cell.1 - cell.0.count)
                return column == 0 ? cell.0 + space : space + cell.0
            }
            return cells.joined(separator: "  ")
        }
        let near =
            nearDuplicates == .together
            ? "\(nearGroups) near groups (\(nearPairs) pairs)" : "near duplicates not looked for"
        return """
            \(name): \(images) images, \(members) members in \(sizes.count) parts, \(heldOut) held out
            \(table.joined(separator: "\n"))
            duplicates in the whole set: \(exactGroups) exact groups (\(exactPairs) pairs), \(near), \
            \(duplicateImages) images concerned, largest group \(largestGroup)
            near: \(nearDuplicateRule)
            """
    }
}
