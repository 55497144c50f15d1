import Tensor

/// Deals duplicate groups to parts so that every label's images, and all images, are shared out as evenly as whole
/// groups allow.
///
/// First the groups of two or more, the largest first, each to the part that holds fewest of its labels; then single
/// images, label by label, always to the part that holds fewest of the label and, among equals, fewest images of the
/// labels already dealt. So the counts of a label differ by at most one unless groups alone differ by more, and as
/// each label's surplus goes where most is missing, so do the sizes. Order and ties are random from the seed.
package struct PartAssignment {
    /// The images of each part, ascending.
    package private(set) var parts: [[Int]]
    /// For each part, its images of each label.
    private var counts: [[Int]]
    private let labels: [Int]?
    private let source: RandomSource

    /// - Parameters:
    ///   - groups: Images in their duplicate groups, single ones included, in any order.
    ///   - parts: How many parts, at least 1.
    ///   - labels: The label of every image of the catalogue, or nil to balance sizes only.
    ///   - classCount: The number of labels.
    ///   - seed: The job's seed.
    package init(groups: [[Int]], parts: Int, labels: [Int]?, classCount: Int, seed: UInt64) {
        self.parts = Array(repeating: [], count: parts)
        self.labels = labels
        counts = Array(repeating: Array(repeating: 0, count: max(classCount, 1)), count: parts)
        source = RandomSource(seed: seed, purpose: .split)
        let order = shuffled(groups, source: source, step: 0)
        dealGroups(order.filter { $0.count > 1 })
        dealSingles(order.filter { $0.count == 1 }.map { $0[0] })
        for part in 0..<parts { self.parts[part].sort() }
    }

    private func label(of image: Int) -> Int { labels?[image] ?? 0 }

    private mutating func dealGroups(_ groups: [[Int]]) {
        // Sorting is stable, so equal sizes keep their random order.
        for group in groups.sorted(by: { $0.count > $1.count }) {
            let first = group.min()!
            let part = choosePart { part in
                (
                    group.reduce(0) { $0 + counts[part][label(of: $1)] }, parts[part].count,
                    source.word(step: 1, item: first, element: part)
                )
            }
            for image in group { give(image, to: part) }
        }
    }

    private mutating func dealSingles(_ images: [Int]) {
        var byLabel = [[Int]](repeating: [], count: counts[0].count)
        for image in images { byLabel[label(of: image)].append(image) }
        var dealt = Array(repeating: 0, count: parts.count)
        // Labels with few single images first: where groups leave a label uneven, the later ones make up for it.
        let labelOrder = byLabel.indices.sorted { (byLabel[$0].count, $0) < (byLabel[$1].count, $1) }
        for label in labelOrder {
            let ties = (0..<parts.count).map { source.word(step: 2, item: label, element: $0) }
            for image in byLabel[label] {
                give(image, to: choosePart { (counts[$0][label], dealt[$0], ties[$0]) })
            }
            for part in parts.indices { dealt[part] += counts[part][label] }
        }
    }

    private mutating func give(_ image: Int, to part: Int) {
        parts[part].append(image)
        counts[part][label(of: image)] += 1
    }

    /// The part with the least cost, compared component by component.
    private func choosePart(_ cost: (Int) -> (Int, Int, UInt32)) -> Int {
        var best = 0
        var least = cost(0)
        for part in parts.indices.dropFirst() {
            let candidate = cost(part)
            if candidate < least { (best, least) = (part, candidate) }
        }
        return best
    }
}
