/// Duplicates between two sets of images of one catalogue, which should have none in common.
public struct CrossDuplicates: Hashable, Sendable {
    /// The number of pairs of equal images, one of each set.
    public let exactPairs: Int
    /// The number of other pairs that `NearDuplicateRule` joins, one of each set.
    public let nearPairs: Int
    /// The images that have a duplicate in the other set, catalogue indices ascending.
    public let images: [Int]

    /// Finds them; long chains of near duplicates are no error here.
    ///
    /// - Parameters:
    ///   - first: One set, catalogue indices.
    ///   - second: The other, with none in common.
    ///   - catalogue: The data set.
    public static func find(between first: [Int], and second: [Int], in catalogue: Catalogue) -> CrossDuplicates {
        let all = first + second
        let thumbnails = Thumbnails(catalogue.images, indices: all)
        var (exact, near) = (0, 0)
        var images: Set<Int> = []
        NearPairs.forEach(in: thumbnails, count: all.count) { one, other, _ in
            guard (one < first.count) != (other < first.count) else { return }
            if catalogue.imageHashes[all[one]] == catalogue.imageHashes[all[other]] { exact += 1 } else { near += 1 }
            images.formUnion([all[one], all[other]])
        }
        return CrossDuplicates(exactPairs: exact, nearPairs: near, images: images.sorted())
    }
}
