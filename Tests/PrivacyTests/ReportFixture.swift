import Datasets
import Foundation
import Privacy
import Tensor

/// A believable audit: five releases, one of them with the parts of its audit, eight attacks, scores from seeded normal
/// numbers.
enum ReportFixture {
    /// What an attack is like: its shift of the members' scores on an undefended model.
    private struct Attack {
        let name: String
        let title: String
        let access: AttackAccess
        let evaluations: Double
        let setting: (String, String)
        let shift: Double
    }

    private static let attacks = [
        Attack(
            name: "pia", title: "PIA (arXiv 2305.18355)", access: .predictions, evaluations: 2,
            setting: ("timestep", "200"), shift: 1.5),
        Attack(
            name: "secmi", title: "SecMI statistic (arXiv 2302.01316)", access: .predictions, evaluations: 12,
            setting: ("timestep", "100"), shift: 1.3),
        Attack(
            name: "sima", title: "SimA (arXiv 2509.25003)", access: .predictions, evaluations: 1,
            setting: ("timestep", "40"), shift: 1.2),
        Attack(
            name: "loss", title: "Loss threshold (arXiv 2302.03262)", access: .predictions, evaluations: 1,
            setting: ("timestep", "120"), shift: 0.9),
        Attack(
            name: "loss-averaged", title: "Loss threshold, averaged over timesteps (arXiv 2302.03262)",
            access: .predictions, evaluations: 64, setting: ("timesteps", "16"), shift: 1.35),
        Attack(
            name: "rediffuse", title: "ReDiffuse (arXiv 2405.20771)", access: .sampling, evaluations: 80,
            setting: ("timestep", "150"), shift: 0.7),
        Attack(
            name: "gan-leaks", title: "Nearest generated image (arXiv 1909.03935)", access: .sampling, evaluations: 50,
            setting: ("samples", "500"), shift: 0.25),
        Attack(
            name: "gsa1", title: "GSA1 (arXiv 2310.00151)", access: .training, evaluations: 20,
            setting: ("shadow models", "2"), shift: 1.7),
    ]

    /// Releases, of which the first leaks; the second is DualMD's, with six parts of its audit.
    static func report(
        names: [String] = ["study-none", "study-dualmd", "study-distillmd", "study-distillmd-3", "study-distillmd-4"],
        count: Int = 1_000
    ) throws -> AuditReport {
        let defences = ["none", "dualmd", "distillmd", "distillmd", "distillmd"]
        let strengths = [1.0, 0.42, 0.06, 0.2, 0.1]
        var releases: [ReleaseAudit] = []
        for (index, name) in names.enumerated() {
            let isDual = defences[index] == "dualmd"
            releases.append(
                ReleaseAudit(
                    name: name, defence: defences[index], parts: max(2, index), quality: quality(index),
                    attacks: try attacks.enumerated().map {
                        try figures(
                            $1, strength: strengths[index], count: count, stream: 100 * index + $0, isMix: isDual)
                    }))
            guard isDual else { continue }
            for (place, part) in parts.enumerated() {
                releases.append(
                    ReleaseAudit(
                        name: "\(name)\(part.name)", defence: "dualmd", parts: 2, quality: nil,
                        attacks: try attacks.enumerated().map {
                            try figures(
                                $1, strength: part.strength, count: count / 2, stream: 1_000 + 100 * place + $0,
                                isMix: place < 2)
                        }, partOf: name))
            }
        }
        return AuditReport(
            protocolNotes: [
                "Members and held-out images come from one source; held-out images were seen by no audited model.",
                "Near duplicates between the two sides were left out: 3 pairs.",
                "Settings were chosen on a calibration half of 1,000 members and 1,000 held-out images; all figures are of the other half. Member is the positive class.",
                "All intervals 95 %; those of rates are Wilson's.",
            ],
            provenance: [
                .init(name: "version", value: "diptych 0.1.0", isPublic: true),
                .init(name: "data, SHA-256", value: "9b1ee8f2a4ad0c4b7c1f20f1d1a55c2e", isPublic: true),
                .init(name: "numerics", value: "avx512, oneDNN 2.6.3", isPublic: true),
                .init(name: "seed", value: "8231977"),
                .init(name: "run", value: "/srv/secret/runs/study-none"),
                .init(
                    name: "command",
                    value: "diptych audit /srv/secret/runs/study-none /srv/secret/runs/study-dualmd --ranks 2"),
            ], releases: releases)
    }

    /// What an attacker finds who holds DualMD's models: each knows its own part, even better than a model of all.
    private static let parts = [
        (name: ", members of part 0", strength: 0.5), (name: ", members of part 1", strength: 0.45),
        (name: " teacher-0, own part", strength: 1.3), (name: " teacher-0, other parts", strength: 0.02),
        (name: " teacher-1, own part", strength: 1.25), (name: " teacher-1, other parts", strength: -0.35),
    ]

