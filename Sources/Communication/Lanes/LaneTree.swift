/// The fixed binary tree in which the gradients of lanes are added, whichever rank holds them.
///
/// The node over lanes `a..<b` has the children `a..<m` and `m..<b` with `m = a + 2^k`, where `2^k` is the largest power
/// of two below `b - a`. Float addition is not associative, so this one tree, and not the arrival of messages, is what
/// makes a gradient's bits independent of the number of ranks.
public struct LaneTree: Hashable, Sendable {
    /// The number of lanes, the leaves of the tree.
    public let lanes: Int

    /// The tree over `0..<lanes`.
    ///
    /// - Precondition: `lanes > 0`.
    public init(lanes: Int) {
        precondition(lanes > 0, "a tree of lanes needs at least one lane, not \(lanes)")
        self.lanes = lanes
    }

    /// The lanes of the root.
    public var root: Range<Int> { 0..<lanes }

    /// Where the node over `node` splits into its children.
    ///
    /// - Precondition: `node` holds two lanes or more.
    public static func middle(of node: Range<Int>) -> Int {
        precondition(node.count > 1, "the lanes \(node) are a leaf and do not split")
        return node.lowerBound + 1 << (Int.bitWidth - 1 - (node.count - 1).leadingZeroBitCount)
    }

    /// The maximal complete subtrees inside a contiguous range of lanes, from left to right.
    ///
    /// A rank that holds these lanes can add up each of them on its own, and nothing more.
    public func subtrees(of range: Range<Int>) -> [Range<Int>] {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= lanes, "lanes \(range) do not lie within 0..<\(lanes)")
        var found: [Range<Int>] = []
        func descend(_ node: Range<Int>) {
            if node.lowerBound >= range.lowerBound && node.upperBound <= range.upperBound {
                found.append(node)
            } else if node.overlaps(range) {
                let middle = Self.middle(of: node)
                descend(node.lowerBound..<middle)
                descend(middle..<node.upperBound)
            }
        }
        descend(root)
        return found
    }

    /// The node whose children are `left` and `right`, or nil if the tree has no such node.
    public func parent(of left: Range<Int>, and right: Range<Int>) -> Range<Int>? {
        guard left.upperBound == right.lowerBound else { return nil }
        let wanted = left.lowerBound..<right.upperBound
        var node = root
        while node.count > 1 {
            let middle = Self.middle(of: node)
            if node == wanted { return middle == left.upperBound ? node : nil }
            if wanted.upperBound <= middle {
                node = node.lowerBound..<middle
            } else if wanted.lowerBound >= middle {
                node = middle..<node.upperBound
            } else {
                return nil
            }
        }
        return nil
    }

    /// One addition: the sum at position `target` becomes itself plus the sum at position `source`.
    public struct Addition: Hashable, Sendable {
        /// The position of the left child's sum, which becomes the parent's.
        public let target: Int
        /// The position of the right child's sum, which is used up.
        public let source: Int
    }

    /// The additions that turn the sums of `nodes` into the sum of the root, in order; the result is at position 0.
    ///
    /// - Parameter nodes: Complete subtrees from left to right that together cover all lanes.
    /// - Precondition: `nodes` cover the tree.
    public func additions(over nodes: [Range<Int>]) -> [Addition] {
        let (additions, left) = merging(nodes)
        precondition(
            left.count == 1 && left[0].node == root, "the subtrees \(nodes) do not cover \(lanes) lanes")
        return additions
    }

    /// Merges neighbouring subtrees as far as the tree allows.
    ///
    /// - Parameter nodes: Complete subtrees from left to right.
    /// - Returns: The additions, in order, and the subtrees that are left with the positions of their sums.
    public func merging(
        _ nodes: [Range<Int>]
    ) -> (additions: [Addition], left: [(node: Range<Int>, position: Int)]) {
        var additions: [Addition] = []
        var open: [(node: Range<Int>, position: Int)] = []
        for (position, node) in nodes.enumerated() {
            open.append((node, position))
            while open.count > 1, let parent = parent(of: open[open.count - 2].node, and: open[open.count - 1].node) {
                let right = open.removeLast()
                additions.append(Addition(target: open[open.count - 1].position, source: right.position))
                open[open.count - 1].node = parent
            }
        }
        return (additions, open)
    }

    /// The largest number of sums that a rank holds at one time while it works through `range`, the lane that it has
    /// just finished included; O(log lanes).
    public func peakSums(of range: Range<Int>) -> Int {
        var open: [Range<Int>] = []
        var peak = 0
        for lane in range {
            open.append(lane..<lane + 1)
            peak = max(peak, open.count)
            while open.count > 1, let parent = parent(of: open[open.count - 2], and: open[open.count - 1]) {
                open.removeLast()
                open[open.count - 1] = parent
            }
        }
        return peak
    }
}
