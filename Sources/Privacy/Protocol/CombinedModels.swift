/// The adaptive attack on a release of several models: an attacker who holds all of them attacks with each and joins the
/// scores. A member was trained on by one of the models (DualMD), and by none of the others.
///
/// As many evaluations as the attack takes on each of the models, added up; none beyond those.
public enum CombinedModels {
    /// Joins the scores of one attack with several models.
    ///
    /// The scores of each model are standardised over the calibration images; then their greatest value, their mean and
    /// the distance between the greatest and the least are three settings, of which calibration chooses.
    ///
    /// - Parameters:
    ///   - models: For each model the attack's settings, alike in number and order.
    ///   - population: Which images calibrate.
    public static func join(_ models: [[ScoredSetting]], _ population: Population) -> [ScoredSetting] {
        guard let first = models.first else { preconditionFailure("there are no models whose scores could be joined") }
        precondition(models.allSatisfy { $0.count == first.count }, "the models' attacks have different settings")
        return first.indices.flatMap { index -> [ScoredSetting] in
            let standard = models.map { standardized($0[index].scores, over: population.calibration) }
            let evaluations = models.reduce(0) { $0 + $1[index].evaluations }
            func setting(_ name: String, _ score: ([Double]) -> Double) -> ScoredSetting {
                ScoredSetting(
                    settings: first[index].settings.merging(["join": name]) { $1 }, evaluations: evaluations,
                    scores: first[index].scores.indices.map { row in score(standard.map { $0[row] }) })
            }
            return [
                setting("greatest") { $0.max() ?? 0 },
                setting("mean") { $0.reduce(0, +) / Double($0.count) },
                setting("spread") { ($0.max() ?? 0) - ($0.min() ?? 0) },
            ]
        }
    }
}
