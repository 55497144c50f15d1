/// The shape of the tree over lanes, as far as a plan needs it: which whole subtrees a rank's lanes make up.
///
/// The tree itself, and the additions along it, belong to `Communication`, which links MPI; the coordinator does not.
/// A node over `a..<b` splits at `a` plus the largest power of two below its length.
enum LaneShape {
    /// The number of complete subtrees inside a contiguous range of lanes: the sums that a rank sends.
    static func subtrees(of range: Range<Int>, lanes: Int) -> Int {
        func count(_ node: Range<Int>) -> Int {
            if node.lowerBound >= range.lowerBound && node.upperBound <= range.upperBound { return 1 }
            guard node.overlaps(range) else { return 0 }
            let middle = node.lowerBound + 1 << (Int.bitWidth - 1 - (node.count - 1).leadingZeroBitCount)
            return count(node.lowerBound..<middle) + count(middle..<node.upperBound)
        }
        return lanes > 0 ? count(0..<lanes) : 0
    }

    /// The largest number of gradient sums that a rank holds while it works through its lanes, the newest included.
    static func peakSums(of range: Range<Int>, lanes: Int) -> Int {
        guard !range.isEmpty else { return 0 }
        return range.indices.map { subtrees(of: range.lowerBound..<$0, lanes: lanes) + 1 }.max() ?? 0
    }
}
