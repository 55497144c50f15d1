import CKernels
import Foundation
import Tensor
import TestSupport
import Testing

@Suite struct OptimizerTests {
    struct Golden: Decodable {
        struct Settings: Decodable {
            let lr: Double
            let betas: [Double]
            let eps: Double
            let weight_decay: Double
        }
        struct Run: Decodable {
            let optimizer: String
            let settings: Settings
            let history: [[Double]]
        }
        struct Clipped: Decodable {
            let maximum: Double
            let norm: Double
            let gradients: [Double]
        }
        let format: String
        let start: [Double]
        let runs: [Run]
        let clipped: [Clipped]

        static func load() throws -> Golden {
            try JSONDecoder().decode(Golden.self, from: goldenData("optimizer.json"))
        }

        /// The formula of Tests/Golden/optimizer.py.
        func gradients(_ step: Int) -> [Double] {
            start.indices.map { Double((7 * $0 + 3 * step) % 11 - 5) / 16 * ($0 == 5 ? 1_024 : 1) }
        }
    }

    @Test func updatesEqualThoseOfTorch() throws {
        let golden = try Golden.load()
        #expect(golden.format == "diptych-golden-optimizer" && golden.runs.count == 3)
        for run in golden.runs {
            let settings = run.settings
            let adam = Adam(
                beta1: settings.betas[0], beta2: settings.betas[1], epsilon: settings.eps,
                weightDecay: settings.weight_decay, decoupled: run.optimizer == "AdamW")
            var twin = Twin.Adam(values: golden.start)
            twin.beta1 = settings.betas[0]
            twin.beta2 = settings.betas[1]
            twin.epsilon = settings.eps
            twin.weightDecay = settings.weight_decay
            twin.decoupled = adam.decoupled
            let values = FloatBuffer(golden.start.floats)
            let (first, second) = (FloatBuffer(count: 7), FloatBuffer(count: 7))
            for (step, expected) in run.history.enumerated() {
                adam.update(
                    values: values, gradients: FloatBuffer(golden.gradients(step).floats), firstMoment: first,
                    secondMoment: second, ema: nil, range: 0..<7, step: step, learningRate: settings.lr)
                twin.update(gradients: golden.gradients(step), step: step, learningRate: settings.lr)
                let label = "\(run.optimizer), step \(step)"
                for (value, goal) in zip(twin.values, expected) {
                    #expect(abs(value - goal) <= 1e-12 * max(1, abs(goal)), "the twin, \(label)")
                }
                expectClose(values.scalars, expected, absolute: 2e-8, relative: 3e-7, label)
            }
        }
    }

    @Test func clippingEqualsTorch() throws {
        let golden = try Golden.load()
        for clipped in golden.clipped {
            let gradients = FloatBuffer(count: ParameterVector.blockSize)
            gradients.copy(from: golden.gradients(1).floats)
            let norm = GradientNorm.norm(
                ofBlockSquaredNorms: GradientNorm.blockSquaredNorms(gradients, blocks: 0..<1))
            #expect(abs(norm - clipped.norm) <= 1e-12 * norm)
            let scale = GradientNorm.clipCoefficient(norm: norm, maximum: clipped.maximum)
            expectClose(golden.gradients(1).map { Float($0) * scale }, clipped.gradients, relative: 2e-7)
        }
        #expect(GradientNorm.clipCoefficient(norm: 50, maximum: nil) == 1)
    }

    @Test(arguments: Level.all, [1, 16, 1_000]) func everyLevelMatchesTwinWithAverage(_ level: Level, _ count: Int) {
        var twin = Twin.Adam(values: testNumbers(count, 70))
        twin.weightDecay = 0.05
        var (values, ema) = (twin.values.floats, twin.values.floats)
        var (m, v) = ([Float](repeating: 0, count: count), [Float](repeating: 0, count: count))
        for step in 0..<5 {
            let gradients = testNumbers(count, 71 + step)
            twin.update(gradients: gradients.map { $0 / 4 }, step: step, learningRate: 0.01, emaDecay: 0.9)
            let t = Double(step + 1)
            var constants = diptych_adam_step(
                gradient_scale: 0.25, beta1_complement: 0.1, beta2: 0.999, beta2_complement: 0.001, epsilon: 1e-8,
                step_size: Float(0.01 / (1 - pow(0.9, t))),
                deviation_correction: Float(1 / (1 - pow(0.999, t)).squareRoot()), coupled_decay: 0.05,
                decoupled_factor: 1, ema_complement: 0.1)
            level.kernels.adam(&values, gradients.floats, &m, &v, &ema, count, &constants)
        }
        expectClose(values, twin.values, absolute: 2e-7, relative: 1e-6, "values")
        expectClose(ema, twin.ema, absolute: 2e-7, relative: 1e-6, "average")
        expectClose(m, twin.firstMoment, absolute: 1e-7, relative: 2e-6, "first moment")
        expectClose(v, twin.secondMoment, absolute: 1e-9, relative: 2e-6, "second moment")
    }

