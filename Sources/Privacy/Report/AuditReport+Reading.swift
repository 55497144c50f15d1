import Foundation

/// Why a report is none that an audit has made.
package struct AuditReportFault: Error, Hashable, CustomStringConvertible {
    /// Where, what was expected and what was found.
    package let description: String
}

extension AuditReport {
    /// The most releases, with the parts of their audits, that a run can have: 64 models, each against its own part and the
    /// others, and all in turn against each part.
    private static let mostReleases = 1 + 3 * 64
    /// The most notes, and entries of the provenance.
    private static let mostNotes = 4096

    /// Reads `report.json` as ranks leave it. Who tables, draws or encodes a report may count on what is checked here: there
    /// is a release, intervals have two ends, shares lie in 0...1, and scores are finite and ascend.
    ///
    /// - Throws: `DecodingError`, ``AuditReportFault``.
    package init(reading bytes: Data) throws {
        self = try JSONDecoder().decode(AuditReport.self, from: bytes)
        try require("releases", releases.count, in: 1...Self.mostReleases)
        try require("lines of the protocol", protocolNotes.count, in: 0...Self.mostNotes)
        try require("entries of the provenance", provenance.count, in: 0...Self.mostNotes)
        if let release = releases[0].partOf {
            throw AuditReportFault(description: "the first release is a part of the audit of \(release)")
        }
        for release in releases { try release.requireAudited() }
    }
}

/// A range of numbers, as a fault names it.
private func require<Number: Comparable>(_ what: String, _ number: Number, in range: ClosedRange<Number>) throws {
    guard !range.contains(number) else { return }
    throw AuditReportFault(
        description: "\(what): expected \(range.lowerBound) to \(range.upperBound), found \(number)")
}

extension ReleaseAudit {
    /// The most attacks of one audit, far more than there are.
    private static let mostAttacks = 128
    /// The most bytes of a name; a job's has 64.
    fileprivate static let longestName = 256

    fileprivate func requireAudited() throws {
        try require(
            "bytes of a release's name", max(name.utf8.count, partOf?.utf8.count ?? 0), in: 0...Self.longestName)
        try require("bytes of \(name)'s defence", defence.utf8.count, in: 0...Self.longestName)
        try require("parts of \(name)", parts, in: 1...1_000_000)
        try require("attacks on \(name)", attacks.count, in: 0...Self.mostAttacks)
        try quality?.requireMeasured(of: name)
        for attack in attacks { try attack.requireFigures(on: name) }
    }
}

extension QualityFigures {
    fileprivate func requireMeasured(of release: String) throws {
        try require("bytes of the extractor of \(release)", extractor.utf8.count, in: 0...4096)
        for (name, share) in [("precision", precision), ("recall", recall), ("extracted share", extractedFraction)] {
            try require("\(name) of \(release)", share, in: 0...1)
        }
        try require("samples of \(release)", samples, in: 0...Int.max)
        try require("compared images of \(release)", comparedImages, in: 0...Int.max)
    }
}

extension AttackFigures {
    /// The most settings that calibration chooses, and the most warnings.
    private static let mostWords = 64

    fileprivate func requireFigures(on release: String) throws {
        try require(
            "bytes of an attack's name", max(name.utf8.count, title.utf8.count), in: 0...ReleaseAudit.longestName)
        let what = "\(name) on \(release)"
        try require("evaluations of \(what)", evaluationsPerImage, in: 0...1e15)
        try require("settings and warnings of \(what)", max(settings.count, warnings.count), in: 0...Self.mostWords)
        for (name, share, interval) in [
            ("AUC", auc, aucInterval), ("ASR", asr, asrInterval), ("TPR at 1 % FPR", tprAt1FPR, tprAt1FPRInterval),
            ("TPR at 0.1 % FPR", tprAt01FPR, tprAt01FPRInterval),
        ] {
            try require("\(name) of \(what)", share, in: 0...1)
            try require("ends of the interval of the \(name) of \(what)", interval.count, in: 2...2)
            try require("low end of the \(name) of \(what)", interval[0], in: 0...1)
            try require("high end of the \(name) of \(what)", interval[1], in: interval[0]...1)
        }
        try require("optimistic AUC of \(what)", optimisticAUC ?? 0, in: 0...1)
        for (side, count, scores) in [("members", members, memberScores), ("held-out images", heldOut, heldOutScores)] {
            try require("scores of \(side) of \(what)", scores.count, in: count...count)
            guard scores.allSatisfy(\.isFinite), zip(scores, scores.dropFirst()).allSatisfy({ $0 <= $1 }) else {
                throw AuditReportFault(
                    description: "the scores of \(side) of \(what) are not finite numbers that ascend")
            }
        }
    }
}
