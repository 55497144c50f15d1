/// Deals `0..<count` to `takers` in contiguous ranges that differ in length by at most one, the longer ones first.
///
/// Lanes are dealt to ranks, ranks to groups and blocks to shards in this way. With more takers than things, the last
/// takers get empty ranges.
///
/// - Precondition: `count >= 0` and `takers > 0`.
public func contiguousRanges(count: Int, among takers: Int) -> [Range<Int>] {
    precondition(count >= 0, "there is no negative number of things to deal: \(count)")
    precondition(takers > 0, "nothing can be dealt to \(takers) takers")
    let (share, longer) = count.quotientAndRemainder(dividingBy: takers)
    var start = 0
    return (0..<takers).map { taker in
        let end = start + share + (taker < longer ? 1 : 0)
        defer { start = end }
        return start..<end
    }
}
