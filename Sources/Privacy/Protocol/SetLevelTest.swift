import Tensor

/// Whether a *group* of images was in training: weak evidence about each image adds up over a set.
///
/// Per-image attacks may fail where a test of sets does not (Li et al., arXiv 2502.02970, on distilled generators). Here
/// the score of a set is the mean of its images' scores by the attack that is strongest on the calibration half, unless
/// something was fitted to that half for it: there such an attack looks stronger than it is.
///
/// For each image as many evaluations as that attack, and they are the same ones.
public enum SetLevelTest {
    /// Images of one set.
    public static let size = 16
    /// Fewest sets of members, and of held-out images.
    public static let fewestSets = 8

    /// Why there can be no test, as half a sentence; nil if there can.
    ///
    /// - Parameters:
    ///   - attacks: What has been scored.
    ///   - population: Whose test half would be cut into sets.
    public static func obstacle(_ attacks: [AttackEvaluation.Scored], _ population: Population) -> String? {
        if attacks.isEmpty { return "no attack on single images was measured whose scores it could join" }
        let members = population.test.count { population.isMember[$0] }
        let heldOut = population.test.count - members
        guard min(members, heldOut) < size * fewestSets else { return nil }
        return "\(fewestSets) sets of \(size) images need \(size * fewestSets) members and as many held-out images in "
            + "the test half, which has \(members) and \(heldOut)"
    }

    /// The figures of the test, its members being sets; nil if there is an ``obstacle(_:_:)``.
    ///
    /// - Parameters:
    ///   - attacks: What has been scored.
    ///   - population: Whose test half is cut into disjoint sets, at random.
    /// - Throws: ``AttackEvaluation/NotFinite``.
    public static func figures(
        _ attacks: [AttackEvaluation.Scored], _ population: Population
    ) throws -> AttackFigures? {
        guard obstacle(attacks, population) == nil else { return nil }
        let honest = attacks.filter { !$0.isFitted }
        let chosen = (honest.isEmpty ? attacks : honest).map {
            attack -> (name: String, setting: ScoredSetting, area: Double) in
            let setting = AttackEvaluation.calibrated(attack, population)
            let (members, heldOut) = population.divided(setting.scores, rows: population.calibration)
            return (attack.name, setting, ROCCurve(members: members, heldOut: heldOut).area)
        }
        let best = chosen.dropFirst().reduce(chosen[0]) { $1.area > $0.area ? $1 : $0 }
        let source = RandomSource(seed: population.seed, purpose: .audit)
        func sets(_ isMember: Bool) -> [[Int]] {
            let rows = population.test.filter { population.isMember[$0] == isMember }
            let order = source.permutation(of: rows.count, step: isMember ? 3 : 4).map { rows[$0] }
            return (0..<rows.count / size).map { Array(order[$0 * size..<($0 + 1) * size]) }
        }
        let (members, heldOut) = (sets(true), sets(false))
        let scores = (members + heldOut).map { set in
            set.reduce(0) { $0 + best.setting.scores[$1] } / Double(set.count)
        }
        let groups = Population(
            isMember: members.map { _ in true } + heldOut.map { _ in false }, calibration: [],
            test: Array(scores.indices), images: [], shape: population.shape, seed: population.seed)
        var figures = try AttackEvaluation.figures(
            AttackEvaluation.Scored(
                name: AttackSelection.sets, title: "Sets of \(size) images, mean score (after arXiv 2502.02970)",
                access: attacks.first { $0.name == best.name }?.access ?? .predictions,
                settings: [
                    ScoredSetting(
                        settings: best.setting.settings.merging(["attack": best.name, "images": "\(size)"]) { $1 },
                        evaluations: best.setting.evaluations, scores: scores)
                ]), groups)
        figures.warnings.insert("members and held-out images are sets of \(size) images here", at: 0)
        return figures
    }
}
