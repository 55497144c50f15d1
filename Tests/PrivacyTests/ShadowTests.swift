import Diffusion
import Foundation
import Privacy
import Tensor
import TestSupport
import Testing

/// What NumPy and scikit-learn find; Tests/Golden/shadows.py.
private struct ShadowGolden: Decodable {
    struct Comparison: Decodable {
        /// Number of the setting of the attack that is compared.
        let column: Int
        let common, own: [Double]
        let common_auc, own_auc: Double
    }
    struct LiRA: Decodable {
        let seen: [[Bool]]
        let settings: [Comparison]
    }
    struct Online: Decodable {
        let seen: [[Bool]]
        let column: Int
        let scores: [Double]
        let auc: Double
    }
    struct GSA: Decodable {
        let ridge: Double
        /// Of each shadow's own images, or of the candidates if the attack is fitted to their calibration half.
        let is_member: [[Bool]]
        let scores: [Double]
        let auc: Double
    }
    let candidates, own, shadows, tensors: Int
    let lira: [String: LiRA]
    let online: Online
    let gsa: [String: GSA]

    static func load() throws -> ShadowGolden {
        try JSONDecoder().decode(
            ShadowGolden.self, from: Data(contentsOf: goldenFolder.appending(path: "shadows.json")))
    }

    /// The attack of a name, among those that use shadow models.
    func attack(_ name: String) throws -> any MembershipAttack {
        try #require(
            AttackCatalogue.attacks(
                schedule: NoiseSchedule(.linear), samples: nil, tensors: tensors, hasShadows: true
            ).first { $0.name == name })
    }

    func table(_ name: String, rows: Int, of attack: any MembershipAttack) -> MeasurementTable {
        let width = attack.measurement.width(imageSize: 36)
        return MeasurementTable(
            count: rows, width: width, values: Formula.uniform(name, rows * width).map { Float($0) + 1.5 })
    }

    /// A shadow that was asked for an attack's measurement.
    func shadow(
        _ index: Int, _ what: String, of attack: any MembershipAttack, hasSeen: [Bool], isMember: [Bool] = []
    ) throws -> ShadowModel {
        var shadow = ShadowModel(hasSeen: hasSeen, isMember: isMember)
        let images = try #require(attack.shadowImages)
        shadow.add(
            table("shadow \(index) \(what)", rows: images == .own ? own : candidates, of: attack),
            of: attack.measurement, on: images)
        return shadow
    }

    func population(_ shadows: [ShadowModel], isMember: [Bool]? = nil) -> Population {
        Population(
            isMember: isMember ?? (0..<candidates).map { $0 % 2 == 0 }, calibration: Array(0..<candidates / 2),
            test: Array(candidates / 2..<candidates), images: [], shape: [1, 6, 6], seed: 3, shadows: shadows)
    }

    /// Scores of all candidates and their AUC.
    func compare(
        _ found: [Double], _ expected: [Double], auc: Double, isMember: [Bool]? = nil, within tolerance: Double,
        _ what: String
    ) {
        let size = max(1, expected.map(abs).max() ?? 0)
        #expect(found.count == expected.count, "\(what)")
        #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= tolerance * size }, "\(what)")
        let population = population([], isMember: isMember)
        let (members, others) = population.divided(found, rows: Array(0..<candidates))
        let area = ROCCurve(members: members, heldOut: others).area
        #expect(abs(area - auc) <= 1e-3, "\(what): AUC \(area), not \(auc)")
    }
}

/// Attackers who train models of their own.
@Suite struct ShadowTests {
    /// Fails when a shadow that was trained on an image counts as one that was not, or a deviation is another one.
    @Test(arguments: [("lira", 21), ("secmi-lira", 13 * 4), ("pia-lira", 8 * 4)])
    func likelihoodRatiosAreThoseOfTheirDefinition(name: String, count: Int) throws {
        let golden = try ShadowGolden.load()
        let lira = try #require(golden.lira[name])
        let attack = try golden.attack(name)
        let shadows = try lira.seen.enumerated().map {
            try golden.shadow($0, "losses", of: attack, hasSeen: $1)
        }
        let table = golden.table("release losses", rows: golden.candidates, of: attack)
        let settings = attack.scores(table, golden.population(shadows))
        // Image 1 has been seen by one shadow and not by the others: there is an online setting too.
        #expect(settings.count == 3 * count && lira.settings.count == 3)
        for expected in lira.settings {
            let (common, own) = (settings[3 * expected.column], settings[3 * expected.column + 1])
            #expect(common.settings["deviation"] == "common" && own.settings["deviation"] == "of the image")
            golden.compare(
                common.scores, expected.common, auc: expected.common_auc, within: 1e-6, "common \(expected.column)")
            golden.compare(own.scores, expected.own, auc: expected.own_auc, within: 1e-5, "own \(expected.column)")
        }
    }

