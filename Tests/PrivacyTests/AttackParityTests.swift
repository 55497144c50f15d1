import Datasets
import Diffusion
import Foundation
import Privacy
import Tensor
import TestSupport
import Testing

/// What PyTorch finds in float64; Tests/Golden/attacks.py.
private struct AttacksGolden: Decodable {
    struct Setting: Decodable {
        let settings: [String: String]
        let scores: [Double]
        /// By scikit-learn.
        let auc: Double
    }
    struct Case: Decodable, CustomTestStringConvertible {
        let schedule, prediction: String
        /// How many there are, asked in turn.
        let models: Int
        let attacks: [String: [Setting]]
        /// The scores of both models, joined.
        let joined: [String: [Setting]]?
        let gradients: [[Double]]
        var testDescription: String { "\(schedule), \(prediction), models: \(models)" }

        var diffusion: GaussianDiffusion {
            GaussianDiffusion(
                schedule: NoiseSchedule(schedule == "linear" ? .linear : .cosine),
                prediction: prediction == "v" ? .velocity : .epsilon)
        }
    }
    let items: [Int]
    let parts: [[Int]]
    let cases: [Case]

    static let all: AttacksGolden = {
        do {
            return try JSONDecoder().decode(
                AttacksGolden.self, from: Data(contentsOf: goldenFolder.appending(path: "attacks.json")))
        } catch {
            fatalError("attacks.json: \(error)")
        }
    }()
}

/// The network, images and random numbers of attacks.py.
private enum Subject {
    static let shape = [2, 14, 12]
    static let size = 2 * 14 * 12
    static let samples = 5

    static func network(_ prefix: String = "") -> UNet2D {
        Threads.useOne()
        let network = UNet2D(
            UNetConfiguration(
                height: 14, width: 12, inChannels: 2, outChannels: 2, channels: [16, 32], layersPerBlock: 1,
                attention: [false, true], normGroups: 4, attentionHeadDimension: nil))
        for parameter in network.parameters {
            parameter.values = Formula.weight(prefix + parameter.name, shape: parameter.shape)
        }
        return network
    }

    /// What a case attacks: one network, or two in turn.
    static func model(_ golden: AttacksGolden.Case) -> AttackedModel {
        guard golden.models > 1 else { return AttackedModel(network(), diffusion: golden.diffusion) }
        return AttackedModel(
            denoiser: AlternatingDenoiser([ModelDenoiser(network()), ModelDenoiser(network("second "))]),
            diffusion: golden.diffusion)
    }

    /// The attack of who knows the split.
    static func neighbours(_ schedule: NoiseSchedule) throws -> NeighbourLean {
        let count = 1 + (AttacksGolden.all.parts.joined().max() ?? 0)
        let pixels = (0..<count).flatMap { index in
            AttacksGolden.all.items.contains(index)
                ? Formula.uniform("candidate \(index)", size).map { UInt8(min((($0 + 1) * 127.5 + 0.5), 255)) }
                : Formula.integers("image \(index)", size, below: 256).map { UInt8($0) }
        }
        let images = ImageSet(count: count, channels: 2, height: 14, width: 12, pixels: pixels)
        return NeighbourLean(
            schedule, parts: AttacksGolden.all.parts, catalogue: try Catalogue(name: "formula", images: images))
    }

    static var batch: CandidateBatch {
        let items = AttacksGolden.all.items
        return CandidateBatch(
            images: items.flatMap { Formula.uniform("candidate \($0)", size).map { Float($0) } }, shape: shape,
            items: items,
            randomness: AttackRandomness(
                normal: { use, draw, item, count in
                    Formula.uniform("\(use) \(draw) \(item)", count).map { Float(3.0.squareRoot() * $0) }
                },
                signs: { use, draw, item, count in
                    Formula.uniform("signs \(use) \(draw) \(item)", count).map { $0 < 0 ? -1 : 1 }
                }))
    }

    static var madeImages: ImageSet {
        ImageSet(
            count: samples, channels: 2, height: 14, width: 12,
            pixels: (0..<samples).flatMap { index in
                Formula.integers("sample \(index)", size, below: 256).map { UInt8($0) }
            })
    }

    /// All rows calibrate: DIME is standardised over them, as in the script.
    static var population: Population {
        let count = AttacksGolden.all.items.count
        return Population(
            isMember: (0..<count).map { $0 % 2 == 0 }, calibration: Array(0..<count), test: [], images: batch.images,
            shape: shape, seed: 1)
    }
}

