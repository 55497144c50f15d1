/// Turns an attack's scores into figures under the protocol: hyper-parameters by the calibration half, figures by the
/// test half.
public enum AttackEvaluation {
    /// An attack whose scores have been computed.
    public struct Scored: Sendable {
        /// The name, title and access of the figures.
        public let name, title: String
        /// What the attacker must reach.
        public let access: AttackAccess
        /// One list of scores for each setting.
        public let settings: [ScoredSetting]
        /// Whether something was fitted to the calibration half.
        public let isFitted: Bool

        /// Gathers the scores of an attack.
        public init(
            name: String, title: String, access: AttackAccess, settings: [ScoredSetting], isFitted: Bool = false
        ) {
            self.name = name
            self.title = title
            self.access = access
            self.settings = settings
            self.isFitted = isFitted
        }
    }

    /// A score that is not a number.
    public struct NotFinite: Error, CustomStringConvertible {
        /// What failed.
        public let description: String
    }

    /// The setting whose AUC on the calibration half is greatest; the first among equals.
    public static func calibrated(_ scored: Scored, _ population: Population) -> ScoredSetting {
        precondition(!scored.settings.isEmpty, "the attack \(scored.name) has no setting")
        guard scored.settings.count > 1 else { return scored.settings[0] }
        let areas = scored.settings.map { area($0.scores, population, rows: population.calibration) }
        let best = areas.indices.reduce(0) { areas[$1] > areas[$0] ? $1 : $0 }
        return scored.settings[best]
    }

    /// The figures of an attack.
    ///
    /// - Throws: ``NotFinite`` if a score is not a finite number, or is none as the report keeps it.
    public static func figures(_ scored: Scored, _ population: Population) throws -> AttackFigures {
        for setting in scored.settings {
            guard let row = setting.scores.firstIndex(where: { !Float($0).isFinite }) else { continue }
            throw NotFinite(
                description:
                    "the attack \(scored.name) gave image \(row) of the audit the score \(setting.scores[row]): the "
                    + "model's predictions are not finite; audit an earlier checkpoint, or the other --weights")
        }
        let chosen = calibrated(scored, population)
        let (members, heldOut) = population.divided(chosen.scores, rows: population.test)
        let area = AreaEstimate(members: members, heldOut: heldOut)
        let success = SuccessEstimate(members: members, heldOut: heldOut)
        let onePercent = RateEstimate(members: members, heldOut: heldOut, limit: 0.01)
        let onePerMille = RateEstimate(members: members, heldOut: heldOut, limit: 0.001)
        let optimistic = scored.settings.map { self.area($0.scores, population, rows: population.test) }.max()
        return AttackFigures(
            name: scored.name, title: scored.title, access: scored.access, evaluationsPerImage: chosen.evaluations,
            settings: chosen.settings, auc: area.area, aucInterval: area.interval,
            asr: success.rate, asrInterval: success.interval,
            tprAt1FPR: onePercent.rate, tprAt1FPRInterval: onePercent.interval,
            tprAt01FPR: onePerMille.rate, tprAt01FPRInterval: onePerMille.interval,
            optimisticAUC: scored.settings.count > 1 ? optimistic : nil,
            members: members.count, heldOut: heldOut.count,
            memberScores: members.sorted().map { Float($0) }, heldOutScores: heldOut.sorted().map { Float($0) },
            warnings: warnings(members: members.count, heldOut: heldOut.count))
    }

    private static func area(_ scores: [Double], _ population: Population, rows: [Int]) -> Double {
        let (members, heldOut) = population.divided(scores, rows: rows)
        return ROCCurve(members: members, heldOut: heldOut).area
    }

    /// What is too small: a rate needs some ten held-out images beyond its threshold, an area some hundred images.
    static func warnings(members: Int, heldOut: Int) -> [String] {
        var warnings: [String] = []
        if min(members, heldOut) < 100 {
            warnings.append("\(members) members and \(heldOut) held-out images are too few for a reliable AUC")
        }
        for (name, rate) in [("1 %", 0.01), ("0.1 %", 0.001)] where Double(heldOut) * rate < 10 {
            let allowed = Int((Double(heldOut) * rate).nextUp.rounded(.down))
            warnings.append(
                "the TPR at \(name) FPR rests on \(allowed) of \(heldOut) held-out images: see its interval")
        }
        return warnings
    }
}
