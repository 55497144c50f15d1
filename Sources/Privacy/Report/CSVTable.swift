/// A table as comma-separated values (RFC 4180): CR LF, quotes where needed.
struct CSVTable: Sendable {
    /// A cell.
    enum Cell: Sendable {
        case text(String)
        case number(Double)
        case missing
    }

    private var lines: [String]
    private let columns: Int

    /// Starts a table with its header.
    init(_ columns: [String]) {
        self.columns = columns.count
        lines = [columns.map(Self.quoted).joined(separator: ",")]
    }

    /// Adds a row.
    mutating func add(_ cells: [Cell]) {
        precondition(cells.count == columns, "\(cells.count) cells in a table of \(columns) columns")
        lines.append(
            cells.map { cell in
                switch cell {
                case .text(let text): Self.quoted(Self.harmless(text))
                case .number(let value): value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : "\(value)"
                case .missing: ""
                }
            }.joined(separator: ","))
    }

    /// The file.
    var bytes: [UInt8] { Array(lines.map { $0 + "\r\n" }.joined().utf8) }

    private static func quoted(_ text: String) -> String {
        guard text.utf8.contains(where: { [0x22, 0x2C, 0x0A, 0x0D].contains($0) }) else { return text }
        let doubled = text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"")
        return "\"" + doubled + "\""
    }

    /// Spreadsheets run a text as a formula if it starts with one of these; an apostrophe makes it a text again.
    private static func harmless(_ text: String) -> String {
        guard let first = text.unicodeScalars.first(where: { $0 != " " }) else { return text }
        return "=+-@\t\r\n|%".unicodeScalars.contains(first) ? "'" + text : text
    }
}

extension AuditReport {
    /// `attacks.csv`: one row for each attack on each release, beside the release's quality.
    func attacksTable() -> CSVTable {
        var table = CSVTable([
            "release", "defence", "parts", "attack", "title", "access", "evaluations_per_image", "auc", "auc_low",
            "auc_high", "asr", "asr_low", "asr_high", "tpr_at_1_fpr", "tpr_at_1_fpr_low", "tpr_at_1_fpr_high",
            "tpr_at_0_1_fpr", "tpr_at_0_1_fpr_low", "tpr_at_0_1_fpr_high", "optimistic_auc", "members", "held_out",
            "settings",
            "warnings",
            "extractor", "frechet_distance", "frechet_distance_floor", "precision", "recall", "extracted_fraction",
            "inception_score", "median_distance_to_members", "median_distance_to_held_out", "samples",
            "compared_images",
            "part_of",
        ])
        for release in releases {
            for attack in release.attacks {
                let settings = attack.settings.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
                let figures: [CSVTable.Cell] = [
                    .text(release.name), .text(release.defence), .number(Double(release.parts)), .text(attack.name),
                    .text(attack.title), .text(attack.access.rawValue), .number(attack.evaluationsPerImage),
                    .number(attack.auc), cell(attack.aucInterval.first), cell(attack.aucInterval.last),
                    .number(attack.asr), cell(attack.asrInterval.first), cell(attack.asrInterval.last),
                    .number(attack.tprAt1FPR), cell(attack.tprAt1FPRInterval.first),
                    cell(attack.tprAt1FPRInterval.last), .number(attack.tprAt01FPR),
                    cell(attack.tprAt01FPRInterval.first), cell(attack.tprAt01FPRInterval.last),
                    cell(attack.optimisticAUC), .number(Double(attack.members)), .number(Double(attack.heldOut)),
                    .text(settings.joined(separator: "; ")), .text(attack.warnings.joined(separator: "; ")),
                ]
                table.add(figures + cells(release.quality) + [cell(release.partOf)])
            }
        }
        return table
    }

    /// `roc.csv`: the exact ROC curve of each attack on each release.
    ///
    /// - Parameter hasThresholds: Whether to tell the scores at which the curve steps; each is some image's score.
    func ratesTable(hasThresholds: Bool) -> CSVTable {
        let columns = ["release", "attack", "false_positive_rate", "true_positive_rate"]
        var table = CSVTable(columns + (hasThresholds ? ["threshold"] : []))
        for release in releases {
            for attack in release.attacks {
                let curve = ReportCurve(members: attack.memberScores, heldOut: attack.heldOutScores)
                guard curve.isDrawable else { continue }
                for point in curve.points {
                    let threshold: CSVTable.Cell =
                        point.threshold.isFinite ? .number(Double(point.threshold)) : .missing
                    table.add(
                        [
                            .text(release.name), .text(attack.name), .number(point.falsePositiveRate),
                            .number(point.truePositiveRate),
                        ] + (hasThresholds ? [threshold] : []))
                }
            }
        }
        return table
    }
}

private func cell(_ value: Double?) -> CSVTable.Cell { value.map { .number($0) } ?? .missing }

private func cell(_ text: String?) -> CSVTable.Cell { text.map { .text($0) } ?? .missing }

/// A release's quality, from `extractor` to `compared_images`.
private func cells(_ quality: QualityFigures?) -> [CSVTable.Cell] {
    [
        cell(quality?.extractor), cell(quality?.frechetDistance), cell(quality?.frechetDistanceFloor),
        cell(quality?.precision), cell(quality?.recall), cell(quality?.extractedFraction),
        cell(quality?.inceptionScore),
        cell(quality?.medianDistanceToMembers), cell(quality?.medianDistanceToHeldOut),
        cell(quality.map { Double($0.samples) }), cell(quality.map { Double($0.comparedImages) }),
    ]
}
