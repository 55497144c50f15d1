import Datasets
import Diffusion
import Foundation
import Privacy
import Tensor
import TestSupport
import Testing

/// The best denoiser of a finite set: D(x_t) = sum_i w_i y_i with w = softmax(-|x_t - sqrt(abar_t) y_i|^2 / (2 sigma_t^2)),
/// the empirical denoiser that a network with unlimited memory would become.
private struct EmpiricalDenoiser: Denoiser {
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

/// Counts what attacks ask.
private final class CountingDenoiser: Denoiser {
    let inner: any Denoiser
    var calls = 0
    init(_ inner: any Denoiser) { self.inner = inner }

    func predict(_ x: Tensor, timestep: Int, position: Int, labels: [Int]?) -> Tensor {
        calls += 1
        return inner.predict(x, timestep: timestep, position: position, labels: labels)
    }
}

/// 64 members and 64 others, random images of 6 x 6.
private enum Planted {
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

    static func figures(
        _ model: AttackedModel, _ population: Population
    ) throws -> [AttackFigures] {
        let attacks = AttackCatalogue.attacks(schedule: diffusion.schedule, samples: samples, tensors: nil)
        var tables: [String: MeasurementTable] = [:]
        return try attacks.map { attack in
            let measurement = attack.measurement
            let table =
                tables[measurement.name]
                ?? MeasurementTable(
                    count: items.count, width: measurement.width(imageSize: size),
                    values: measurement.measure(batch, of: model))
            tables[measurement.name] = table
            return try AttackEvaluation.figures(
                .init(
                    name: attack.name, title: attack.title, access: attack.access,
                    settings: attack.scores(table, population)), population)
        }
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

/// The audit can fail a release, and does not fail one without reason.
@Suite struct PlantedTests {
    /// Small noises alone leave even the best denoiser's predictions apart, so the bar of `aggregation` is lower.
    @Test func aModelThatHasMemorizedIsFound() throws {
        let model = AttackedModel(denoiser: Planted.memorized, diffusion: Planted.diffusion)
        for figures in try Planted.figures(model, Planted.population()) where figures.name != "gan-leaks" {
            let bar = figures.name == "aggregation" ? 0.9 : 0.95
            #expect(figures.auc >= bar, "\(figures.name) \(figures.settings): \(figures.auc)")
            #expect(figures.aucInterval[0] > 0.5, "\(figures.name)")
        }
    }

    @Test func copiedImagesAreFound() throws {
        let model = AttackedModel(denoiser: Planted.memorized, diffusion: Planted.diffusion)
        let figures = try #require(try Planted.figures(model, Planted.population()).first { $0.name == "gan-leaks" })
        // Half of the members were copied, the others are as far as anybody else.
        #expect(abs(figures.auc - 0.75) < 0.1)
        #expect(abs(figures.tprAt1FPR - 0.5) < 0.15)
    }

    @Test func shuffledLabelsAreNotFound() throws {
        let model = AttackedModel(denoiser: Planted.memorized, diffusion: Planted.diffusion)
        let all = try Planted.figures(model, Planted.population(shuffled: true))
        // 95 % intervals: of so many attacks, which share their measurements, a few may lie beside 0.5.
        let beside = all.filter { $0.aucInterval[0] > 0.5 || $0.aucInterval[1] < 0.5 }
        #expect(beside.count <= 3, "\(beside.map { "\($0.name) \($0.aucInterval)" })")
    }

    @Test func anUntrainedModelIsNotFound() throws {
        let network = Planted.network(seed: 5)
        let model = AttackedModel(network, diffusion: Planted.diffusion)
        let all = try Planted.figures(model, Planted.population())
        let beside = all.filter {
            $0.name != "gan-leaks" && ($0.aucInterval[0] > 0.5 || $0.aucInterval[1] < 0.5)
        }
        #expect(beside.count <= 3, "\(beside.map { "\($0.name) \($0.aucInterval)" })")
    }

    /// Both models together: each has memorised one half of the members.
    @Test func joiningTheHalvesModelsFindsTheMembersOfBoth() throws {
        let members = Planted.items.filter { $0 % 2 == 0 }
        let halves = [members.filter { $0 % 4 == 0 }, members.filter { $0 % 4 == 2 }]
        let population = Planted.population()
        let attack = PIA(Planted.diffusion.schedule)
        let settings = halves.map { half in
            let model = AttackedModel(
                denoiser: EmpiricalDenoiser(
                    images: half.map { Planted.image($0).map(Double.init) }, schedule: Planted.diffusion.schedule),
                diffusion: Planted.diffusion)
            let table = MeasurementTable(
                count: Planted.items.count, width: attack.measurement.width(imageSize: Planted.size),
                values: attack.measurement.measure(Planted.batch, of: model))
            return attack.scores(table, population)
        }
        func area(_ settings: [ScoredSetting]) throws -> Double {
            try AttackEvaluation.figures(
                .init(name: "pia", title: "", access: .predictions, settings: settings), population
            ).auc
        }
        #expect(try area(settings[0]) < 0.9)
        #expect(try area(CombinedModels.join(settings, population)) > 0.97)
    }

    @Test func setsTellMoreThanSingleImages() throws {
        let count = 1024
        let noise = RandomSource(seed: 8, purpose: .testing).normal(count: count, step: 0, item: 0)
        let isMember = (0..<count).map { $0 % 2 == 0 }
        let population = Population(
            isMember: isMember, calibration: Array(0..<count / 2), test: Array(count / 2..<count), images: [],
            shape: [1, 1, 1], seed: 4)
        let scored = AttackEvaluation.Scored(
            name: "weak", title: "", access: .predictions,
            settings: [
                ScoredSetting(
                    settings: [:], evaluations: 1,
                    scores: (0..<count).map { Double(noise[$0]) + (isMember[$0] ? 0.4 : 0) })
            ])
        let single = try AttackEvaluation.figures(scored, population)
        let sets = try #require(try SetLevelTest.figures([scored], population))
        #expect(sets.members == 16 && sets.heldOut == 16)
        #expect(single.auc < 0.7 && sets.auc > 0.75)
        #expect(sets.settings["attack"] == "weak")
        // One that knows the calibration half by heart, and nothing else.
        let calibrates = Set(population.calibration)
        let learnt = AttackEvaluation.Scored(
            name: "learnt", title: "Learnt", access: .predictions,
            settings: [
                ScoredSetting(
                    settings: [:], evaluations: 1,
                    scores: population.isMember.indices.map {
                        calibrates.contains($0) && population.isMember[$0] ? 1 : 0
                    })
            ], isFitted: true)
        #expect(try SetLevelTest.figures([learnt, scored], population)?.settings["attack"] == "weak")
        #expect(try SetLevelTest.figures([learnt], population)?.settings["attack"] == "learnt")
    }
}

@Suite struct MeasurementTests {
    @Test func measurementsCostWhatTheySay() {
        let inner = CountingDenoiser(Planted.memorized)
        let model = AttackedModel(denoiser: inner, diffusion: Planted.diffusion)
        for attack in AttackCatalogue.attacks(
            schedule: Planted.diffusion.schedule, samples: Planted.samples, tensors: nil)
        {
            inner.calls = 0
            let values = attack.measurement.measure(Planted.batch, of: model)
            #expect(inner.calls == attack.measurement.evaluations, "\(attack.name)")
            #expect(
                values.count == Planted.items.count * attack.measurement.width(imageSize: Planted.size),
                "\(attack.name)")
        }
    }

    /// A setting never costs more than the measurement that it is a part of, and names are unique.
    @Test func theCatalogueIsSound() {
        let attacks = AttackCatalogue.all
        #expect(Set(attacks.map(\.name)).count == attacks.count)
        #expect(attacks.allSatisfy { $0.title.hasSuffix(")") })
        for schedule in [NoiseSchedule(.linear, timesteps: 10), NoiseSchedule(.cosine, timesteps: 50)] {
            let model = AttackedModel(
                denoiser: Planted.memorized, diffusion: GaussianDiffusion(schedule: schedule, prediction: .epsilon))
            for attack in AttackCatalogue.attacks(schedule: schedule, samples: Planted.samples, tensors: nil) {
                let measurement = attack.measurement
                let short = AttackedModel(
                    denoiser: EmpiricalDenoiser(images: Planted.memorized.images, schedule: schedule),
                    diffusion: model.diffusion)
                let table = MeasurementTable(
                    count: Planted.items.count, width: measurement.width(imageSize: Planted.size),
                    values: measurement.measure(Planted.batch, of: short))
                for setting in attack.scores(table, Planted.population()) {
                    #expect(setting.evaluations <= Double(measurement.evaluations), "\(attack.name)")
                    #expect(setting.scores.allSatisfy { $0.isFinite }, "\(attack.name) \(setting.settings)")
                }
            }
        }
    }

    /// A padded last batch, and another order of items, change nothing.
    @Test func scoresDoNotDependOnTheRestOfTheBatch() throws {
        let pixels = Planted.items.flatMap { Planted.image($0).map { UInt8(min(($0 + 1) * 127.5, 255)) } }
        let catalogue = try Catalogue(
            name: "planted",
            images: ImageSet(count: Planted.items.count, channels: 1, height: 6, width: 6, pixels: pixels))
        let model = AttackedModel(Planted.network(seed: 6), diffusion: Planted.diffusion)
        let items = [3, 14, 15, 92, 65, 35, 89, 79, 32, 38, 46, 26, 43, 83, 27, 95, 28, 84, 19, 71]
        func rows(_ items: [Int]) -> [Int: [Float]] {
            let batches = CandidateBatches(
                items: items, catalogue: catalogue, isClassConditional: false, randomness: AttackRandomness(seed: 1))
            let measurement = DIME(Planted.diffusion.schedule).measurement
            let width = measurement.width(imageSize: Planted.size)
            let values = (0..<batches.count).flatMap { batches.measure(measurement, $0, of: model) }
            #expect(values.count == items.count * width)
            return Dictionary(
                uniqueKeysWithValues: items.enumerated().map { ($1, Array(values[$0 * width..<($0 + 1) * width])) })
        }
        #expect(rows(items) == rows(items.reversed()))
    }
}

@Suite struct NeighbourTests {
    /// A model that has memorised the images of one part, asked about noised neighbours in the other, draws them there.
    @Test func neighboursLeanTowardsAMemberThatTheOtherTeacherSaw() throws {
        // Pairs: image 2k of part 0, member or not; its neighbour 2k + 1 in part 1, a little changed.
        let pairs = 40
        let size = Planted.size
        func pixels(_ item: Int) -> [UInt8] {
            let base = Planted.image(item / 2).map { 128 + 100 * $0 }
            let change = Planted.image(1000 + item).map { 12 * $0 }
            return zip(base, change).map { UInt8(($0 + $1).rounded()) }
        }
        let catalogue = try Catalogue(
            name: "pairs",
            images: ImageSet(
                count: 2 * pairs, channels: 1, height: 6, width: 6, pixels: (0..<2 * pairs).flatMap(pixels)))
        let members = (0..<pairs).map { 2 * $0 }.filter { $0 % 4 == 0 }
        let others = (0..<pairs).map { 2 * $0 }.filter { $0 % 4 == 2 }
        let neighbours = (0..<pairs).map { 2 * $0 + 1 }
        let attack = NeighbourLean(Planted.diffusion.schedule, parts: [members, neighbours], catalogue: catalogue)
        // What the student imitates: the best denoiser of the members of both parts.
        let known = members + neighbours
        let values = imageBatch(catalogue, indices: known).scalars.map { Double($0) }
        let model = AttackedModel(
            denoiser: EmpiricalDenoiser(
                images: known.indices.map { Array(values[$0 * size..<($0 + 1) * size]) },
                schedule: Planted.diffusion.schedule), diffusion: Planted.diffusion)
        let items = members + others
        let images = imageBatch(catalogue, indices: items).scalars
        let batch = CandidateBatch(
            images: images, shape: Planted.shape, items: items, randomness: AttackRandomness(seed: 3))
        let table = MeasurementTable(
            count: items.count, width: attack.measurement.width(imageSize: size),
            values: attack.measurement.measure(batch, of: model))
        // Every second image of either kind calibrates.
        let population = Population(
            isMember: items.indices.map { $0 < members.count },
            calibration: items.indices.filter { $0 % 2 == 0 }, test: items.indices.filter { $0 % 2 == 1 },
            images: images, shape: Planted.shape, seed: 3)
        let figures = try AttackEvaluation.figures(
            .init(
                name: attack.name, title: attack.title, access: attack.access,
                settings: attack.scores(table, population)), population)
        #expect(figures.auc >= 0.95)
    }
}