    /// PyTorch's rule without dampening, written out.
    @Test(arguments: Level.all, [1, 16, 1_000]) func momentumMatchesTwin(_ level: Level, _ count: Int) {
        let start = testNumbers(count, 90)
        var (values, velocities) = (start.floats, [Float](repeating: 0, count: count))
        var (twin, speed) = (start, [Double](repeating: 0, count: count))
        for step in 0..<5 {
            let gradients = testNumbers(count, 91 + step)
            level.kernels.momentum_descent(&values, gradients.floats, &velocities, count, 0.125, 0.75, 0.0625)
            for i in twin.indices {
                speed[i] = 0.75 * speed[i] + gradients[i] + 0.0625 * twin[i]
                twin[i] -= 0.125 * speed[i]
            }
        }
        expectClose(values, twin, absolute: 1e-6, relative: 1e-6, "values")
        expectClose(velocities, speed, absolute: 1e-6, relative: 1e-6, "velocities")
    }

    @Test func momentumChangesItsRangeOnly() {
        let values = FloatBuffer([1, 1, 1])
        let velocities = FloatBuffer([0, 0.5, 0])
        MomentumDescent(momentum: 0.5, weightDecay: 0.25).update(
            values: values, gradients: FloatBuffer([2, 2, 2]), velocities: velocities, range: 1..<2, learningRate: 0.5)
        #expect(velocities.scalars == [0, 2.5, 0] && values.scalars == [1, -0.25, 1])
    }

    @Test func shardsGiveTheBitsOfTheWhole() {
        let count = 1_000
        let gradients = FloatBuffer(testNumbers(count, 80).floats)
        let adam = Adam(weightDecay: 0.01, decoupled: true)
        let start = testNumbers(count, 81).floats
        let whole = state(start, gradients, 0..<count, gradientsStart: 0)
        let values = FloatBuffer(start)
        for step in 0..<3 {
            adam.update(0..<count, of: whole, step: step, learningRate: 0.01, emaDecay: 0.5)
        }
        for shard in [0..<333, 333..<640, 640..<1_000] {
            var part = state(start, FloatBuffer(gradients[shard]), shard, gradientsStart: shard.lowerBound)
            part.values = values
            for step in 0..<3 {
                adam.update(shard, of: part, step: step, learningRate: 0.01, emaDecay: 0.5)
            }
            #expect(part.ema?.scalars == whole.ema?[shard])
            #expect(part.firstMoment.scalars == whole.firstMoment[shard])
        }
        #expect(values.scalars == whole.values.scalars)
    }

    private func state(
        _ values: [Float], _ gradients: FloatBuffer, _ range: Range<Int>, gradientsStart: Int
    ) -> Adam.State {
        Adam.State(
            values: FloatBuffer(values), gradients: gradients, gradientsStart: gradientsStart,
            firstMoment: FloatBuffer(count: range.count), secondMoment: FloatBuffer(count: range.count),
            ema: FloatBuffer(Array(values[range])), momentsStart: range.lowerBound)
    }

    @Test func normIsTheSumOfItsBlocks() {
        let size = ParameterVector.blockSize
        let numbers = testNumbers(3 * size, 82)
        let gradients = FloatBuffer(numbers.floats)
        let squares = GradientNorm.blockSquaredNorms(gradients, blocks: 0..<3)
        #expect(squares[1...] == GradientNorm.blockSquaredNorms(gradients, blocks: 1..<3)[...])
        for block in 0..<3 {
            let part = Array(numbers[block * size..<(block + 1) * size])
            #expect(abs(squares[block] - dot(part, part)) <= 1e-12 * squares[block])
        }
        #expect(GradientNorm.norm(ofBlockSquaredNorms: squares) == (squares[0] + squares[1] + squares[2]).squareRoot())
    }

    @Test func warmUpIsLinearAndEndsAtTheRate() {
        let schedule = LearningRateSchedule(learningRate: 0.5, warmupSteps: 4)
        #expect((0..<6).map { schedule.learningRate(at: $0) } == [0.125, 0.25, 0.375, 0.5, 0.5, 0.5])
        #expect(LearningRateSchedule(learningRate: 2e-4).learningRate(at: 0) == 2e-4)
    }

    @Test func decayIsLinearAndEndsJustAboveZero() {
        let schedule = LearningRateSchedule(learningRate: 0.5, warmupSteps: 2, decaySteps: 4, steps: 8)
        #expect((0..<8).map { schedule.learningRate(at: $0) } == [0.25, 0.5, 0.5, 0.5, 0.5, 0.375, 0.25, 0.125])
        // Where they meet, the smaller of the two counts.
        let short = LearningRateSchedule(learningRate: 1, warmupSteps: 4, decaySteps: 4, steps: 4)
        #expect((0..<4).map { short.learningRate(at: $0) } == [0.25, 0.5, 0.5, 0.25])
    }

    @Test func averageForgetsFasterAtFirst() {
        let average = ExponentialMovingAverage(decay: 0.9999)
        #expect(average.decay(after: 1) == 2.0 / 11)
        #expect(average.decay(after: 90) == 0.91)
        #expect(average.decay(after: 1_000_000) == 0.9999)
        #expect(ExponentialMovingAverage(decay: 0.9, warmsUp: false).decay(after: 1) == 0.9)
    }
}
