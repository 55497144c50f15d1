/// Who holds which lanes and which shard, and what an ordered reduce-scatter over them costs. Pure arithmetic.
public struct ReductionPlan: Hashable, Sendable {
    /// How much memory a reduce-scatter may use for what it receives, and in what portions.
    public struct Limits: Hashable, Sendable {
        /// Bytes for received sums; kept to unless single blocks need more.
        public var temporaryBytes: Int
        /// The largest piece of a shard handled at a time, in floats.
        public var pieceFloats: Int
        /// Pieces under way at a time.
        public var piecesInFlight: Int

        /// Limits; the values given by default suit ranks on one host as well as ranks on a network.
        public init(temporaryBytes: Int = 64 << 20, pieceFloats: Int = 1 << 20, piecesInFlight: Int = 3) {
            precondition(
                temporaryBytes > 0 && pieceFloats > 0 && piecesInFlight > 0,
                "limits of a reduction are positive: \(temporaryBytes), \(pieceFloats), \(piecesInFlight)")
            self.temporaryBytes = temporaryBytes
            self.pieceFloats = pieceFloats
            self.piecesInFlight = piecesInFlight
        }
    }

    /// The tree in which lanes are added.
    public let tree: LaneTree

    /// Who owns which part of the flat vector.
    public let shards: Shards

    /// The lanes of each rank.
    public let lanes: [Range<Int>]

    /// The complete subtrees that each rank adds up on its own; from rank 0 on, they cover the tree from left to right.
    public let subtrees: [[Range<Int>]]

    /// How much memory may be used.
    public let limits: Limits

    /// Positions at which the vectors may go on in another place, ascending: no piece reaches over one.
    public let cuts: [Int]

    /// Floats of a shard that each rank handles at a time.
    private let pieceFloats: [Int]

    /// Plans the reduction of `lanes` lanes by the ranks that share `shards`.
    public init(lanes: Int, shards: Shards, limits: Limits = Limits(), cuts: [Int] = []) {
        precondition(zip(cuts, cuts.dropFirst()).allSatisfy(<), "cuts ascend: \(cuts)")
        let tree = LaneTree(lanes: lanes)
        let ranges = contiguousRanges(count: lanes, among: shards.ranks)
        self.tree = tree
        self.shards = shards
        self.lanes = ranges
        self.limits = limits
        self.cuts = cuts
        subtrees = ranges.map { $0.isEmpty ? [] : tree.subtrees(of: $0) }
        let sums = subtrees.map(\.count)
        let all = sums.reduce(0, +)
        pieceFloats = sums.map { Self.pieceFloats(receiving: all - $0, limits) }
    }

    private static func pieceFloats(receiving sums: Int, _ limits: Limits) -> Int {
        guard sums > 0 else { return limits.pieceFloats }
        let affordable = limits.temporaryBytes / (sums * limits.piecesInFlight * MemoryLayout<Float>.stride)
        return max(1024, min(limits.pieceFloats, affordable / 1024 * 1024))
    }

    /// The number of ranks.
    public var ranks: Int { shards.ranks }

    /// The additions over all ranks' subtrees, from left to right.
    public var additions: [LaneTree.Addition] { tree.additions(over: subtrees.flatMap(\.self)) }

    /// Floats of a shard handled at a time by `rank`: as many as the limits allow, at least 1,024.
    ///
    /// Every rank uses the piece size of the rank that receives, so both sides cut alike.
    public func pieceFloats(receivingAt rank: Int) -> Int { pieceFloats[rank] }

    /// The pieces of one shard's part of some ranges, in the order in which its owner receives them.
    func pieces(of ranges: [Range<Int>], ownedBy owner: Int) -> [Range<Int>] {
        let floats = pieceFloats(receivingAt: owner)
        return ranges.flatMap { range in
            places(of: shards[owner].clamped(to: range)).flatMap { place in
                stride(from: place.lowerBound, to: place.upperBound, by: floats).map {
                    $0..<min($0 + floats, place.upperBound)
                }
            }
        }
    }

    /// A range, cut where the vectors may go on in another place.
    private func places(of range: Range<Int>) -> [Range<Int>] {
        let within = cuts.filter { range.lowerBound < $0 && $0 < range.upperBound }
        return zip([range.lowerBound] + within, within + [range.upperBound]).map { $0..<$1 }
    }

    /// Bytes of memory that a reduce-scatter at `rank` uses for what it receives.
    public func temporaryBytes(at rank: Int) -> Int {
        let piece = min(pieceFloats(receivingAt: rank), shards[rank].count)
        return receivedSums(at: rank) * limits.piecesInFlight * piece * MemoryLayout<Float>.stride
    }

    /// Bytes that `rank` sends in one reduce-scatter: each of its subtrees' sums to the owner of each other shard.
    public func bytesSent(by rank: Int) -> Int {
        subtrees[rank].count * (shards.count - shards[rank].count) * MemoryLayout<Float>.stride
    }

    /// Bytes that a standard reduce-scatter would send from `rank`: one sum to the owner of each other shard.
    public func bytesSentByStandardReduceScatter(by rank: Int) -> Int {
        (shards.count - shards[rank].count) * MemoryLayout<Float>.stride
    }

    /// Bytes that all ranks together send beyond a standard reduce-scatter: the price of the fixed order, zero when
    /// each rank's lanes form a complete subtree.
    public var extraBytes: Int {
        (0..<ranks).reduce(0) { $0 + bytesSent(by: $1) - bytesSentByStandardReduceScatter(by: $1) }
    }

    private func receivedSums(at rank: Int) -> Int {
        subtrees.reduce(0) { $0 + $1.count } - subtrees[rank].count
    }
}
