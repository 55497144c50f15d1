#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What an audit means for one release, by fixed rules that the page states.
package struct Verdict: Hashable, Sendable {
    /// Whether to release.
    package enum Level: Int, CaseIterable, Sendable {
        /// Something clearly betrays members.
        case doNotRelease
        /// Something betrays them a little.
        case weigh
        /// Nothing does, but a working attack could have been missed.
        case cannotTell
        /// Nothing does, and not for lack of images.
        case noSign

        /// The mark beside the release.
        package var title: String {
            switch self {
            case .doNotRelease: "do not release"
            case .weigh: "weigh"
            case .cannotTell: "cannot tell"
            case .noSign: "no sign found"
            }
        }
    }

    /// Whether to release.
    package let level: Level
    /// The verdict in a sentence that names the release.
    package let sentence: String

    /// An AUC whose whole interval, widened for the number of attacks, lies above this is a working attack.
    static let clearAUC = 0.60
    /// So is a true-positive rate at 1 % false positives whose interval lies above this, and as clear is a share of
    /// extracted samples above it.
    static let clearShare = 0.05
    /// A share of extracted samples counts as a sign above this: twice what the test gives without memory.
    static let suspectExtraction = 2 * Memorisation.quantile

    /// Judges a release.
    package init(_ release: ReleaseAudit) {
        let evidence = Evidence.all(of: release)
        let (clear, signs) = (evidence.filter(\.isClear), evidence.filter(\.isSign))
        let (name, attacks) = (release.name, release.attacksOnImages)
        if !clear.isEmpty {
            level = .doNotRelease
            sentence = "Do not release \(name): \(Self.joined(clear))."
        } else if !signs.isEmpty {
            level = .weigh
            sentence = "\(name) betrays a little about its members: \(Self.joined(signs))."
        } else if let strongest = Self.strongest(of: release) {
            // Not widened: that no attack has more is claimed of each by its own interval, and no figure was chosen.
            let end = attacks.map { Self.turned($0).high }.max() ?? 1
            let none =
                attacks.count == 1
                ? "the one attack tried did no better than guessing"
                : "none of \(attacks.count) attacks did better than guessing, their number allowed for"
            if end > Self.clearAUC {
                level = .cannotTell
                sentence =
                    "The audit cannot tell whether \(name) hides its members: \(none), but so few images do not "
                    + "exclude an AUC of \(FigureText.decimal(end, 2))."
            } else {
                level = .noSign
                sentence =
                    "No sign of its members was found in \(name): \(none); the strongest, \(strongest.title), has "
                    + "\(Self.text(strongest))."
            }
        } else {
            level = .cannotTell
            sentence = "\(name) was not attacked: nothing is known about how well it hides its members."
        }
    }

    /// The attack on single images with the greatest AUC, whichever way round its score is.
    ///
    /// - Parameters:
    ///   - release: The release.
    ///   - access: What the attacker can reach; nil for anything.
    package static func strongest(of release: ReleaseAudit, reaching access: AttackAccess? = nil) -> AttackFigures? {
        release.ranked.first { !$0.isOfSets && (access == nil || $0.access == access) }
    }

    /// An attack's AUC, or one less it if that is more.
    static func strength(_ attack: AttackFigures) -> Double { turned(attack).auc }

    /// An attack's AUC and its interval; mirrored if it is below one half, since an attacker can turn a score round.
    fileprivate static func turned(_ attack: AttackFigures) -> (auc: Double, low: Double, high: Double) {
        let (low, high) = (attack.aucInterval.first ?? 0, attack.aucInterval.last ?? 1)
        return attack.auc < 0.5 ? (1 - attack.auc, 1 - high, 1 - low) : (attack.auc, low, high)
    }

    fileprivate static func text(_ attack: AttackFigures) -> String {
        "AUC \(FigureText.decimal(attack.auc, 2)) (\(FigureText.interval(attack.aucInterval, 2)))"
    }

    private static func joined(_ evidence: [Evidence]) -> String {
        evidence.map(\.text).joined(separator: "; and ")
    }

    /// Wilson's 95 % interval of a share.
    ///
    /// Wilson 1927: (p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n), z = 1.96.
    package static func interval(share: Double, of count: Int) -> [Double] {
        guard count > 0 else { return [0, 1] }
        let (z, n) = (1.959_963_984_540_054, Double(count))
        let middle = share + z * z / (2 * n)
        let half = z * (share * (1 - share) / n + z * z / (4 * n * n)).squareRoot()
        return [
            share > 0 ? max((middle - half) / (1 + z * z / n), 0) : 0,
            share < 1 ? min((middle + half) / (1 + z * z / n), 1) : 1,
        ]
    }

    /// By how much a 95 % interval is to be widened so that, of so many, all hold together in 95 % of cases (Bonferroni).
    package static func widening(of count: Int) -> Double {
        let tail = 0.025 / Double(max(count, 1))
        // The normal quantile, by halving: erfc falls.
        var (low, high) = (0.0, 10.0)
        for _ in 0..<60 {
            let middle = (low + high) / 2
            if erfc(middle / 2.0.squareRoot()) / 2 > tail { low = middle } else { high = middle }
        }
        return low / 1.959_963_984_540_054
    }
}

