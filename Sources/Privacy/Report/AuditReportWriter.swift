import Datasets
import Foundation

/// A file of the report, for the caller to write.
public struct ReportFile: Hashable, Sendable {
    /// The file's name, without a folder: `report.html`.
    public let name: String
    /// Its content.
    public let bytes: [UInt8]
}

/// Makes the files of an audit's report: a page, tables, figures.
public struct AuditReportWriter: Sendable {
    /// Whether the report may leave the house.
    public enum Audience: String, Hashable, Sendable, CaseIterable {
        /// Everything, training images and each image's scores included.
        case owner
        /// No image, no score of a single image, no provenance that is not marked as public: no path, no seed.
        case anyone
    }

    private let report: AuditReport
    private let pairs: [NearestPairs]
    private let audience: Audience

    /// Prepares a report.
    ///
    /// - Parameters:
    ///   - report: What the audit found.
    ///   - pairs: Images to show; left out for anyone but the owner.
    ///   - audience: Who may read it.
    public init(_ report: AuditReport, pairs: [NearestPairs] = [], audience: Audience) {
        self.report = report
        self.pairs = audience == .owner ? pairs : []
        self.audience = audience
    }

    /// The files: `report.html`, `report.json`, `attacks.csv`, `roc.csv`, `roc.png` and `scores.png`, the last two only if
    /// there are scores to draw.
    ///
    /// - Throws: `DatasetError` if an image cannot be written as PNG, `EncodingError` if a figure is not a finite number.
    public func files() throws -> [ReportFile] { try texts() + figures() }

    /// The files that are text: the page with its drawings, and the tables.
    package func texts() throws -> [ReportFile] {
        // Whatever is written from here on comes from this, except for what is drawn or summed up.
        let shown = audience == .owner ? report : report.published
        return [
            ReportFile(
                name: "report.html",
                bytes: Array(try ReportPage(shown, drawn: report, pairs: pairs, audience: audience).html().markup.utf8)),
            ReportFile(name: "report.json", bytes: try json(shown)),
            ReportFile(name: "attacks.csv", bytes: shown.attacksTable().bytes),
            ReportFile(name: "roc.csv", bytes: report.ratesTable(hasThresholds: audience == .owner).bytes),
        ]
    }

    /// The drawings as images.
    private func figures() throws -> [ReportFile] {
        var files: [ReportFile] = []
        let releases = report.released.map(\.release)
        let drawable = (releases + report.released.flatMap(\.parts)).filter(\.isDrawable)
        let rates = drawable.map { ($0.name, ROCFigure.panel($0)) }
        if !rates.isEmpty {
            let overview = ("strongest attack on each release", ROCFigure.overview(releases))
            files.append(try figure("roc.png", releases.filter(\.isDrawable).count > 1 ? [overview] + rates : rates))
        }
        let scores = releases.compactMap { release in
            ScoreFigure.drawing(release).map { (Self.scoreTitle(release), $0) }
        }
        if !scores.isEmpty { files.append(try figure("scores.png", scores)) }
        return files
    }

    private static func scoreTitle(_ release: ReleaseAudit) -> String {
        release.name + ": " + FigureText.label(Verdict.strongest(of: release)?.title ?? "")
    }

    private func json(_ report: AuditReport) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(report)) + [0x0A]
    }

    private func figure(_ name: String, _ drawings: [(title: String, drawing: Drawing)]) throws -> ReportFile {
        let image = Raster.image(Drawing.grid(drawings, columns: 3), scale: 2)
        return ReportFile(name: name, bytes: try PNG.encoded(image))
    }
}

extension AuditReport {
    /// What is released, each with the parts of its audit.
    package var released: [(release: ReleaseAudit, parts: [ReleaseAudit])] {
        var groups: [(release: ReleaseAudit, parts: [ReleaseAudit])] = []
        for audit in releases {
            // Of runs with one name, the part belongs to the one that it follows.
            if let name = audit.partOf, let place = groups.lastIndex(where: { $0.release.name == name }) {
                groups[place].parts.append(audit)
            } else {
                groups.append((release: audit, parts: []))
            }
        }
        return groups
    }

    /// The report without what tells about single images, and without provenance that is not marked as public.
    var published: AuditReport {
        var report = self
        report.provenance = provenance.filter(\.isPublic)
        for release in report.releases.indices {
            for attack in report.releases[release].attacks.indices {
                report.releases[release].attacks[attack].memberScores = []
                report.releases[release].attacks[attack].heldOutScores = []
            }
        }
        return report
    }
}

extension ReleaseAudit {
    /// Whether any attack has scores on both sides.
    var isDrawable: Bool { attacksOnImages.contains { !$0.memberScores.isEmpty && !$0.heldOutScores.isEmpty } }
}
