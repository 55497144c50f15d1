/// One point of a ROC curve.
struct RatePoint: Hashable, Sendable {
    /// Share of held-out images that score at least the threshold.
    let falsePositiveRate: Double
    /// Share of members that do.
    let truePositiveRate: Double
    /// The threshold; infinite for the first point.
    let threshold: Float
}

/// What is drawn of an attack's scores: its exact ROC curve, and how the scores are spread.
struct ReportCurve: Sendable {
    /// From (0, 0) to (1, 1): one point for each distinct score, the highest first.
    let points: [RatePoint]
    private let members: [Float]
    private let heldOut: [Float]

    /// - Parameters: ascending scores, as `AttackFigures` has them.
    init(members: [Float], heldOut: [Float]) {
        self.members = members
        self.heldOut = heldOut
        var points = [RatePoint(falsePositiveRate: 0, truePositiveRate: 0, threshold: .infinity)]
        var (left, right) = (members.count, heldOut.count)
        while left > 0 || right > 0 {
            let threshold = max(left > 0 ? members[left - 1] : -.infinity, right > 0 ? heldOut[right - 1] : -.infinity)
            while left > 0 && members[left - 1] >= threshold { left -= 1 }
            while right > 0 && heldOut[right - 1] >= threshold { right -= 1 }
            points.append(
                RatePoint(
                    falsePositiveRate: Double(heldOut.count - right) / Double(max(heldOut.count, 1)),
                    truePositiveRate: Double(members.count - left) / Double(max(members.count, 1)),
                    threshold: threshold))
        }
        self.points = points
    }

    /// Whether there are scores on both sides.
    var isDrawable: Bool { !members.isEmpty && !heldOut.isEmpty }

    /// Shares of members and held-out images in equal bins between the 0.5 % and 99.5 % quantiles of all scores; what lies
    /// beyond counts in the last bins.
    func histogram(bins: Int) -> (members: [Double], heldOut: [Double]) {
        let all = (members + heldOut).sorted()
        guard let first = all.first, let last = all.last else { return ([], []) }
        var (low, high) = (all[all.count / 200], all[all.count - 1 - all.count / 200])
        if low == high { (low, high) = (first, last) }
        func shares(_ scores: [Float]) -> [Double] {
            var counts = [Double](repeating: 0, count: bins)
            // In Double, and within the bins before it is an integer: a score may lie beyond any number of bins.
            let (start, extent) = (Double(low), Double(high) - Double(low))
            for score in scores {
                let share = extent > 0 ? (Double(score) - start) / extent : 0.5
                counts[Int(min(max(share * Double(bins), 0), Double(bins - 1)))] += 1
            }
            return counts.map { $0 / Double(max(scores.count, 1)) }
        }
        return (shares(members), shares(heldOut))
    }
}