    /// Fails when means or variances of the two kinds are mixed up, or an image that lacks one kind is left out.
    @Test func onlineTwoNormalsAreCompared() throws {
        let golden = try ShadowGolden.load()
        let attack = try golden.attack("lira")
        let shadows = try golden.online.seen.enumerated().map {
            try golden.shadow($0, "losses", of: attack, hasSeen: $1)
        }
        let table = golden.table("release losses", rows: golden.candidates, of: attack)
        let settings = attack.scores(table, golden.population(shadows)).filter {
            $0.settings["shadows"] == "of both kinds"
        }
        #expect(settings.count == 21)
        golden.compare(
            settings[golden.online.column].scores, golden.online.scores, auc: golden.online.auc, within: 1e-6, "online")
    }

    /// Two members whose losses shadows that know them have too, and two others: offline their losses are alike unlikely.
    @Test func shadowsThatKnowAnImageTellWhatItsLossWouldBe() throws {
        let golden = try ShadowGolden.load()
        let attack = try golden.attack("lira")
        let width = attack.measurement.width(imageSize: 36)
        func table(_ losses: [Float]) -> MeasurementTable {
            MeasurementTable(
                count: losses.count, width: width, values: losses.flatMap { Array(repeating: $0, count: width) })
        }
        // Image 0 loses much of its loss when it is known, image 1 little; the release has lowered both alike.
        let shadows = [(1.0, 1.0, false), (1.02, 0.98, false), (0.5, 0.9, true), (0.51, 0.91, true)].map {
            var shadow = ShadowModel(hasSeen: [$0.2, $0.2], isMember: [])
            shadow.add(table([Float($0.0), Float($0.1)]), of: attack.measurement, on: .candidates)
            return shadow
        }
        let population = Population(
            isMember: [false, true], calibration: [], test: [0, 1], images: [], shape: [1, 6, 6], seed: 3,
            shadows: shadows)
        let settings = attack.scores(table([0.9, 0.9]), population)
        let online = try #require(settings.first { $0.settings["shadows"] == "of both kinds" })
        let offline = try #require(settings.first { $0.settings["shadows"] == nil })
        #expect(abs(offline.scores[0] - offline.scores[1]) < 0.03)
        #expect(online.scores[0] < -1 && online.scores[1] > 1)
    }

