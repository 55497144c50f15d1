/// The exact receiver operating characteristic of scores, members being the positives: one point for each distinct
/// score, so that ties are one oblique step.
public struct ROCCurve: Hashable, Sendable {
    /// A threshold's rates: an image is called a member if its score is at least the threshold.
    public struct Point: Hashable, Sendable {
        /// The threshold; infinity for the point at which nothing is called a member.
        public let threshold: Double
        /// Share of held-out images called members.
        public let falsePositiveRate: Double
        /// Share of members called members.
        public let truePositiveRate: Double
    }

    /// From (0, 0) to (1, 1), thresholds descending.
    public let points: [Point]
    /// Number of members.
    public let members: Int
    /// Number of held-out images.
    public let heldOut: Int

    /// Computes the curve.
    ///
    /// - Parameters:
    ///   - members: Scores of images that were trained on, at least one, none of them NaN.
    ///   - heldOut: Scores of images that were not, likewise.
    public init(members: [Double], heldOut: [Double]) {
        precondition(!members.isEmpty && !heldOut.isEmpty, "a ROC curve needs members and held-out images")
        precondition(!(members + heldOut).contains { $0.isNaN }, "a score is not a number")
        self.members = members.count
        self.heldOut = heldOut.count
        let sorted = (members.map { ($0, true) } + heldOut.map { ($0, false) }).sorted { $0.0 > $1.0 }
        var points = [Point(threshold: .infinity, falsePositiveRate: 0, truePositiveRate: 0)]
        var (hits, falseAlarms) = (0, 0)
        for (index, (score, isMember)) in sorted.enumerated() {
            if isMember { hits += 1 } else { falseAlarms += 1 }
            guard index + 1 == sorted.count || sorted[index + 1].0 != score else { continue }
            points.append(
                Point(
                    threshold: score, falsePositiveRate: Double(falseAlarms) / Double(heldOut.count),
                    truePositiveRate: Double(hits) / Double(members.count)))
        }
        self.points = points
    }

    /// The area under the curve: the probability that a member scores higher than a held-out image, ties counting half.
    public var area: Double {
        zip(points, points.dropFirst()).reduce(0) { sum, step in
            let (from, to) = step
            return sum + (to.falsePositiveRate - from.falsePositiveRate)
                * (to.truePositiveRate + from.truePositiveRate) / 2
        }
    }

    /// Attack success rate: the greatest (TPR + 1 - FPR) / 2 over thresholds.
    public var attackSuccessRate: Double {
        points.reduce(0) { max($0, ($1.truePositiveRate + 1 - $1.falsePositiveRate) / 2) }
    }

    /// The greatest true-positive rate of a threshold whose false-positive rate is at most `limit`.
    public func truePositiveRate(atFalsePositiveRate limit: Double) -> Double {
        // A rate of 10 / 1000 must count as 0.01, whatever the rounding of the quotient.
        let allowed = Int((limit * Double(heldOut)).nextUp.rounded(.down))
        return points.last { ($0.falsePositiveRate * Double(heldOut)).rounded() <= Double(allowed) }?.truePositiveRate
            ?? 0
    }
}
