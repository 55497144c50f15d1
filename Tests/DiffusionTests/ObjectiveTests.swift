import Diffusion
import Tensor
import TestSupport
import Testing

@Suite struct ObjectiveTests {
    private static let diffusion = GaussianDiffusion(schedule: NoiseSchedule(.linear), prediction: .epsilon)
    private static let address = TrainingAddress(seed: 7, model: 1, step: 12)

    private static func network(dropout: Double = 0, seed: UInt64 = 3) -> (UNet2D, ParameterVector) {
        Threads.useOne()
        let network = UNet2D(
            UNetConfiguration(
                height: 8, width: 8, inChannels: 1, outChannels: 1, channels: [16, 32], layersPerBlock: 1,
                attention: [false, true], normGroups: 4, dropout: dropout))
        let vector = ParameterVector(network)
        vector.initialize(seed: seed, model: 0)
        return (network, vector)
    }

    /// The data-set's images at some indices.
    private static func batch(_ items: [Int]) -> TrainingBatch {
        let pixels = items.flatMap { Formula.uniform("image \($0)", 64).map { Float($0) } }
        return TrainingBatch(images: Tensor(pixels, shape: [items.count, 1, 8, 8]), items: items)
    }

    private static func predictionLoss(_ network: UNet2D, _ items: [Int], at address: TrainingAddress) -> Double {
        let loss = NoisePrediction.loss(
            of: network, on: batch(items), diffusion: diffusion, address: address, tape: Tape(recording: false))
        return Double(loss.scalars[0])
    }

    @Test func whatIsDrawnForAnImageDoesNotDependOnTheRestOfItsLane() {
        let together = Self.diffusion.noised(Self.batch([40, 2, 9]), at: Self.address)
        let reversed = Self.diffusion.noised(Self.batch([9, 2]), at: Self.address)
        #expect(together.timesteps[1...] == [reversed.timesteps[1], reversed.timesteps[0]])
        #expect(together.noise.scalars[128...] == reversed.noise.scalars[..<64])
        #expect(together.images.scalars[64..<128] == reversed.images.scalars[64...])
        #expect(together.noise.scalars[..<64] != together.noise.scalars[64..<128])
    }

    @Test func drawsDifferBySeedModelAndStep() {
        let addresses = [
            Self.address, TrainingAddress(seed: 8, model: 1, step: 12), TrainingAddress(seed: 7, model: 2, step: 12),
            TrainingAddress(seed: 7, model: 1, step: 13),
        ]
        let items = Array(0..<20)
        let drawn = addresses.map { Self.diffusion.noised(Self.batch(items), at: $0) }
        #expect(Set(drawn.map(\.timesteps)).count == 4)
        #expect(Set(drawn.map(\.noise.scalars)).count == 4)
        #expect(drawn.allSatisfy { $0.timesteps.allSatisfy { (0..<1000).contains($0) } })
    }

    @Test func noiseIsStandardNormalAndTimestepsAreUniform() {
        let drawn = Self.diffusion.noised(Self.batch(Array(0..<1000)), at: Self.address)
        let noise = drawn.noise.scalars.map(Double.init)
        let count = Double(noise.count)
        // Six standard errors of mean, variance and fourth moment.
        #expect(abs(noise.reduce(0, +) / count) < 6 / count.squareRoot())
        #expect(abs(noise.reduce(0) { $0 + $1 * $1 } / count - 1) < 6 * (2 / count).squareRoot())
        #expect(abs(noise.reduce(0) { $0 + $1 * $1 * $1 * $1 } / count - 3) < 6 * (96 / count).squareRoot())
        let mean = Double(drawn.timesteps.reduce(0, +)) / 1000
        #expect(abs(mean - 499.5) < 6 * 288.7 / 1000.0.squareRoot())
    }

    @Test func aLaneHasTheMeanLossOfItsImagesDropoutIncluded() {
        let (network, _) = Self.network(dropout: 0.3)
        let lane = Self.predictionLoss(network, [5, 11, 6], at: Self.address)
        let single = [5, 11, 6].map { Self.predictionLoss(network, [$0], at: Self.address) }
        #expect(isClose(lane, single.reduce(0, +) / 3, relative: 1e-5))
    }

    @Test func everyDropoutLayerHasItsOwnNumberAndMasksChangeFromStepToStep() {
        let (network, _) = Self.network(dropout: 0.3)
        #expect(network.dropoutLayers == Array(0..<8))
        let x = Self.batch([1]).images
        let outputs = [0, 0, 1].map { step in
            network(
                x, timesteps: [10], on: Tape(recording: false),
                dropout: DropoutAddress(seed: 1, model: 0, step: step, items: [1])
            ).scalars
        }
        #expect(outputs[0] == outputs[1])
        #expect(outputs[0] != outputs[2])
        #expect(outputs[0] != network(x, timesteps: [10], on: Tape(recording: false)).scalars)
    }