extension ReleaseAudit {
    /// The attacks that judge single images; a test of sets is stronger by its size alone and stands for itself.
    var attacksOnImages: [AttackFigures] { attacks.filter { !$0.isOfSets } }

    /// All attacks, strongest first, whichever way round their scores are.
    package var ranked: [AttackFigures] { attacks.sorted { Verdict.turned($0).auc > Verdict.turned($1).auc } }
}

extension AttackFigures {
    /// Whether members and held-out images are sets of images here.
    package var isOfSets: Bool { name == AttackSelection.sets }
}

/// One thing that may betray members, as an interval beside what chance gives and what is clear.
private struct Evidence {
    let text: String
    let value: Double
    let low: Double
    let chance: Double
    let clear: Double
    /// How many figures this one is the greatest of.
    let choices: Int

    /// The low end of the interval, as far down as having chosen the figure demands.
    private var widenedLow: Double { value - (value - low) * Verdict.widening(of: choices) }
    var isSign: Bool { widenedLow > chance }
    var isClear: Bool { widenedLow > clear }

    static func all(of release: ReleaseAudit) -> [Evidence] {
        [auc(release), rate(release), sets(release), extraction(release)].compactMap { $0 }
    }

    private static func auc(_ release: ReleaseAudit) -> Evidence? {
        guard let attack = Verdict.strongest(of: release) else { return nil }
        let count = release.attacksOnImages.count
        let subject = count == 1 ? "the one attack tried" : "the strongest of \(count) attacks"
        let (auc, low, _) = Verdict.turned(attack)
        return Evidence(
            text: "\(subject), \(attack.title), tells its members from others with \(Verdict.text(attack))",
            value: auc, low: low, chance: 0.5, clear: Verdict.clearAUC, choices: count)
    }

    private static func rate(_ release: ReleaseAudit) -> Evidence? {
        let attacks = release.attacksOnImages
        guard let attack = attacks.max(by: { $0.tprAt1FPR < $1.tprAt1FPR }) else { return nil }
        return Evidence(
            text: "\(FigureText.short(attack.title)) finds \(FigureText.percent(attack.tprAt1FPR)) of them "
                + "(\(FigureText.percentInterval(attack.tprAt1FPRInterval))) at 1\u{A0}% false alarms",
            value: attack.tprAt1FPR, low: attack.tprAt1FPRInterval.first ?? 0, chance: 0.01, clear: Verdict.clearShare,
            choices: attacks.count)
    }

    /// Sets are weighed, never more: that many images of one person are rarely at hand.
    private static func sets(_ release: ReleaseAudit) -> Evidence? {
        guard let attack = release.attacks.first(where: \.isOfSets) else { return nil }
        let (auc, low, _) = Verdict.turned(attack)
        return Evidence(
            text: "sets of images are told from others with \(Verdict.text(attack))",
            value: auc, low: low, chance: 0.5, clear: .infinity, choices: 1)
    }

    private static func extraction(_ release: ReleaseAudit) -> Evidence? {
        guard let quality = release.quality else { return nil }
        let interval = Verdict.interval(share: quality.extractedFraction, of: quality.samples)
        return Evidence(
            text: "\(FigureText.percent(quality.extractedFraction)) of its samples "
                + "(\(FigureText.percentInterval(interval))) are near copies of training images, where "
                + "\(FigureText.bound(Memorisation.quantile)) would be chance",
            value: quality.extractedFraction, low: interval.first ?? 0, chance: Verdict.suspectExtraction,
            clear: Verdict.clearShare, choices: 1)
    }
}
