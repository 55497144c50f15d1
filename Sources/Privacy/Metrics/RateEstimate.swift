/// The true-positive rate at a small false-positive rate, with its confidence interval.
///
/// The threshold is itself estimated, from a handful of held-out images, and resampling cannot tell how uncertain it is:
/// the bootstrap is inconsistent for extreme order statistics, and at a rate of 0.1 % the threshold is one. So two exact
/// statements are joined, each with confidence 97.5 %: two order statistics of the held-out scores enclose the threshold
/// whose true false-positive rate is `limit` (a binomial statement, free of any distribution), and Clopper and Pearson's
/// interval encloses the true-positive rate at each of them. The interval covers with at least 95 %. Where the held-out
/// images are too few for a threshold to be excluded, an end is 0 or 1, as it should be.
public struct RateEstimate: Hashable, Sendable {
    /// The greatest TPR of a threshold whose FPR is at most `limit`.
    public let rate: Double
    /// 95 % confidence interval, low and high.
    public let interval: [Double]

    /// Computes the rate.
    ///
    /// - Parameters:
    ///   - members: Scores of images that were trained on.
    ///   - heldOut: Scores of images that were not.
    ///   - limit: The false-positive rate, in (0, 1).
    public init(members: [Double], heldOut: [Double], limit: Double) {
        let curve = ROCCurve(members: members, heldOut: heldOut)
        rate = curve.truePositiveRate(atFalsePositiveRate: limit)
        let descending = heldOut.sorted(by: >)
        let count = heldOut.count
        // The number of held-out images above the true threshold is Binomial(count, limit).
        let tail = 0.0125
        let fewest = (0...count).first { Binomial.cumulative($0, of: count, probability: limit) > tail } ?? count
        let most = (0...count).first { Binomial.cumulative($0, of: count, probability: limit) >= 1 - tail } ?? count
        // With at least `fewest` above it, the true threshold lies below the `fewest`-th greatest score; with at most
        // `most`, not below the next.
        let high = fewest == 0 ? Double.infinity : descending[fewest - 1]
        let low = most < count ? descending[most] : -Double.infinity
        let certain = members.count { $0 > high }
        let possible = members.count { $0 >= low }
        interval = [
            min(rate, Binomial.interval(certain, of: members.count, confidence: 0.975)[0]),
            max(rate, Binomial.interval(possible, of: members.count, confidence: 0.975)[1]),
        ]
    }
}