@Suite struct AttackParityTests {
    /// Attacks that train a network of their own on what another measures; what they are given is compared.
    private static let trained: Set = ["secmi-nns", "quantile"]

    /// Scores within `tolerance` of PyTorch's in float64, relative to the largest of the setting, and the same area under the
    /// curve as scikit-learn's of them.
    private func expect(
        _ found: [ScoredSetting], _ expected: [AttacksGolden.Setting], within tolerance: Double, _ name: String
    ) throws {
        #expect(found.count == expected.count, "\(name)")
        let isMember = Subject.population.isMember
        for setting in expected {
            let own = try #require(found.first { $0.settings == setting.settings }, "\(name) \(setting.settings)")
            let size = setting.scores.map(abs).max() ?? 0
            let worst = zip(own.scores, setting.scores).map { abs($0 - $1) }.max() ?? .infinity
            #expect(worst <= tolerance * size, "\(name) \(setting.settings): off by \(worst / size)")
            let sides = [true, false].map { side in zip(own.scores, isMember).filter { $0.1 == side }.map(\.0) }
            let area = ROCCurve(members: sides[0], heldOut: sides[1]).area
            #expect(abs(area - setting.auc) <= 1e-3, "\(name) \(setting.settings): AUC \(area), not \(setting.auc)")
        }
    }

    /// Every score of every setting within 1e-5; DIME's, which takes differences of nearby predictions and standardises
    /// them, within 3e-4.
    @Test(arguments: AttacksGolden.all.cases)
    fileprivate func scoresAreThoseOfPyTorch(golden: AttacksGolden.Case) throws {
        let model = Subject.model(golden)
        let batch = Subject.batch
        let attacks = AttackCatalogue.attacks(
            schedule: golden.diffusion.schedule, samples: Subject.madeImages, tensors: nil,
            neighbours: try Subject.neighbours(golden.diffusion.schedule)
        ).filter { !AttackParityTests.trained.contains($0.name) }
        #expect(Set(attacks.map(\.name)) == Set(golden.attacks.keys))
        var tables: [String: MeasurementTable] = [:]
        for attack in attacks {
            let measurement = attack.measurement
            if tables[measurement.name] == nil {
                tables[measurement.name] = MeasurementTable(
                    count: batch.count, width: measurement.width(imageSize: batch.size),
                    values: measurement.measure(batch, of: model))
            }
            try expect(
                attack.scores(try #require(tables[measurement.name]), Subject.population),
                try #require(golden.attacks[attack.name]), within: attack.name == "dime" ? 3e-4 : 1e-5, attack.name)
        }
    }

    /// An attacker who holds both models of DualMD: the scores of each, standardised and joined.
    @Test(arguments: AttacksGolden.all.cases.filter { $0.joined != nil })
    fileprivate func joinedScoresAreThoseOfPyTorch(golden: AttacksGolden.Case) throws {
        let batch = Subject.batch
        let schedule = golden.diffusion.schedule
        let attacks: [any MembershipAttack] = [PIA(schedule), SecMI(schedule)]
        let joined = try #require(golden.joined)
        #expect(Set(joined.keys) == Set(attacks.map(\.name)))
        for attack in attacks {
            let each = ["", "second "].map { prefix in
                let model = AttackedModel(Subject.network(prefix), diffusion: golden.diffusion)
                let table = MeasurementTable(
                    count: batch.count, width: attack.measurement.width(imageSize: batch.size),
                    values: attack.measurement.measure(batch, of: model))
                return attack.scores(table, Subject.population)
            }
            try expect(
                CombinedModels.join(each, Subject.population), try #require(joined[attack.name]), within: 1e-4,
                "joined \(attack.name)")
        }
    }

    @Test(arguments: AttacksGolden.all.cases.filter { !$0.gradients.isEmpty })
    fileprivate func gradientNormsAreThoseOfPyTorch(golden: AttacksGolden.Case) throws {
        let model = Subject.model(golden)
        let tensors = try #require(model.weights).parameters.entries.count
        let measurement = GradientMeasurement(golden.diffusion.schedule, tensors: tensors)
        let batch = Subject.batch
        let table = MeasurementTable(
            count: batch.count, width: 2 * tensors, values: measurement.measure(batch, of: model))
        for (row, expected) in golden.gradients.enumerated() {
            let found = Array(table.row(row, 0..<2 * tensors))
            let largest = expected.max() ?? 0
            // to_k.bias has no gradient but rounding: softmax does not see it.
            expectClose(found, expected, absolute: 1e-8 * largest, relative: 1e-4, "gradient norms of image \(row)")
        }
    }
}
