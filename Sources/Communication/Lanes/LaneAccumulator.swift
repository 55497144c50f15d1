/// Adds up the gradients of one rank's lanes as they are finished, in the order of the tree.
///
/// Like a binary counter: a lane's sum is pushed, and while the two newest sums are the children of one node they are
/// merged. So at most `LaneTree.peakSums` buffers are held, and when the last lane is done what is left are the sums of
/// the rank's maximal complete subtrees: what the ordered reduce-scatter takes.
public struct LaneAccumulator<Buffer> {
    /// The sum over the lanes of one complete subtree.
    public struct PartialSum {
        /// The lanes of the subtree.
        public let lanes: Range<Int>
        /// The sum of their gradients.
        public var buffer: Buffer
    }

    /// The tree that fixes the order of additions.
    public let tree: LaneTree

    /// The lanes of this rank.
    public let lanes: Range<Int>

    /// The lane whose gradient comes next; `lanes.upperBound` when all are done.
    public private(set) var nextLane: Int

    /// The sums held now, from left to right.
    public private(set) var sums: [PartialSum] = []

    private let add: (_ target: inout Buffer, _ source: Buffer) -> Void

    /// An accumulator with no lane done.
    ///
    /// - Parameters:
    ///   - tree: The tree over all lanes of the step.
    ///   - lanes: This rank's lanes.
    ///   - add: Adds `source` to `target`, element by element.
    /// - Precondition: `lanes` lie within the tree.
    public init(
        tree: LaneTree, lanes: Range<Int>, add: @escaping (_ target: inout Buffer, _ source: Buffer) -> Void
    ) {
        precondition(
            lanes.lowerBound >= 0 && lanes.upperBound <= tree.lanes,
            "lanes \(lanes) do not lie within 0..<\(tree.lanes)")
        self.tree = tree
        self.lanes = lanes
        self.add = add
        nextLane = lanes.lowerBound
    }

    /// Whether every lane of this rank has been added.
    public var isComplete: Bool { nextLane == lanes.upperBound }

    /// Takes the gradient of the next lane; the buffer is the accumulator's until `finish` returns it, and dropped when its
    /// sum has been merged into another.
    ///
    /// - Precondition: Not all lanes are done.
    public mutating func append(_ gradient: Buffer) {
        precondition(!isComplete, "all lanes of \(lanes) have been added already")
        sums.append(PartialSum(lanes: nextLane..<nextLane + 1, buffer: gradient))
        nextLane += 1
        merge()
    }

    /// What the rank's last lane leaves to do: its gradient may still be on the way.
    public struct Ending {
        /// The buffers of all open sums, from left to right; the last lane's is the last.
        public let buffers: [Buffer]
        /// What is to be added, in this order, wherever the last lane's gradient is final.
        public let additions: [LaneTree.Addition]
        /// Where the sums of the rank's maximal complete subtrees are then, from left to right.
        public let subtrees: [Int]
    }

    /// Takes the buffer in which the last lane's gradient is gathering, adds nothing, and starts over.
    ///
    /// - Returns: What the caller has to add, part by part or at once, to have the sums that `finish` would return.
    ///   All buffers are the caller's.
    /// - Precondition: All lanes but the last are done.
    public mutating func end(with gradient: Buffer) -> Ending {
        precondition(
            nextLane == lanes.upperBound - 1, "lane \(nextLane) of \(lanes) comes next, it is not the last one")
        let (additions, left) = tree.merging(sums.map(\.lanes) + [nextLane..<nextLane + 1])
        defer {
            nextLane = lanes.lowerBound
            sums = []
        }
        return Ending(
            buffers: sums.map(\.buffer) + [gradient], additions: additions, subtrees: left.map(\.position))
    }

    /// Returns the sums of the rank's maximal complete subtrees, from left to right, and starts over.
    ///
    /// - Precondition: All lanes are done.
    public mutating func finish() -> [PartialSum] {
        precondition(isComplete, "lane \(nextLane) of \(lanes) has not been added")
        nextLane = lanes.lowerBound
        defer { sums = [] }
        return sums
    }

    private mutating func merge() {
        while sums.count > 1, let parent = tree.parent(of: sums[sums.count - 2].lanes, and: sums[sums.count - 1].lanes)
        {
            let right = sums.removeLast()
            add(&sums[sums.count - 1].buffer, right.buffer)
            sums[sums.count - 1] = PartialSum(lanes: parent, buffer: sums[sums.count - 1].buffer)
        }
    }
}