    @Test(arguments: Prediction.allCases) func lossIsTheMeanSquaredDistanceToTheTarget(prediction: Prediction) {
        let (network, _) = Self.network()
        let diffusion = GaussianDiffusion(schedule: NoiseSchedule(.cosine), prediction: prediction)
        let batch = Self.batch([3, 4])
        let loss = NoisePrediction.loss(
            of: network, on: batch, diffusion: diffusion, address: Self.address, tape: Tape(recording: true))
        let noised = diffusion.noised(batch, at: Self.address)
        let output = network(noised.images, timesteps: noised.timesteps, on: Tape(recording: false)).scalars
        let images = batch.images.scalars
        let noise = noised.noise.scalars
        let expected = output.indices.reduce(0.0) { sum, index in
            let cumulative = diffusion.schedule.cumulativeAlphas[noised.timesteps[index / 64]]
            let target =
                switch prediction {
                case .epsilon: Double(noise[index])
                case .sample: Double(images[index])
                case .velocity:
                    cumulative.squareRoot() * Double(noise[index])
                        - (1 - cumulative).squareRoot() * Double(images[index])
                }
            return sum + (Double(output[index]) - target) * (Double(output[index]) - target) / Double(output.count)
        }
        #expect(isClose(Double(loss.scalars[0]), expected, relative: 1e-5))
    }

    @Test func distillationImitatesTheTeacherAndLeavesItAlone() {
        let (student, studentVector) = Self.network(dropout: 0.2, seed: 3)
        let (teacher, teacherVector) = Self.network(dropout: 0.2, seed: 4)
        let before = teacher.parameters.map(\.values)
        let batch = Self.batch([3, 4])
        let tape = Tape(recording: true)
        let loss = Distillation.loss(
            of: student, taughtBy: [teacher], on: batch, diffusion: Self.diffusion, address: Self.address, tape: tape)
        tape.backward(from: loss)

        let noised = Self.diffusion.noised(batch, at: Self.address)
        let target = teacher(noised.images, timesteps: noised.timesteps, on: Tape(recording: false))
        let referenceTape = Tape(recording: true)
        let (reference, referenceVector) = Self.network(dropout: 0.2, seed: 3)
        let output = reference(
            noised.images, timesteps: noised.timesteps, on: referenceTape,
            dropout: DropoutAddress(seed: 7, model: 1, step: 12, items: [3, 4]))
        let referenceLoss = referenceTape.meanSquaredError(output, target)
        referenceTape.backward(from: referenceLoss)
        #expect(loss.scalars == referenceLoss.scalars)
        #expect(student.parameters.map(\.gradient) == reference.parameters.map(\.gradient))
        #expect(student.parameters.contains { $0.gradient.contains { $0 != 0 } })
        #expect(teacher.parameters.allSatisfy { $0.gradient.allSatisfy { $0 == 0 } })
        #expect(teacher.parameters.map(\.values) == before)
        #expect(studentVector.count == referenceVector.count && teacherVector.count == studentVector.count)
    }

    @Test func severalTeachersAreAveraged() {
        let (student, _) = Self.network(seed: 3)
        let teachers = (4...6).map { Self.network(seed: $0).0 }
        let batch = Self.batch([3, 4])
        let noised = Self.diffusion.noised(batch, at: Self.address)
        let predictions = ([student] + teachers).map {
            $0(noised.images, timesteps: noised.timesteps, on: Tape(recording: false)).scalars
        }
        let expected = predictions[0].indices.reduce(0.0) { sum, index in
            let target = predictions[1...].reduce(0.0) { $0 + Double($1[index]) } / 3
            return sum + (Double(predictions[0][index]) - target) * (Double(predictions[0][index]) - target) / 128
        }
        let loss = Distillation.loss(
            of: student, taughtBy: teachers, on: batch, diffusion: Self.diffusion, address: Self.address,
            tape: Tape(recording: false))
        #expect(isClose(Double(loss.scalars[0]), expected, relative: 1e-5))
    }

    @Test func swappedTeachersGiveAnotherLoss() {
        let (student, _) = Self.network(seed: 3)
        let losses = (4...5).map { seed in
            Distillation.loss(
                of: student, taughtBy: [Self.network(seed: seed).0], on: Self.batch([3]), diffusion: Self.diffusion,
                address: Self.address, tape: Tape(recording: false)
            ).scalars
        }
        #expect(losses[0] != losses[1])
    }
}
