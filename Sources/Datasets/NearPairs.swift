/// The search for all near pairs among thumbnails.
///
/// A difference with root mean square r changes the mean of all cells by at most r, and each quadrant's likewise
/// (Cauchy and Schwarz). So thumbnails are sorted by their sum, each is compared with those that follow within the
/// bound, quadrants first, and what survives is verified exactly.
struct NearPairs {
    /// Calls `body` for every pair of near duplicates, each once.
    ///
    /// - Parameters:
    ///   - thumbnails: The thumbnails.
    ///   - count: How many there are.
    ///   - body: Receives two positions, the smaller first, and the exact sum of squared differences.
    /// - Complexity: O(n log n) plus the pairs whose means lie within the bound.
    static func forEach(
        in thumbnails: Thumbnails, count: Int, _ body: (_ first: Int, _ second: Int, _ squaredDistance: Int) -> Void
    ) {
        let levels = NearDuplicateRule.bound * NearDuplicateRule.scale
        let cells = Thumbnails.cells * thumbnails.channels
        let limit = levels * levels * cells
        let unsorted = (0..<count).map { thumbnails.quadrants($0) }
        let sums = unsorted.map { $0.sum() }
        let order = (0..<count).sorted { (sums[$0], $0) < (sums[$1], $1) }
        let quadrants = order.map { unsorted[$0] }
        let sorted = thumbnails.reordered(order)
        let sortedSums = order.map { sums[$0] }
        // Sums are whole numbers far below 2^24 for one channel; the slack covers the rounding of the squares.
        let sumBound = Float(levels * cells) * 1.0001
        let quadrantBound = Float(limit) * Float(cells / 4) * 1.0001
        for low in 0..<count {
            let (sum, quadrant) = (sortedSums[low], quadrants[low])
            var high = low + 1
            while high < count && sortedSums[high] - sum <= sumBound {
                let difference = quadrants[high] - quadrant
                if (difference * difference).sum() <= quadrantBound {
                    let distance = sorted.squaredDistance(low, high, limit: limit)
                    if distance <= limit {
                        body(min(order[low], order[high]), max(order[low], order[high]), distance)
                    }
                }
                high += 1
            }
        }
    }

    /// A sum of squared differences as root mean square in grey levels.
    static func levels(squaredDistance: Int, channels: Int) -> Double {
        (Double(squaredDistance) / Double(Thumbnails.cells * channels)).squareRoot() / Double(NearDuplicateRule.scale)
    }
}
