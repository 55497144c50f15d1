import Diffusion
import Foundation
import Privacy

/// A small audit: 16 images, and what all attacks make of numbers that were measured on them.
enum AuditSeeds {
    /// Numbers of a chunk; measurements that have more of them get them again and again.
    static let numbers = 128
    private static let rows = 16
    private static let schedule = NoiseSchedule(.linear)

    private static let attacks = AttackCatalogue.attacks(
        schedule: schedule, samples: nil, tensors: 2, neighbours: NeighbourLean(schedule), hasShadows: true)

    /// The figures of all attacks, also as of a release of two models.
    ///
    /// - Throws: `AttackEvaluation.NotFinite`.
    static func report(of values: [Float]) throws -> AuditReport {
        let population = population(values)
        let scored = attacks.map { attack in
            AttackEvaluation.Scored(
                name: attack.name, title: attack.title, access: attack.access,
                settings: settings(of: attack, values, population), isFitted: attack.isFitted)
        }
        let joined = scored.map { attack in
            AttackEvaluation.Scored(
                name: attack.name + "-joined", title: attack.title, access: attack.access,
                settings: CombinedModels.join([attack.settings, attack.settings], population))
        }
        let figures = try (scored + joined).map { try AttackEvaluation.figures($0, population) }
        return AuditReport(
            protocolNotes: ["a note"], provenance: [.init(name: "seed", value: "7")],
            releases: [ReleaseAudit(name: "fuzz", defence: "dualmd", parts: 2, quality: nil, attacks: figures)])
    }

    /// Half of the images are members; of both, half calibrate. Two shadow models have been asked, too.
    private static func population(_ values: [Float]) -> Population {
        let isMember = (0..<rows).map { $0 % 2 == 0 }
        let shadows = (0..<2).map { number in
            var shadow = ShadowModel(hasSeen: (0..<rows).map { $0 % 4 == number }, isMember: isMember)
            for attack in attacks {
                guard let images = attack.shadowImages else { continue }
                let table = table(of: attack, values.reversed())
                shadow.add(table, of: attack.measurement, on: images)
            }
            return shadow
        }
        return Population(
            isMember: isMember, calibration: Array(0..<rows / 2), test: Array(rows / 2..<rows),
            images: [Float](repeating: 0, count: 4 * rows), shape: [1, 2, 2], seed: 7, shadows: shadows)
    }

    private static func table(of attack: any MembershipAttack, _ values: [Float]) -> MeasurementTable {
        let width = attack.measurement.width(imageSize: 4)
        return MeasurementTable(count: rows, width: width, values: repeated(values, count: rows * width))
    }

    private static func repeated(_ values: [Float], count: Int) -> [Float] {
        (0..<count).map { values[$0 % values.count] }
    }

    /// The answers of networks that an attack trains are kept as measurements are.
    private static func settings(
        of attack: any MembershipAttack, _ values: [Float], _ population: Population
    ) -> [ScoredSetting] {
        let table = table(of: attack, values)
        guard let trained = attack as? any TrainedAttack else { return attack.scores(table, population) }
        let answers = repeated(values, count: rows * trained.outputs)
        return trained.scores(
            from: Array(repeating: answers, count: trained.networks), table, population)
    }

    // MARK: Honest files

    private static let values = (0..<numbers).map { Float(1 + $0 * 37 % 101) / 64 }

    /// A chunk with a place for its hash.
    static let chunk =
        values.withUnsafeBytes { Array($0) } + [UInt8](repeating: UInt8(ascii: "0"), count: 64)

    /// A release with the part of its audit, and one whose quality was not measured.
    static func reports() throws -> [[UInt8]] {
        var report = try report(of: values)
        report.releases[0].attacks.removeLast(report.releases[0].attacks.count - 2)
        var whole = report
        whole.releases[0].quality = QualityFigures(
            extractor: "pixels", samples: 32, comparedImages: 16, frechetDistance: 1.5, frechetDistanceFloor: 0.5,
            inceptionScore: nil, precision: 0.5, recall: 0.25, medianDistanceToMembers: 9,
            medianDistanceToHeldOut: 10, extractedFraction: 0.03125)
        var part = whole.releases[0]
        part.name = "fuzz teacher-0, own part"
        part.partOf = "fuzz"
        whole.releases.append(part)
        return try [report, whole].map { Array(try JSONEncoder().encode($0)) }
    }

    static let nearest = Array(
        """
        [{"release":"fuzz","samples":{"count":2,"channels":1,"height":2,"width":2,"pixels":"AAECAwQFBgc="},\
        "members":{"count":2,"channels":1,"height":2,"width":2,"pixels":"AAECAwQFBgg="},"distances":[0,0.5]}]
        """.utf8)
}
