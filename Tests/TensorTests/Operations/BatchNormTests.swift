import Tensor
import TestSupport
import Testing

@Suite struct BatchNormTests {
    // One channel, part of a block, more than a block, whole blocks; a single pixel.
    static let shapes = [[3, 1, 5, 7], [2, 6, 3, 5], [5, 17, 20, 7], [3, 32, 4, 4], [6, 24, 1, 1]]

    @Test(arguments: shapes) func trainingMatchesTwin(_ shape: [Int]) {
        GradientCheck(
            tensors: [Doubles(random: shape, salt: 1)],
            parameters: [Doubles(random: [shape[1]], salt: 2), Doubles(random: [shape[1]], salt: 3)]
        ) { tensors, parameters in
            Doubles(
                Twin.batchNorm(
                    tensors[0].images, gamma: parameters[0].scalars, beta: parameters[1].scalars, epsilon: 1e-3))
        } operation: { tape, tensors, parameters in
            tape.batchNorm(
                tensors[0], weight: parameters[0], bias: parameters[1], running: RunningStatistics(channels: shape[1]),
                mode: .training, epsilon: 1e-3)
        }.run(absolute: 1e-5)
    }

    @Test(arguments: shapes) func predictionMatchesTwin(_ shape: [Int]) {
        let running = RunningStatistics(channels: shape[1])
        let one = Parameter(name: "one", shape: [shape[1]], initialization: .ones)
        let zero = Parameter(name: "zero", shape: [shape[1]], initialization: .zeros)
        _ = Tape(recording: false).batchNorm(
            Doubles(random: shape, salt: 4).tensor, weight: one, bias: zero, running: running, mode: .training)
        GradientCheck(
            tensors: [Doubles(random: shape, salt: 1)],
            parameters: [Doubles(random: [shape[1]], salt: 2), Doubles(random: [shape[1]], salt: 3)]
        ) { tensors, parameters in
            Doubles(
                Twin.batchNorm(
                    tensors[0].images, gamma: parameters[0].scalars, beta: parameters[1].scalars, epsilon: 1e-5,
                    given: (running.means, running.variances)))
        } operation: { tape, tensors, parameters in
            tape.batchNorm(
                tensors[0], weight: parameters[0], bias: parameters[1], running: running, mode: .prediction)
        }.run(absolute: 1e-5)
    }

    /// (1 - momentum) old + momentum new, the new variance divided by n - 1; prediction changes nothing.
    @Test func runningStatisticsForgetSlowly() {
        let shape = [4, 17, 3, 2]
        let running = RunningStatistics(channels: 17, momentum: 0.25)
        let one = Parameter(name: "one", shape: [17], initialization: .ones)
        let zero = Parameter(name: "zero", shape: [17], initialization: .zeros)
        var (means, variances) = ([Double](repeating: 0, count: 17), [Double](repeating: 1, count: 17))
        for salt in 5..<8 {
            let x = Doubles(random: shape, salt: salt)
            let tape = Tape(recording: false)
            _ = tape.batchNorm(x.tensor, weight: one, bias: zero, running: running, mode: .training)
            _ = tape.batchNorm(x.tensor, weight: one, bias: zero, running: running, mode: .prediction)
            for (channel, values) in Twin.channels(x.images).enumerated() {
                let mean = values.reduce(0, +) / 24
                let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 23
                means[channel] = 0.75 * means[channel] + 0.25 * mean
                variances[channel] = 0.75 * variances[channel] + 0.25 * variance
            }
        }
        #expect(zip(running.means, means).allSatisfy { abs($0 - $1) < 1e-7 })
        #expect(zip(running.variances, variances).allSatisfy { abs($0 - $1) < 1e-7 })
    }

    @Test func aLargeMeanDoesNotDrownTheDeviation() {
        let x = (0..<128).map { 1000 + Float($0 % 2) + ($0 < 64 ? -5 : 5) }
        let weight = Parameter(name: "weight", shape: [1], initialization: .ones)
        let bias = Parameter(name: "bias", shape: [1], initialization: .zeros)
        let y = Tape(recording: false).batchNorm(
            Tensor(x, shape: [2, 1, 8, 8]), weight: weight, bias: bias, running: RunningStatistics(channels: 1),
            mode: .training, epsilon: 0)
        let deviation = 25.25.squareRoot()
        expectClose(
            y.scalars, (0..<128).map { (($0 < 64 ? -5 : 5) + ($0 % 2 == 0 ? -0.5 : 0.5)) / deviation }, absolute: 1e-4)
    }

    @Test func oneValueHasNoVariance() async {
        await #expect(processExitsWith: .failure) {
            let parameters = [Initialization.ones, .zeros].map { Parameter(name: "p", shape: [1], initialization: $0) }
            _ = Tape(recording: false).batchNorm(
                Tensor([1], shape: [1, 1, 1, 1]), weight: parameters[0], bias: parameters[1],
                running: RunningStatistics(channels: 1), mode: .training)
        }
    }
}
