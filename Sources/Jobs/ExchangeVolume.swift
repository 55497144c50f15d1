/// What the ranks of a group send each other in one training step: gradients reduce-scattered in the order of the lane
/// tree, weights all-gathered. In bytes.
public struct ExchangeVolume: Hashable, Sendable {
    /// All that is sent for the sums of gradients.
    public let reduced: Int
    /// All that is sent for the weights.
    public let gathered: Int
    /// Of `reduced`, what the fixed order of additions costs beyond a standard reduce-scatter: a rank whose lanes are no
    /// complete subtree sends several sums.
    public let extra: Int
    /// What leaves or enters the rank that sends or receives most, for the sums of gradients.
    public let busiestReduced: Int
    /// The same for the weights.
    public let busiestGathered: Int

    /// - Parameters:
    ///   - ranges: The lanes of each rank.
    ///   - lanes: Lanes of the batch.
    ///   - padded: Weights, padded to whole blocks.
    public init(lanes ranges: [Range<Int>], of lanes: Int, padded: Int) {
        let block = MemoryPlan.block
        let shards = Placement.deal(padded / block, among: ranges.count).map { $0.count * block }
        let subtrees = ranges.map { LaneShape.subtrees(of: $0, lanes: lanes) }
        let allSubtrees = subtrees.reduce(0, +)
        var (reduced, gathered, busiestReduced, busiestGathered) = (0, 0, 0, 0)
        for (own, shard) in zip(subtrees, shards) {
            let sent = own * (padded - shard)
            reduced += sent
            gathered += shard * (ranges.count - 1)
            busiestReduced = max(busiestReduced, sent, (allSubtrees - own) * shard)
            busiestGathered = max(busiestGathered, shard * (ranges.count - 1), padded - shard)
        }
        let plain = shards.reduce(0) { $0 + padded - $1 }
        (self.reduced, self.gathered, extra) = (4 * reduced, 4 * gathered, 4 * (reduced - plain))
        (self.busiestReduced, self.busiestGathered) = (4 * busiestReduced, 4 * busiestGathered)
    }

    /// All bytes of a step.
    public var total: Int { reduced + gathered }
}
