/// What happens to near duplicates when a set is split; equal images always stay together.
public enum NearDuplicates: String, Codable, Hashable, Sendable, CaseIterable {
    /// Near duplicates, by `NearDuplicateRule`, go to the same side and the same part.
    case together
    /// Only equal images are kept together.
    case ignore
}

/// The duplicates of a data set: images joined, directly or through others, by being equal (same SHA-256 of the
/// pixels) or near (`NearDuplicateRule`).
public struct Duplicates: Hashable, Sendable {
    /// For each image the smallest index of its group; its own if it has no duplicate.
    public let groupOfImage: [Int]
    /// The groups of two or more images, each ascending, by their smallest index.
    public let groups: [[Int]]
    /// The number of sets of two or more equal images.
    public let exactGroups: Int
    /// The number of pairs of equal images.
    public let exactPairs: Int
    /// The number of groups that near, not only equal images make up.
    public let nearGroups: Int
    /// The number of near pairs among distinct images.
    public let nearPairs: Int

    /// The largest group; empty if there are no duplicates.
    public var largestGroup: [Int] { groups.max { $0.count < $1.count } ?? [] }

    /// The most images that a group may have: one in a hundred, but 8 in sets so small that this would be less.
    ///
    /// - Parameter count: The number of images in the set.
    public static func largestAllowedGroup(of count: Int) -> Int { max(count / 100, 8) }

    /// Finds the duplicates of a whole data set.
    ///
    /// - Parameters:
    ///   - catalogue: The data set.
    ///   - near: Whether to look for near duplicates, too.
    /// - Throws: `DatasetError` of kind `chainedDuplicates` if a group is larger than `largestAllowedGroup`; its
    ///   `images` are the links of the group's longest chain.
    public static func find(in catalogue: Catalogue, near: NearDuplicates) throws -> Duplicates {
        let equal = equalImages(catalogue.imageHashes)
        let representatives = equal.map { $0[0] }
        var components = Components(count: equal.count)
        var nearPairs = 0
        if near == .together {
            let thumbnails = Thumbnails(catalogue.images, indices: representatives)
            NearPairs.forEach(in: thumbnails, count: equal.count) { first, second, squaredDistance in
                nearPairs += 1
                components.join(first, second, squaredDistance: squaredDistance)
            }
        }
        let members = components.members()
        let groups = members.map { $0.flatMap { equal[$0] }.sorted() }
        let limit = largestAllowedGroup(of: catalogue.count)
        if let (component, group) = zip(members, groups).max(by: { $0.1.count < $1.1.count }), group.count > limit {
            let chain = components.longestChain(from: component[0])
            throw chainError(
                group, catalogue: catalogue, limit: limit,
                chain: chain.map { (representatives[$0.element], $0.squaredDistance) })
        }
        var groupOfImage = Array(0..<catalogue.count)
        for group in groups { for image in group { groupOfImage[image] = group[0] } }
        return Duplicates(
            groupOfImage: groupOfImage, groups: groups.filter { $0.count > 1 },
            exactGroups: equal.count { $0.count > 1 },
            exactPairs: equal.reduce(0) { $0 + $1.count * ($1.count - 1) / 2 },
            nearGroups: members.count { $0.count > 1 }, nearPairs: nearPairs)
    }

    /// Images by their hash, each set ascending, sets by their smallest index.
    private static func equalImages(_ hashes: [Digest256]) -> [[Int]] {
        var positions: [Digest256: Int] = [:]
        positions.reserveCapacity(hashes.count)
        var sets: [[Int]] = []
        for (image, hash) in hashes.enumerated() {
            if let position = positions[hash] {
                sets[position].append(image)
            } else {
                positions[hash] = sets.count
                sets.append([image])
            }
        }
        return sets
    }

    private static func chainError(
        _ group: [Int], catalogue: Catalogue, limit: Int, chain: [(image: Int, squaredDistance: Int)]
    ) -> DatasetError {
        let shown = 12
        var links = ""
        for (position, link) in chain.prefix(shown).enumerated() {
            links += "\(link.image)"
            guard position + 1 < min(chain.count, shown) else { break }
            let levels = NearPairs.levels(squaredDistance: link.squaredDistance, channels: catalogue.channels)
            links += " -\((levels * 100).rounded() / 100)- "
        }
        if chain.count > shown { links += " ..." }
        let members =
            group.prefix(shown).map(String.init).joined(separator: ", ") + (group.count > shown ? ", ..." : "")
        return DatasetError(
            .chainedDuplicates, catalogue.name,
            "duplicates chain into one group that is too large to be kept in one part",
            expected: "at most \(limit) of \(catalogue.count) images (1 %)",
            found: "\(group.count): images \(members); its longest chain has \(chain.count) links: \(links) "
                + "(distances in grey levels, rule: \(NearDuplicateRule.summary))",
            advice: "Look at these images: remove superfluous copies from the data, or, if they are not duplicates, "
                + "set near_duplicates: ignore",
            images: chain.map(\.image))
    }
}
