import Foundation
import Privacy
import Tensor
import TestSupport
import Testing

/// What scikit-learn and SciPy find; Tests/Golden/metrics.py.
private struct MetricsGolden: Decodable {
    struct Rate: Decodable {
        let rate: Double
        let interval: [Double]
    }
    struct Case: Decodable {
        let name: String
        let members, held_out: Int
        let shift: Double
        let levels: Int
        let auc, standard_error, asr: Double
        let auc_interval, asr_interval: [Double]
        let points, every: Int
        let fpr, tpr: [Double]
        /// Infinity is null.
        let thresholds: [Double?]
        let at_1, at_0_1: Rate

        var scores: (members: [Double], heldOut: [Double]) {
            (draw("\(name) members", members, shift), draw("\(name) held out", held_out, 0))
        }

        private func draw(_ name: String, _ count: Int, _ shift: Double) -> [Double] {
            Formula.uniform(name, count).map {
                let value = Double(Float($0) + Float(shift))
                return levels == 0 ? value : ((value + 1) * Double(levels) / 3).rounded(.down)
            }
        }
    }
    struct Binomial: Decodable {
        let k, n: Int
        let confidence: Double
        let interval: [Double]
    }
    struct Regression: Decodable {
        let rows, width: Int
        let ridge: Double
        let labels: [Bool]
        let scores: [Double]
    }
    let cases: [Case]
    let regression: Regression
    let binomial: [Binomial]

    static func load() throws -> MetricsGolden {
        try JSONDecoder().decode(
            MetricsGolden.self, from: Data(contentsOf: goldenFolder.appending(path: "metrics.json")))
    }
}

@Suite struct MetricsTests {
    @Test func curvesAreThoseOfScikitLearn() throws {
        for golden in try MetricsGolden.load().cases {
            let scores = golden.scores
            let curve = ROCCurve(members: scores.members, heldOut: scores.heldOut)
            #expect(curve.points.count == golden.points, "\(golden.name)")
            let kept = stride(from: 0, to: curve.points.count, by: golden.every).map { curve.points[$0] }
            #expect(zip(kept, golden.fpr).allSatisfy { abs($0.falsePositiveRate - $1) < 1e-11 }, "\(golden.name)")
            #expect(zip(kept, golden.tpr).allSatisfy { abs($0.truePositiveRate - $1) < 1e-11 }, "\(golden.name)")
            #expect(kept.map(\.threshold) == golden.thresholds.map { $0 ?? .infinity }, "\(golden.name)")
            #expect(abs(curve.area - golden.auc) < 1e-12, "\(golden.name)")
            #expect(abs(curve.attackSuccessRate - golden.asr) < 1e-12, "\(golden.name)")
            #expect(curve.truePositiveRate(atFalsePositiveRate: 0.01) == golden.at_1.rate, "\(golden.name)")
            #expect(curve.truePositiveRate(atFalsePositiveRate: 0.001) == golden.at_0_1.rate, "\(golden.name)")
        }
    }

