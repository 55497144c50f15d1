/// The flat parameter vector dealt to ranks: whole blocks of 16,384 floats, in contiguous ranges that differ by at
/// most one block, the longer ones first.
public struct Shards: Hashable, Sendable {
    /// Floats in a block; the flat vector is padded to a multiple of it.
    public static let blockSize = 16_384

    /// Floats in the whole padded vector.
    public let count: Int

    /// The float positions that each rank owns, in rank order; together they are `0..<count`.
    public let ranges: [Range<Int>]

    /// Deals a vector to `ranks`.
    ///
    /// - Precondition: `paddedCount` is a multiple of `blockSize`, and `ranks > 0`.
    public init(paddedCount: Int, ranks: Int) {
        precondition(
            paddedCount % Self.blockSize == 0,
            "a flat vector is padded to blocks of \(Self.blockSize) floats; \(paddedCount) is no multiple")
        count = paddedCount
        ranges = contiguousRanges(count: paddedCount / Self.blockSize, among: ranks).map {
            $0.lowerBound * Self.blockSize..<$0.upperBound * Self.blockSize
        }
    }

    /// How many ranks share the vector.
    public var ranks: Int { ranges.count }

    /// The float positions that `rank` owns.
    public subscript(rank: Int) -> Range<Int> { ranges[rank] }

    /// The block numbers that `rank` owns.
    public func blocks(of rank: Int) -> Range<Int> {
        ranges[rank].lowerBound / Self.blockSize..<ranges[rank].upperBound / Self.blockSize
    }

    /// Bytes that `rank` sends when the shards are gathered into the full vector on every rank.
    public func bytesSentGathering(by rank: Int) -> Int {
        ranges[rank].count * (ranks - 1) * MemoryLayout<Float>.stride
    }
}