    /// Fails when a deviation is made of one or two values.
    @Test func twoShadowsHaveOneDeviation() throws {
        let golden = try ShadowGolden.load()
        let attack = try golden.attack("lira")
        let shadows = try (0..<2).map {
            try golden.shadow($0, "losses", of: attack, hasSeen: try #require(golden.lira["lira"]).seen[3])
        }
        let table = golden.table("release losses", rows: golden.candidates, of: attack)
        let settings = attack.scores(table, golden.population(shadows))
        #expect(settings.count == 21 && settings.allSatisfy { $0.settings["deviation"] == "common" })
    }

    /// Fails when features are standardised together, or the release's labels are learnt from.
    @Test(arguments: ["gsa1", "gsa2"])
    func gradientsOfShadowsTeachWhatScikitLearnLearns(name: String) throws {
        let golden = try ShadowGolden.load()
        let expected = try #require(golden.gsa[name])
        let attack = try golden.attack(name)
        let unseen = Array(repeating: false, count: golden.candidates)
        let shadows = try expected.is_member.enumerated().map {
            try golden.shadow($0, "gradients", of: attack, hasSeen: unseen, isMember: $1)
        }
        let table = golden.table("release gradients", rows: golden.candidates, of: attack)
        let settings = attack.scores(table, golden.population(shadows))
        #expect(settings.count == 1 && settings[0].settings["ridge"] == "\(expected.ridge)")
        golden.compare(settings[0].scores, expected.scores, auc: expected.auc, within: 1e-4, name)
    }

    /// Fails when the test half is learnt from, or the ridge is another one.
    @Test(arguments: ["gsa1-calibrated", "gsa2-calibrated"])
    func gradientsOfTheCalibrationHalfTeachWhatScikitLearnLearns(name: String) throws {
        let golden = try ShadowGolden.load()
        let expected = try #require(golden.gsa[name])
        let isMember = expected.is_member[0]
        let attack = try golden.attack(name)
        let table = golden.table("release gradients", rows: golden.candidates, of: attack)
        let settings = attack.scores(table, golden.population([], isMember: isMember))
        #expect(settings.count == 1 && settings[0].settings["ridge"] == "\(expected.ridge)")
        golden.compare(
            settings[0].scores, expected.scores, auc: expected.auc, isMember: isMember, within: 1e-4, name)
    }

    /// Gradients that are small at what a model has seen; the attacker has learnt that from models of their own.
    @Test(arguments: ["gsa1", "gsa2"])
    func smallGradientsAreFoundAndShuffledLabelsAreNot(name: String) throws {
        let golden = try ShadowGolden.load()
        let attack = try golden.attack(name)
        let (count, width) = (400, attack.measurement.width(imageSize: 36))
        func gradients(_ name: String) -> MeasurementTable {
            let noise = RandomSource(seed: 31, purpose: .testing, model: name.count).normal(
                count: count * width, step: 0, item: 0)
            return MeasurementTable(
                count: count, width: width,
                values: noise.indices.map { exp(noise[$0] - ($0 / width % 2 == 0 ? 1.5 : 0)) })
        }
        let isMember = (0..<count).map { $0 % 2 == 0 }
        let shadows = (1...3).map { number in
            var shadow = ShadowModel(hasSeen: Array(repeating: false, count: count), isMember: isMember)
            shadow.add(gradients(String(repeating: "s", count: number)), of: attack.measurement, on: .own)
            return shadow
        }
        func figures(_ isMember: [Bool]) throws -> AttackFigures {
            let population = Population(
                isMember: isMember, calibration: Array(0..<count / 2), test: Array(count / 2..<count), images: [],
                shape: [1, 6, 6], seed: 3, shadows: shadows)
            return try AttackEvaluation.figures(
                .init(
                    name: name, title: attack.title, access: attack.access,
                    settings: attack.scores(gradients(""), population)), population)
        }
        #expect(try figures(isMember).auc >= 0.95)
        let order = RandomSource(seed: 32, purpose: .testing).permutation(of: count, step: 0)
        let shuffled = try figures(order.map { $0 % 2 == 0 })
        #expect(shuffled.aucInterval[0] <= 0.5 && shuffled.aucInterval[1] >= 0.5, "\(shuffled.aucInterval)")
    }

    /// Losses that depend on the image far more than on membership: alone they tell nothing, beside shadows everything.
    @Test func anImageIsComparedWithItselfAndNotWithOthers() throws {
        let golden = try ShadowGolden.load()
        let attack = try golden.attack("lira")
        let count = 200
        let width = attack.measurement.width(imageSize: 36)
        let difficulty = Formula.uniform("difficulty", count).map { exp(4 * $0) }
        func losses(_ name: String, ofMember factor: Float) -> MeasurementTable {
            let noise = Formula.uniform(name, count * width)
            return MeasurementTable(
                count: count, width: width,
                values: noise.indices.map { index in
                    let row = index / width
                    return Float(difficulty[row] * exp(0.02 * noise[index])) * (row % 2 == 0 ? factor : 1)
                })
        }
        let shadows = (0..<3).map { index in
            var shadow = ShadowModel(hasSeen: Array(repeating: false, count: count), isMember: [])
            shadow.add(losses("difficult \(index)", ofMember: 1), of: attack.measurement, on: .candidates)
            return shadow
        }
        let population = Population(
            isMember: (0..<count).map { $0 % 2 == 0 }, calibration: Array(0..<count / 2),
            test: Array(count / 2..<count), images: [], shape: [1, 6, 6], seed: 3, shadows: shadows)
        let table = losses("difficult release", ofMember: 0.9)
        func area(_ name: String) throws -> Double {
            let attack = try golden.attack(name)
            return try AttackEvaluation.figures(
                .init(
                    name: name, title: attack.title, access: attack.access, settings: attack.scores(table, population)),
                population
            ).auc
        }
        #expect(try area("loss-average") < 0.7)
        #expect(try area("lira") > 0.99)
    }
}
