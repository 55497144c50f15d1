import Foundation

/// LiRA: Carlini et al., S&P 2022 (arXiv 2112.03570), done to diffusion models in arXiv 2301.13188. Some images are easy for
/// every model; whether the release knows an image is seen by comparison with shadow models that do not, and with some that do.
///
/// Offline:
///
///     score = (phi(s(x)) - mean_j phi(s_j(x))) / deviation
///
/// s is the score of a published attack on the release, s_j that on the shadow models that were not trained on x. phi is
/// -log(-s) for an attack whose score is a distance with its sign turned, as the log makes a distance more normal. The
/// deviation over the shadow models is either that of all images together, which changes no order (the paper's advice for
/// few shadow models), or that of the image itself, for three shadow models or more. An image that every shadow model was
/// trained on scores 0: nothing speaks for it or against it.
///
/// Online, a setting of its own where some images were seen by some shadow models and not by others:
///
///     score = log N(phi(s(x)); mean_in, variance_in) - log N(phi(s(x)); mean_out, variance_out)
///
/// with the means over the shadow models that were trained on x and over those that were not, and variances of all images
/// together (the paper's advice for few). To an image that has one of the means only, the other lies as far off as the two do
/// on average over images that have both; that is ours, and leaves the order of such images as it is offline.
///
/// As many evaluations of the release as the attack that is compared. Every shadow model is asked as much about every image;
/// that is not counted as the cost of an image, since the attacker's own models answer, but a budget counts it.
package struct LiRA: MembershipAttack {
    package let name: String
    package let title: String
    package let access = AttackAccess.training
    private let attacks: [any MembershipAttack]
    package var measurement: any AttackMeasurement { attacks[0].measurement }
    package var shadowImages: ShadowModel.Images? { .candidates }

    /// - Parameters:
    ///   - name: A stable name.
    ///   - attacks: Attacks that share one measurement and fit nothing.
    init(_ name: String, of attacks: [any MembershipAttack]) {
        precondition(
            Set(attacks.map(\.measurement.key)).count == 1, "LiRA compares scores that are formed of one measurement")
        self.name = name
        self.attacks = attacks
        title = "LiRA on \(attacks[0].title), shadow models (arXiv 2112.03570)"
    }

    package func scores(_ table: MeasurementTable, _ population: Population) -> [ScoredSetting] {
        let answers = population.shadows.compactMap { shadow in
            shadow.table(of: measurement, on: .candidates).map { (hasSeen: shadow.hasSeen, table: $0) }
        }
        return attacks.flatMap { attack -> [ScoredSetting] in
            let release = attack.scores(table, population)
            let shadows = answers.map { attack.scores($0.table, population) }
            return release.indices.flatMap { index in
                compare(
                    release[index], shadows.enumerated().map { (answers[$0].hasSeen, $1[index].scores) })
            }
        }
    }

    private func compare(
        _ release: ScoredSetting, _ shadows: [(hasSeen: [Bool], scores: [Double])]
    ) -> [ScoredSetting] {
        let isDistance = ([release.scores] + shadows.map(\.scores)).allSatisfy { $0.allSatisfy { $0 < 0 } }
        let phi = { (score: Double) in isDistance ? -log(-score) : score }
        let scores = release.scores.map(phi)
        func answers(ofThoseThatHaveSeen: Bool) -> ShadowAnswers {
            ShadowAnswers(
                scores.indices.map { row in
                    shadows.filter { $0.hasSeen[row] == ofThoseThatHaveSeen }.map { phi($0.scores[row]) }
                })
        }
        func setting(_ settings: [String: String], _ scores: [Double]) -> ScoredSetting {
            ScoredSetting(
                settings: release.settings.merging(settings) { $1 }, evaluations: release.evaluations, scores: scores)
        }
        let unseen = answers(ofThoseThatHaveSeen: false)
        let excess = zip(scores, unseen.means).map { score, mean in mean.map { score - $0 } ?? 0 }
        var found = [setting(["deviation": "common"], excess)]
        if let deviations = unseen.deviations {
            found.append(setting(["deviation": "of the image"], zip(excess, deviations).map { $0 / max($1, 1e-12) }))
        }
        if let ratios = likelihoodRatios(scores, answers(ofThoseThatHaveSeen: true), unseen) {
            found.append(setting(["deviation": "common", "shadows": "of both kinds"], ratios))
        }
        return found
    }

    /// The online score of every image; nil if no image has been seen by some shadow models and not by others, or nothing
    /// tells how far answers about an image vary.
    private func likelihoodRatios(_ scores: [Double], _ seen: ShadowAnswers, _ unseen: ShadowAnswers) -> [Double]? {
        let distances = zip(seen.means, unseen.means).compactMap { pair in
            pair.0.flatMap { one in pair.1.map { one - $0 } }
        }
        guard !distances.isEmpty, let outside = unseen.commonVariance ?? seen.commonVariance, outside > 0 else {
            return nil
        }
        let distance = distances.reduce(0, +) / Double(distances.count)
        let inside = seen.commonVariance.map { $0 > 0 ? $0 : outside } ?? outside
        func logDensity(_ score: Double, _ mean: Double, _ variance: Double) -> Double {
            -(score - mean) * (score - mean) / (2 * variance) - log(variance) / 2
        }
        return scores.indices.map { row in
            guard let without = unseen.means[row] ?? seen.means[row].map({ $0 - distance }) else { return 0 }
            let with = seen.means[row] ?? without + distance
            return logDensity(scores[row], with, inside) - logDensity(scores[row], without, outside)
        }
    }
}

/// What shadow models of one kind say about each image.
private struct ShadowAnswers {
    let answers: [[Double]]
    /// Mean over the models; nil where there is none.
    let means: [Double?]

    init(_ answers: [[Double]]) {
        self.answers = answers
        means = answers.map { $0.isEmpty ? nil : $0.reduce(0, +) / Double($0.count) }
    }

    private var squares: [Double] {
        zip(answers, means).map { answers, mean in
            answers.reduce(0) { $0 + ($1 - (mean ?? 0)) * ($1 - (mean ?? 0)) }
        }
    }

    /// The deviation over models for each image; nil unless every image that has answers has three.
    var deviations: [Double]? {
        guard answers.allSatisfy({ $0.isEmpty || $0.count >= 3 }) else { return nil }
        return zip(answers, squares).map { ($1 / Double(max(1, $0.count - 1))).squareRoot() }
    }

    /// The variance over models, of all images together; nil if no image has two answers.
    var commonVariance: Double? {
        let freedom = answers.reduce(0) { $0 + max(0, $1.count - 1) }
        return freedom > 0 ? squares.reduce(0, +) / Double(freedom) : nil
    }
}
