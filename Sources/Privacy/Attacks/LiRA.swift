import Foundation

/// LiRA, offline: Carlini et al., S&P 2022 (arXiv 2112.03570), done to diffusion models in arXiv 2301.13188. Some images
/// are easy for every model; whether the release knows an image is seen by comparison with shadow models that do not.
///
///     score = (phi(s(x)) - mean_j phi(s_j(x))) / deviation
///
/// s is the score of a published attack on the release, s_j that on the shadow models that were not trained on x. phi is
/// -log(-s) for an attack whose score is a distance with its sign turned, as the log makes a distance more normal. The
/// deviation over the shadow models is either that of all images together, which changes no order (the paper's advice for
/// few shadow models), or that of the image itself, for three shadow models or more. An image that every shadow model was
/// trained on scores 0: nothing speaks for it or against it.
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
        let unseen = release.scores.indices.map { row in
            shadows.filter { !$0.hasSeen[row] }.map { phi($0.scores[row]) }
        }
        let means = unseen.map { $0.reduce(0, +) / Double(max(1, $0.count)) }
        let excess = release.scores.indices.map { unseen[$0].isEmpty ? 0 : phi(release.scores[$0]) - means[$0] }
        func setting(_ deviation: String, _ scores: [Double]) -> ScoredSetting {
            ScoredSetting(
                settings: release.settings.merging(["deviation": deviation]) { $1 }, evaluations: release.evaluations,
                scores: scores)
        }
        let common = setting("common", excess)
        guard unseen.allSatisfy({ $0.isEmpty || $0.count >= 3 }) else { return [common] }
        let deviations = unseen.enumerated().map { row, scores in
            let squares = scores.reduce(0) { $0 + ($1 - means[row]) * ($1 - means[row]) }
            return (squares / Double(max(1, scores.count - 1))).squareRoot()
        }
        let own = zip(excess, deviations).map { $0 / max($1, 1e-12) }
        return [common, setting("of the image", own)]
    }
}