    private static func quality(_ index: Int) -> QualityFigures {
        let picks: (Double, Double, Double, Double, Double, Double, Double, Double) = [
            (4.83, 7.92, 0.81, 0.69, 11.2, 21.6, 0.33, 1.21), (5.61, 7.6, 0.79, 0.66, 17.1, 20.9, 0.052, 1.21),
            (9.4, 7.1, 0.74, 0.52, 19.9, 20.4, 0.014, 1.21), (10.2, 6.9, 0.72, 0.49, 19.7, 20.4, 0.018, 1.21),
            (12.8, 6.6, 0.7, 0.44, 20.1, 20.5, 0.01, 1.21),
        ][index]
        return QualityFigures(
            extractor: "classifier-28x28x1:5f0c7e2a91b3d644", samples: 500, comparedImages: 500,
            frechetDistance: picks.0, frechetDistanceFloor: picks.7, inceptionScore: picks.1, precision: picks.2,
            recall: picks.3, medianDistanceToMembers: picks.4, medianDistanceToHeldOut: picks.5,
            extractedFraction: picks.6)
    }

    /// `AttackFigures` from its JSON, as another program would write it.
    private static func figures(
        _ attack: Attack, strength: Double, count: Int, stream: Int, isMix: Bool = false
    ) throws -> AttackFigures {
        // What DualMD's sampler allows; all else asks the models themselves.
        let isAdaptive = isMix && attack.access != .sampling
        let source = RandomSource(seed: 11, purpose: .testing, layer: stream)
        let shift = attack.shift * strength
        let members = source.normal(count: count, step: 0, item: 0).map { $0 + Float(shift) }.sorted()
        let heldOut = source.normal(count: count, step: 1, item: 0).sorted()
        let wins = members.reduce(0) { sum, score in sum + heldOut.count { $0 < score } }
        let auc = Double(wins) / Double(count * count)
        let spread = 1.96 * (auc * (1 - auc) / Double(count) * 1.35).squareRoot()
        func rate(_ share: Double) -> (Double, [Double]) {
            let threshold = heldOut[count - 1 - Int(share * Double(count))]
            let rate = Double(members.count { $0 > threshold }) / Double(count)
            return (rate, Verdict.interval(share: rate, of: count))
        }
        let (one, tenth) = (rate(0.01), rate(0.001))
        let best =
            members.map { threshold in
                (Double(members.count { $0 >= threshold }) + Double(heldOut.count { $0 < threshold }))
                    / Double(2 * count)
            }.max() ?? 0.5
        let object: [String: Any] = [
            "name": attack.name + (isAdaptive ? "-mix" : ""),
            "title": attack.title + (isAdaptive ? ", models in turn" : ""), "access": attack.access.rawValue,
            "evaluations_per_image": attack.evaluations, "settings": [attack.setting.0: attack.setting.1],
            "auc": auc, "auc_interval": [max(auc - spread, 0), min(auc + spread, 1)], "asr": best,
            "asr_interval": [max(best - spread, 0.5), min(best + spread, 1)],
            "tpr_at_1_fpr": one.0, "tpr_at_1_fpr_interval": one.1, "tpr_at_0_1_fpr": tenth.0,
            "tpr_at_0_1_fpr_interval": tenth.1, "optimistic_auc": min(auc + 0.01, 1), "members": count,
            "held_out": count, "member_scores": members.map(Double.init), "held_out_scores": heldOut.map(Double.init),
            "warnings": [
                "\(count) held-out images: the rate at 0.1 % rests on one false positive and is no more than a hint"
            ],
        ]
        return try JSONDecoder().decode(AttackFigures.self, from: JSONSerialization.data(withJSONObject: object))
    }

    /// Real images as samples and, slightly changed, as members.
    static func pairs(_ report: AuditReport) throws -> [NearestPairs] {
        let images = try Catalogue.load(
            DataSource(reader: .idx, images: "/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz")
        ).images
        let (members, heldOut) = (images.subset(Array(0..<300)), images.subset(Array(300..<600)))
        let extractor = FeatureExtractor(randomFor: images)
        return report.released.map(\.release).enumerated().map { index, release in
            let copies = members.subset(Array(0..<max(1, 6 - 2 * index)))
            let samples = ImageSet(
                count: 40, channels: 1, height: 28, width: 28,
                pixels: (copies.pixels.map { UInt8(max(0, Int($0) - 7)) }
                    + images.subset(Array(700 + 50 * index..<740 + 50 * index)).pixels).prefix(40 * 784).map { $0 })
            let measured = QualityMeasurement(
                samples: samples, members: members, heldOut: heldOut, extractor: extractor)
            return NearestPairs(measured, release: release.name, samples: samples, members: members)
        }
    }
}
