/// What the parts of a split have in common.
public enum Balance: String, Codable, Hashable, Sendable, CaseIterable {
    /// Equal sizes only.
    case none
    /// Equal sizes, and equally many images of every label.
    case label
}

/// The disjoint split of a data set: parts to train teachers on, and images held out for the audit.
///
/// Which images are members, and in which part, is private: the split is for the run directory only.
public struct DisjointSplit: Hashable, Sendable {
    /// For each part its images, catalogue indices ascending.
    public let parts: [[Int]]
    /// The images held out, catalogue indices ascending.
    public let heldOut: [Int]
    /// For each image of the catalogue the smallest index of its duplicate group; its own if it has no duplicate.
    public let groupOfImage: [Int]
    /// Sizes, balance and duplicates.
    public let report: SplitReport

    /// All images trained on, catalogue indices ascending.
    public var members: [Int] { parts.flatMap { $0 }.sorted() }

    /// Finds the duplicates of a data set, chooses members and held-out images, and deals the members to parts.
    ///
    /// Duplicate groups stay whole: each is all in one part, all held out, or all unused. The result depends on the
    /// data, the options and the seed alone (`RandomSource` with purposes `selection` and `split`).
    ///
    /// - Parameters:
    ///   - catalogue: The data set.
    ///   - members: How many images to train on, at least one per part.
    ///   - heldOut: How many images to hold out.
    ///   - parts: The number of parts, at least 1.
    ///   - balance: What the parts have in common.
    ///   - nearDuplicates: Whether near duplicates stay together; equal images always do.
    ///   - seed: The job's seed.
    /// - Throws: `DatasetError` of kinds `notEnoughImages`, `missingLabels`, `chainedDuplicates`.
    public static func make(
        catalogue: Catalogue, members: Int, heldOut: Int, parts: Int, balance: Balance,
        nearDuplicates: NearDuplicates, seed: UInt64
    ) throws -> DisjointSplit {
        precondition(parts > 0, "a split has at least one part, not \(parts)")
        guard balance == .none || catalogue.labels != nil else {
            throw DatasetError(
                .missingLabels, catalogue.name, "cannot balance by label a set without labels",
                advice: "Name the labels in the job file, or set balance: none")
        }
        let duplicates = try Duplicates.find(in: catalogue, near: nearDuplicates)
        var groups = duplicates.groups
        var isGrouped = Array(repeating: false, count: catalogue.count)
        for group in groups { for image in group { isGrouped[image] = true } }
        groups += (0..<catalogue.count).filter { !isGrouped[$0] }.map { [$0] }
        let selection = try Selection(
            groups: groups, name: catalogue.name, members: members, heldOut: heldOut, seed: seed)
        let assignment = PartAssignment(
            groups: selection.members, parts: parts, labels: balance == .label ? catalogue.labels : nil,
            classCount: balance == .label ? catalogue.classCount : 0, seed: seed)
        if let empty = assignment.parts.firstIndex(where: \.isEmpty) {
            throw DatasetError(
                .notEnoughImages, catalogue.name, "part \(empty) of \(parts) would be empty",
                expected: "at least one duplicate group for each part", found: "\(selection.members.count) groups",
                advice: "Raise members or lower parts in the job file")
        }
        let report = SplitReport(
            catalogue: catalogue, parts: assignment.parts, heldOut: selection.heldOut, balance: balance,
            nearDuplicates: nearDuplicates, duplicates: duplicates)
        return DisjointSplit(
            parts: assignment.parts, heldOut: selection.heldOut, groupOfImage: duplicates.groupOfImage, report: report)
    }
}