    @Test func areasHaveDeLongsErrorAndInterval() throws {
        for golden in try MetricsGolden.load().cases {
            let scores = golden.scores
            let estimate = AreaEstimate(members: scores.members, heldOut: scores.heldOut)
            #expect(abs(estimate.area - golden.auc) < 1e-12, "\(golden.name)")
            #expect(abs(estimate.standardError - golden.standard_error) < 1e-12, "\(golden.name)")
            #expect(
                zip(estimate.interval, golden.auc_interval).allSatisfy { abs($0 - $1) < 1e-12 },
                "\(golden.name): \(estimate.interval), expected \(golden.auc_interval)")
        }
    }

    /// The rate itself is compared above; here its interval with an integral by SciPy.
    @Test func successRatesHaveTheIntervalOfTwoDeviations() throws {
        for golden in try MetricsGolden.load().cases {
            let scores = golden.scores
            let estimate = SuccessEstimate(members: scores.members, heldOut: scores.heldOut)
            #expect(estimate.rate == golden.asr, "\(golden.name)")
            #expect(
                zip(estimate.interval, golden.asr_interval).allSatisfy { abs($0 - $1) < 1e-9 },
                "\(golden.name): \(estimate.interval), expected \(golden.asr_interval)")
        }
    }

    /// Scores that are all the same tell nothing: neither that there is a sign, nor that there is none.
    @Test func equalScoresTellNothing() throws {
        let population = Population(
            isMember: (0..<400).map { $0 % 2 == 0 }, calibration: Array(0..<200), test: Array(200..<400), images: [],
            shape: [1, 1, 1], seed: 1)
        let figures = try AttackEvaluation.figures(
            .init(
                name: "constant", title: "Constant", access: .predictions,
                settings: [.init(settings: [:], evaluations: 1, scores: Array(repeating: 3, count: 400))]), population)
        #expect(figures.auc == 0.5 && figures.aucInterval == [0, 1])
        let release = ReleaseAudit(name: "a", defence: "none", parts: 2, quality: nil, attacks: [figures])
        #expect(Verdict(release).level == .cannotTell)
    }

    @Test func separateSetsAreNoCertainty() {
        let interval = AreaEstimate(members: [2, 3, 4], heldOut: [0, 1]).interval
        #expect(interval[1] == 1)
        #expect(abs(interval[0] - 0.025.squareRoot()) < 1e-12)
    }

    @Test func countsHaveClopperAndPearsonsInterval() throws {
        for golden in try MetricsGolden.load().binomial {
            let found = Binomial.interval(golden.k, of: golden.n, confidence: golden.confidence)
            #expect(
                zip(found, golden.interval).allSatisfy { abs($0 - $1) < 1e-10 }, "\(golden.k) of \(golden.n): \(found)")
        }
    }

    @Test func ratesHaveTheIntervalOfSciPysQuantiles() throws {
        for golden in try MetricsGolden.load().cases {
            let scores = golden.scores
            for (limit, expected) in [(0.01, golden.at_1), (0.001, golden.at_0_1)] {
                let found = RateEstimate(members: scores.members, heldOut: scores.heldOut, limit: limit)
                #expect(found.rate == expected.rate, "\(golden.name) at \(limit)")
                #expect(
                    zip(found.interval, expected.interval).allSatisfy { abs($0 - $1) < 1e-10 },
                    "\(golden.name) at \(limit): \(found.interval), expected \(expected.interval)")
            }
        }
    }

    @Test func logisticRegressionIsThatOfScikitLearn() throws {
        let golden = try MetricsGolden.load().regression
        let values = Formula.uniform("regression features", golden.rows * golden.width)
        let features = (0..<golden.rows).map { row in
            (0..<golden.width).map { values[row * golden.width + $0] * Double(1 + $0) }
        }
        let fitted = LogisticRegression.fit(features, labels: golden.labels, rows: Array(0..<60))
        #expect(fitted.ridge == golden.ridge)
        #expect(zip(features, golden.scores).allSatisfy { abs(fitted.score($0) - $1) < 1e-5 })
    }

    /// Scores of members are normal about 2, of others about 0: the true rate at 1 % is 1 - Phi(2.326 - 2) = 0.372.
    @Test func theIntervalOfARateCoversIt() {
        let truth = 0.37205
        let covered = (0..<200).count { trial in
            func scores(_ stream: Int, _ shift: Double) -> [Double] {
                RandomSource(seed: 3, purpose: .testing, model: stream).normal(count: 400, step: trial, item: 0)
                    .map { Double($0) + shift }
            }
            let interval = RateEstimate(members: scores(0, 2), heldOut: scores(1, 0), limit: 0.01).interval
            return interval[0] <= truth && truth <= interval[1]
        }
        #expect(covered >= 190)
    }

    /// Scores of 100 members and 150 others: normal numbers, those of members shifted.
    private func trial(_ trial: Int, shift: Double) -> (members: [Double], heldOut: [Double]) {
        func scores(_ stream: Int, _ count: Int, _ shift: Double) -> [Double] {
            RandomSource(seed: 3, purpose: .testing, model: stream).normal(count: count, step: trial, item: 0)
                .map { Double($0) + shift }
        }
        return (scores(2, 100, shift), scores(3, 150, 0))
    }

    /// The true area is Phi(shift / sqrt 2). Of 1,000 intervals of 95 %, 950 hold it but for 7 (one deviation) and for what
    /// DeLong's normal approximation costs.
    @Test(arguments: [(0.0, 0.5), (1.0, 0.7602499389)])
    func theIntervalOfAnAreaCoversItAndNoMore(shift: Double, truth: Double) {
        let covered = (0..<1000).count { number in
            let (members, heldOut) = trial(number, shift: shift)
            let interval = AreaEstimate(members: members, heldOut: heldOut).interval
            return interval[0] <= truth && truth <= interval[1]
        }
        #expect((925...975).contains(covered), "\(covered) of 1000")
    }

    /// The true rate is Phi(shift / 2): 0.5 where the scores tell nothing, although every sample has a greater one.
    @Test(arguments: [(0.0, 0.5), (1.0, 0.6914624613), (3.0, 0.9331927987)])
    func theIntervalOfASuccessRateCoversIt(shift: Double, truth: Double) {
        let covered = (0..<1000).count { number in
            let (members, heldOut) = trial(number, shift: shift)
            let estimate = SuccessEstimate(members: members, heldOut: heldOut)
            return estimate.interval[0] <= truth && truth <= estimate.interval[1] && estimate.rate >= 0.5
        }
        #expect(covered >= 950, "\(covered) of 1000")
    }
}
