import Foundation
import Jobs
import Privacy

extension AuditReport {
    /// Several runs' reports as one, in order; what is said of a run alone is said with its name.
    package static func joined(_ reports: [AuditReport]) -> AuditReport {
        guard reports.count > 1 else { return reports[0] }
        func named(_ report: AuditReport, _ text: String) -> String { "\(report.releases.first?.name ?? ""): \(text)" }
        let shared = reports[0].protocolNotes.filter { note in reports.allSatisfy { $0.protocolNotes.contains(note) } }
        return AuditReport(
            protocolNotes: shared
                + reports.flatMap { report in
                    report.protocolNotes.filter { !shared.contains($0) }.map { named(report, $0) }
                },
            provenance: reports.flatMap { report in
                report.provenance.map { entry in
                    var entry = entry
                    entry.name = named(report, entry.name)
                    return entry
                }
            },
            releases: reports.flatMap(\.releases))
    }

    /// Reports whose runs of one name are called by their directories.
    package static func told(apart reports: [AuditReport], _ directories: [RunDirectory]) -> [AuditReport] {
        let names = reports.map { $0.releases[0].name }
        guard Set(names).count < names.count else { return reports }
        return zip(reports, directories).map { report, directory in
            var report = report
            let folder = (directory.path as NSString).lastPathComponent
            let name = report.releases[0].name
            for index in report.releases.indices {
                report.releases[index].name = folder + report.releases[index].name.dropFirst(name.count)
                if report.releases[index].partOf != nil { report.releases[index].partOf = folder }
            }
            return report
        }
    }
}

/// What `diptych audit` says.
package enum AuditText {
    /// The attacks there are, in the order of an audit.
    static var list: [String] {
        let rows = AttackCatalogue.all.map { attack in
            [attack.name, attack.access.rawValue, "\(attack.measurement.evaluations)", attack.title]
        }
        let header = ["attack", "must reach", "cost", "what it is"]
        return columns([header] + rows, rightAligned: [2]) + [
            "", "cost: network evaluations for one image, whole grid; attacks that share a measurement pay once.",
            "set-level: sets of images instead of single ones, by the strongest attack; costs nothing more.",
        ]
    }

    /// The same for scripts.
    static var jsonList: JSONValue {
        [
            "attacks": .array(
                AttackCatalogue.all.map { attack in
                    [
                        "name": .string(attack.name), "title": .string(attack.title),
                        "access": .string(attack.access.rawValue),
                        "evaluations_per_image": .integer(attack.measurement.evaluations),
                    ]
                })
        ]
    }

    /// The figures, within 80 columns: a line for each attack, strongest first within each release.
    package static func table(_ report: AuditReport) -> [String] {
        var lines: [String] = []
        for release in report.releases {
            let parts = release.defence == "none" ? "" : ", \(release.parts) parts"
            let what =
                release.partOf.map { "part of the audit of \(printable($0))" }
                ?? "\(printable(release.defence))\(parts)"
            lines += ["", "\(printable(release.name)) (\(what))"]
            let rows = release.ranked.map { attack in
                [
                    printable(attack.name), word(attack.access), String(format: "%.0f", attack.evaluationsPerImage),
                    String(format: "%.3f", attack.auc),
                    String(format: "%.3f-%.3f", attack.aucInterval[0], attack.aucInterval[1]),
                    percent(attack.asr), percent(attack.tprAt1FPR), percent(attack.tprAt01FPR),
                ]
            }
            let header = ["attack", "reaches", "cost", "AUC", "95 %", "ASR", "TPR@1%", "@.1%"]
            lines += columns([header] + rows, rightAligned: [2, 3, 4, 5, 6, 7])
            if let attack = release.attacks.first {
                lines.append("test half: \(attack.members) members, \(attack.heldOut) held-out images")
            }
            for warning in Set(release.attacks.filter { !$0.isOfSets }.flatMap(\.warnings)).sorted() {
                lines.append("note: \(printable(warning))")
            }
        }
        return lines + [""]
    }

    /// What the attacker reaches, in a word that leaves room for the figures.
    private static func word(_ access: AttackAccess) -> String {
        switch access {
        case .sampling: "samples"
        case .predictions: "predicts"
        case .weights: "weights"
        case .training: "training"
        }
    }

    private static func percent(_ share: Double) -> String { String(format: "%.1f", 100 * share) }

    /// Rows as text, each column as wide as its widest cell.
    private static func columns(_ rows: [[String]], rightAligned: Set<Int>) -> [String] {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            row.enumerated().map { column, cell in
                let space = String(repeating: " ", count: widths[column] - cell.count)
                if rightAligned.contains(column) { return space + cell }
                return column + 1 == row.count ? cell : cell + space
            }.joined(separator: "  ")
        }
    }

    /// The line for scripts: figures without the scores, which are in `report.json`.
    package static func json(_ report: AuditReport, folder: String) -> JSONValue {
        func pair(_ values: [Double]) -> JSONValue { .array(values.map { .number($0) }) }
        return [
            "report": .string("\(folder)/report.json"),
            "releases": .array(
                report.releases.map { release in
                    [
                        "name": .string(release.name), "part_of": release.partOf.map { .string($0) } ?? .null,
                        "defence": .string(release.defence),
                        "parts": .integer(release.parts), "quality": release.quality.map(json) ?? .null,
                        "attacks": .array(
                            release.attacks.map { attack in
                                [
                                    "name": .string(attack.name), "access": .string(attack.access.rawValue),
                                    "evaluations_per_image": .number(attack.evaluationsPerImage),
                                    "settings": .object(
                                        attack.settings.sorted { $0.key < $1.key }.map {
                                            .init($0.key, .string($0.value))
                                        }),
                                    "auc": .number(attack.auc), "auc_interval": pair(attack.aucInterval),
                                    "asr": .number(attack.asr), "asr_interval": pair(attack.asrInterval),
                                    "tpr_at_1_fpr": .number(attack.tprAt1FPR),
                                    "tpr_at_1_fpr_interval": pair(attack.tprAt1FPRInterval),
                                    "tpr_at_0_1_fpr": .number(attack.tprAt01FPR),
                                    "tpr_at_0_1_fpr_interval": pair(attack.tprAt01FPRInterval),
                                    "optimistic_auc": attack.optimisticAUC.map { .number($0) } ?? .null,
                                    "members": .integer(attack.members), "held_out": .integer(attack.heldOut),
                                    "warnings": .array(attack.warnings.map { .string($0) }),
                                ]
                            }),
                    ]
                }),
        ]
    }

    private static func json(_ quality: QualityFigures) -> JSONValue {
        [
            "extractor": .string(quality.extractor), "samples": .integer(quality.samples),
            "compared_images": .integer(quality.comparedImages),
            "frechet_distance": .number(quality.frechetDistance),
            "frechet_distance_floor": .number(quality.frechetDistanceFloor),
            "inception_score": quality.inceptionScore.map { .number($0) } ?? .null,
            "precision": .number(quality.precision), "recall": .number(quality.recall),
            "median_distance_to_members": .number(quality.medianDistanceToMembers),
            "median_distance_to_held_out": .number(quality.medianDistanceToHeldOut),
            "extracted_fraction": .number(quality.extractedFraction),
        ]
    }
}
