import Datasets
import Diffusion
import Foundation
import Privacy
import Tensor
import TestSupport
import Testing

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

/// The audit can fail a release, and does not fail one without reason.
@Suite struct PlantedTests {
    /// But for three attacks that have plants of their own: copies among the samples, images of low contrast, near neighbours.
    @Test func aModelThatHasMemorizedIsFound() throws {
        let model = AttackedModel(denoiser: Planted.memorized, diffusion: Planted.diffusion)
        let all = try Planted.figures(model, Planted.population(), shadows: Planted.strangers)
        #expect(Set(all.map(\.name)).isSuperset(of: ["dime", "secmi-nns", "lira", "secmi-lira", "pia-lira"]))
        for figures in all where !["gan-leaks", "aggregation", "neighbours"].contains(figures.name) {
            #expect(figures.auc >= 0.95, "\(figures.name) \(figures.settings): \(figures.auc)")
            #expect(figures.aucInterval[0] > 0.5, "\(figures.name)")
        }
    }

    /// What is mixed into a member leads back to it, every time. What is mixed into another image leads now to one of its
    /// neighbours, now to another, if the noise is not small beside their contrast; half of the range here, on 12 x 12 pixels.
    @Test func smallNoiseMovesWhatIsNotAMember() throws {
        let attack = NoiseAggregation(Planted.diffusion.schedule)
        let images = Planted.items.map { item in
            RandomSource(seed: 13, purpose: .testing).uniform(count: 144, step: 0, item: item).map { $0 - 0.5 }
        }
        let model = AttackedModel(
            denoiser: EmpiricalDenoiser(
                images: Planted.items.filter { $0 % 2 == 0 }.map { images[$0].map(Double.init) },
                schedule: Planted.diffusion.schedule), diffusion: Planted.diffusion)
        let batch = CandidateBatch(
            images: images.flatMap { $0 }, shape: [1, 12, 12], items: Planted.items,
            randomness: AttackRandomness(seed: 3))
        let table = MeasurementTable(
            count: batch.count, width: attack.measurement.width(imageSize: 144),
            values: attack.measurement.measure(batch, of: model))
        for isShuffled in [false, true] {
            let population = Planted.population(shuffled: isShuffled)
            let figures = try AttackEvaluation.figures(
                .init(
                    name: attack.name, title: attack.title, access: attack.access,
                    settings: attack.scores(table, population)), population)
            #expect(isShuffled ? Planted.beside([figures]).isEmpty : figures.auc >= 0.95, "\(figures.auc)")
        }
    }

    @Test func copiedImagesAreFound() throws {
        let model = AttackedModel(denoiser: Planted.memorized, diffusion: Planted.diffusion)
        let all = try Planted.figures(model, Planted.population(), shadows: Planted.strangers)
        let figures = try #require(all.first { $0.name == "gan-leaks" })
        // Half of the members were copied, the others are as far as anybody else.
        #expect(abs(figures.auc - 0.75) < 0.1)
        #expect(abs(figures.tprAt1FPR - 0.5) < 0.15)
    }

    @Test func shuffledLabelsAreNotFound() throws {
        let model = AttackedModel(denoiser: Planted.memorized, diffusion: Planted.diffusion)
        let all = try Planted.figures(model, Planted.population(shuffled: true), shadows: Planted.strangers)
        let beside = Planted.beside(all)
        #expect(beside.isEmpty, "\(beside)")
    }

    @Test func anUntrainedModelIsNotFound() throws {
        let models = [5, 6, 7].map { AttackedModel(Planted.network(seed: $0), diffusion: Planted.diffusion) }
        let all = try Planted.figures(models[0], Planted.population(), shadows: Array(models.dropFirst()))
        let names = ["gsa1", "gsa2", "gsa1-calibrated", "lira", "secmi-lira", "pia-lira", "neighbours"]
        #expect(Set(all.map(\.name)).isSuperset(of: names))
        // The planted samples are copies.
        let beside = Planted.beside(all.filter { $0.name != "gan-leaks" })
        #expect(beside.isEmpty, "\(beside)")
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
        #expect(SetLevelTest.obstacle([scored], population) == nil)
        #expect(SetLevelTest.obstacle([], population)?.contains("no attack on single images") == true)
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
        let order = RandomSource(seed: 14, purpose: .testing).permutation(of: items.count, step: 0)
        for isShuffled in [false, true] {
            let population = Population(
                isMember: items.indices.map { (isShuffled ? order[$0] : $0) < members.count },
                calibration: items.indices.filter { $0 % 2 == 0 }, test: items.indices.filter { $0 % 2 == 1 },
                images: images, shape: Planted.shape, seed: 3)
            let figures = try AttackEvaluation.figures(
                .init(
                    name: attack.name, title: attack.title, access: attack.access,
                    settings: attack.scores(table, population)), population)
            #expect(isShuffled ? Planted.beside([figures]).isEmpty : figures.auc >= 0.95, "\(figures.auc)")
        }
    }
}
