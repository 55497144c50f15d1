import Datasets
import Diffusion
import Foundation
import Privacy
import Tensor
import TestSupport
import Testing

/// The best denoiser of a finite set: D(x_t) = sum_i w_i y_i with w = softmax(-|x_t - sqrt(abar_t) y_i|^2 / (2 sigma_t^2)),
/// the empirical denoiser that a network with unlimited memory would become.
struct EmpiricalDenoiser: Denoiser {
    let images: [[Double]]
    let schedule: NoiseSchedule

    func predict(_ x: Tensor, timestep: Int, position: Int, labels: [Int]?) -> Tensor {
        let (signal, deviation) = (schedule.signal(at: timestep), schedule.deviation(at: timestep))
        let size = x.count / x.shape[0]
        let scalars = x.scalars.map { Double($0) }
        var noise: [Float] = []
        for start in stride(from: 0, to: scalars.count, by: size) {
            let noisy = Array(scalars[start..<start + size])
            let exponents = images.map { image in
                -zip(noisy, image).reduce(0) { $0 + ($1.0 - signal * $1.1) * ($1.0 - signal * $1.1) }
                    / (2 * deviation * deviation)
            }
            let top = exponents.max() ?? 0
            let weights = exponents.map { exp($0 - top) }
            let total = weights.reduce(0, +)
            for index in 0..<size {
                let mean = zip(weights, images).reduce(0) { $0 + $1.0 * $1.1[index] } / total
                noise.append(Float((noisy[index] - signal * mean) / deviation))
            }
        }
        return Tensor(noise, shape: x.shape)
    }
}

/// 64 members and 64 others, random images of 6 x 6.
enum Planted {
    static let shape = [1, 6, 6]
    static let size = 36
    static let perSide = 64
    static let diffusion = GaussianDiffusion(schedule: NoiseSchedule(.linear), prediction: .epsilon)

    static func image(_ item: Int) -> [Float] {
        RandomSource(seed: 11, purpose: .testing).uniform(count: size, step: 0, item: item).map { 2 * $0 - 1 }
    }

    /// Even items are members.
    static let items = Array(0..<2 * perSide)

    static var memorized: EmpiricalDenoiser {
        EmpiricalDenoiser(
            images: items.filter { $0 % 2 == 0 }.map { image($0).map(Double.init) }, schedule: diffusion.schedule)
    }

    static func population(shuffled: Bool = false) -> Population {
        let order = RandomSource(seed: 12, purpose: .testing).permutation(of: items.count, step: 0)
        let isMember = items.map { shuffled ? order[$0] % 2 == 0 : $0 % 2 == 0 }
        return Population(
            isMember: isMember, calibration: Array(items.prefix(perSide)), test: Array(items.suffix(perSide)),
            images: items.flatMap(image), shape: shape, seed: 3)
    }

    static var batch: CandidateBatch {
        CandidateBatch(
            images: items.flatMap(image), shape: shape, items: items, randomness: AttackRandomness(seed: 3))
    }

    /// Images that the memorised model makes: half of its training images, a little changed.
    static var samples: ImageSet {
        let pixels = items.filter { $0 % 4 == 0 }.flatMap { item in
            image(item).map { UInt8(min(max((($0 + 1) * 127.5).rounded() + 1, 0), 255)) }
        }
        return ImageSet(count: perSide / 2, channels: 1, height: 6, width: 6, pixels: pixels)
    }

    /// Images of a shadow model's own, every second of which it is said to be trained on.
    private static func own(_ shadow: Int) -> [Int] { Array(1000 * shadow + 1000..<1000 * shadow + 1032) }

    /// Two models that know none of the images.
    static var strangers: [AttackedModel] {
        (0..<2).map { shadow in
            let known = own(shadow).filter { $0 % 2 == 0 }.map { image($0).map(Double.init) }
            return AttackedModel(
                denoiser: EmpiricalDenoiser(images: known, schedule: diffusion.schedule), diffusion: diffusion)
        }
    }

    /// The attack of who knows which members were in which part.
    private static func neighbours() throws -> NeighbourLean {
        let pixels = items.flatMap { image($0).map { UInt8(min(max((($0 + 1) * 127.5).rounded(), 0), 255)) } }
        let catalogue = try Catalogue(
            name: "planted", images: ImageSet(count: items.count, channels: 1, height: 6, width: 6, pixels: pixels))
        return NeighbourLean(
            diffusion.schedule, parts: [items.filter { $0 % 4 == 0 }, items.filter { $0 % 4 == 2 }],
            catalogue: catalogue)
    }

    private static func table(
        of measurement: any AttackMeasurement, _ items: [Int], _ model: AttackedModel
    ) -> MeasurementTable {
        let batch = CandidateBatch(
            images: items.flatMap(image), shape: shape, items: items, randomness: AttackRandomness(seed: 3))
        return MeasurementTable(
            count: items.count, width: measurement.width(imageSize: size), values: measurement.measure(batch, of: model)
        )
    }

    /// What every attack comes to; those on gradients only where the model has weights.
    static func figures(
        _ model: AttackedModel, _ population: Population, shadows: [AttackedModel]
    ) throws -> [AttackFigures] {
        let attacks = AttackCatalogue.attacks(
            schedule: diffusion.schedule, samples: samples, tensors: model.weights?.parameters.entries.count,
            neighbours: try neighbours(), hasShadows: true)
        var tables: [String: MeasurementTable] = [:]
        var answers = shadows.indices.map { shadow in
            ShadowModel(hasSeen: items.map { _ in false }, isMember: own(shadow).map { $0 % 2 == 0 })
        }
        for attack in attacks {
            let measurement = attack.measurement
            if tables[measurement.name] == nil { tables[measurement.name] = table(of: measurement, items, model) }
            guard let images = attack.shadowImages else { continue }
            for shadow in shadows.indices where answers[shadow].table(of: measurement, on: images) == nil {
                let asked = images == .own ? own(shadow) : items
                answers[shadow].add(table(of: measurement, asked, shadows[shadow]), of: measurement, on: images)
            }
        }
        let population = Population(
            isMember: population.isMember, calibration: population.calibration, test: population.test,
            images: population.images, shape: shape, seed: population.seed, shadows: answers)
        return try attacks.map { attack in
            try AttackEvaluation.figures(
                .init(
                    name: attack.name, title: attack.title, access: attack.access,
                    settings: attack.scores(try #require(tables[attack.measurement.name]), population)), population)
        }
    }

    /// Attacks that tell members from others, or others from members, by more than their number explains: the intervals of
    /// all together hold 0.5 in 95 % of cases (Bonferroni).
    static func beside(_ attacks: [AttackFigures]) -> [String] {
        let factor = Verdict.widening(of: attacks.count)
        return attacks.filter { attack in
            attack.auc - factor * (attack.auc - attack.aucInterval[0]) > 0.5
                || attack.auc + factor * (attack.aucInterval[1] - attack.auc) < 0.5
        }.map { "\($0.name) \($0.aucInterval)" }
    }

    /// A small network with its first weights.
    static func network(seed: UInt64) -> UNet2D {
        Threads.useOne()
        let network = UNet2D(
            UNetConfiguration(
                height: 6, width: 6, inChannels: 1, outChannels: 1, channels: [16, 32], layersPerBlock: 1,
                attention: [false, false], normGroups: 4, attentionHeadDimension: nil))
        ParameterVector(network).initialize(seed: seed, model: 0)
        return network
    }
}
