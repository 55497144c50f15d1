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
    }
    struct Case: Decodable, CustomTestStringConvertible {
        let schedule, prediction: String
        let attacks: [String: [Setting]]
        let gradients: [[Double]]
        var testDescription: String { "\(schedule), \(prediction)" }

        var diffusion: GaussianDiffusion {
            GaussianDiffusion(
                schedule: NoiseSchedule(schedule == "linear" ? .linear : .cosine),
                prediction: prediction == "v" ? .velocity : .epsilon)
        }
    }
    let items: [Int]
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

    static func model(_ diffusion: GaussianDiffusion) -> AttackedModel {
        Threads.useOne()
        let network = UNet2D(
            UNetConfiguration(
                height: 14, width: 12, inChannels: 2, outChannels: 2, channels: [16, 32], layersPerBlock: 1,
                attention: [false, true], normGroups: 4, attentionHeadDimension: nil))
        for parameter in network.parameters {
            parameter.values = Formula.weight(parameter.name, shape: parameter.shape)
        }
        return AttackedModel(network, diffusion: diffusion)
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

    /// Every score of every setting within 1e-5 of PyTorch's in float64, relative to the largest of the setting; DIME's,
    /// which takes differences of nearby predictions and standardises them, within 3e-4.
    @Test(arguments: AttacksGolden.all.cases)
    fileprivate func scoresAreThoseOfPyTorch(golden: AttacksGolden.Case) throws {
        let model = Subject.model(golden.diffusion)
        let batch = Subject.batch
        let attacks = AttackCatalogue.attacks(
            schedule: golden.diffusion.schedule, samples: Subject.madeImages, tensors: nil
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
            let found = attack.scores(try #require(tables[measurement.name]), Subject.population)
            let expected = try #require(golden.attacks[attack.name])
            #expect(found.count == expected.count, "\(attack.name)")
            for setting in expected {
                let own = try #require(
                    found.first { $0.settings == setting.settings }, "\(attack.name) \(setting.settings)")
                let size = setting.scores.map(abs).max() ?? 0
                let worst = zip(own.scores, setting.scores).map { abs($0 - $1) }.max() ?? .infinity
                #expect(
                    worst <= (attack.name == "dime" ? 3e-4 : 1e-5) * size,
                    "\(attack.name) \(setting.settings): off by \(worst / size)")
            }
        }
    }

    @Test(arguments: AttacksGolden.all.cases)
    fileprivate func gradientNormsAreThoseOfPyTorch(golden: AttacksGolden.Case) throws {
        let model = Subject.model(golden.diffusion)
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
