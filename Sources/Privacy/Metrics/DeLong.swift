/// The area under a ROC curve with its confidence interval.
public struct AreaEstimate: Hashable, Sendable {
    /// The area.
    public let area: Double
    /// Its standard error.
    public let standardError: Double
    /// 95 % confidence interval, low and high, within [0, 1].
    public let interval: [Double]

    /// DeLong, DeLong and Clarke-Pearson 1988, equations 1 to 4, for one curve, by ranks (Sun and Xu 2014).
    ///
    /// For member i, V_i is the share of held-out images that score lower (ties half), for held-out j, W_j the share of
    /// members that score higher; the variance is var(V) / members + var(W) / heldOut. Where the two sets do not overlap
    /// the variance is 0, which says nothing: then the interval's inner end is the area that min(members, heldOut)
    /// independent pairs, all in one order, leave possible, 0.025^(1 / min). Where all scores are the same it is 0, too, and
    /// nothing is known about the order of any two images: the interval is [0, 1].
    ///
    /// - Parameters:
    ///   - members: Scores of images that were trained on, at least two, none of them NaN.
    ///   - heldOut: Scores of images that were not, likewise.
    public init(members: [Double], heldOut: [Double]) {
        precondition(members.count > 1 && heldOut.count > 1, "a variance needs two members and two held-out images")
        let all = midranks(members + heldOut)
        let (m, n) = (Double(members.count), Double(heldOut.count))
        let memberShares = zip(all, midranks(members)).map { ($0 - $1) / n }
        let heldOutShares = zip(all.dropFirst(members.count), midranks(heldOut)).map { 1 - ($0 - $1) / m }
        area = memberShares.reduce(0, +) / m
        standardError = (variance(memberShares) / m + variance(heldOutShares) / n).squareRoot()
        if standardError > 0 {
            let reach = 1.959963984540054 * standardError
            interval = [max(0, area - reach), min(1, area + reach)]
        } else {
            let possible = power(0.025, 1 / min(m, n))
            interval = area > 0.5 ? [possible, 1] : area < 0.5 ? [0, 1 - possible] : [0, 1]
        }
    }
}

/// Ranks from 1 on; equal values share the mean of theirs.
func midranks(_ values: [Double]) -> [Double] {
    let order = values.indices.sorted { values[$0] < values[$1] }
    var ranks = [Double](repeating: 0, count: values.count)
    var start = 0
    while start < order.count {
        var end = start
        while end < order.count && values[order[end]] == values[order[start]] { end += 1 }
        for position in start..<end { ranks[order[position]] = Double(start + end + 1) / 2 }
        start = end
    }
    return ranks
}

private func variance(_ values: [Double]) -> Double {
    let mean = values.reduce(0, +) / Double(values.count)
    return values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)
}
