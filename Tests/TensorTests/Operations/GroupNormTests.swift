import Tensor
import TestSupport
import Testing

@Suite struct GroupNormTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let shape: [Int]
        let groups: Int
        let activation: Activation
        var testDescription: String { "\(shape) in \(groups) groups, \(activation)" }
    }

    static let cases = [
        Case(shape: [2, 1, 20, 7], groups: 1, activation: .identity),
        Case(shape: [2, 6, 3, 5], groups: 3, activation: .silu),
        Case(shape: [2, 17, 20, 7], groups: 17, activation: .silu),
        Case(shape: [3, 32, 4, 4], groups: 8, activation: .silu),
        Case(shape: [2, 24, 3, 3], groups: 8, activation: .identity),
        Case(shape: [1, 48, 7, 5], groups: 2, activation: .silu),
    ]

    @Test(arguments: cases) func resultAndGradientsMatchTwin(_ c: Case) {
        let epsilon: Float = 1e-5
        let channels = c.shape[1]
        GradientCheck(
            tensors: [Doubles(random: c.shape, salt: 1)],
            parameters: [Doubles(random: [channels], salt: 2), Doubles(random: [channels], salt: 3)]
        ) { tensors, parameters in
            twinGroupNorm(
                tensors[0], groups: c.groups, parameters[0], parameters[1], Double(epsilon), c.activation)
        } operation: { tape, tensors, parameters in
            tape.groupNorm(
                tensors[0], groups: c.groups, weight: parameters[0], bias: parameters[1], epsilon: epsilon,
                activation: c.activation)
        }.run(absolute: 1e-5)
    }

    @Test(arguments: cases) func aChannelBiasIsAddedFirst(_ c: Case) {
        let channels = c.shape[1]
        GradientCheck(
            tensors: [Doubles(random: c.shape, salt: 1), Doubles(random: [c.shape[0], channels], salt: 4)],
            parameters: [Doubles(random: [channels], salt: 2), Doubles(random: [channels], salt: 3)]
        ) { tensors, parameters in
            twinGroupNorm(
                Doubles(Twin.addChannelBias(tensors[0].images, tensors[1].scalars)), groups: c.groups, parameters[0],
                parameters[1], Double(Float(1e-5)), c.activation)
        } operation: { tape, tensors, parameters in
            tape.groupNorm(
                tensors[0], adding: tensors[1], groups: c.groups, weight: parameters[0], bias: parameters[1],
                epsilon: 1e-5, activation: c.activation)
        }.run(absolute: 1e-5)
    }

    /// A convolution reads the result of a norm again in its backward pass: made again from kept factors, to the same bits.
    @Test(arguments: cases) func whatIsMadeAgainHasTheSameBits(_ c: Case) {
        let channels = c.shape[1]
        let weight = Doubles(random: [channels], salt: 2).parameter("weight")
        let bias = Doubles(random: [channels], salt: 3).parameter("bias")
        let tape = Tape(recording: true)
        let y = tape.groupNorm(
            tape.watch(Doubles(random: c.shape, salt: 1).tensor),
            adding: Doubles(random: [c.shape[0], channels], salt: 4).tensor, groups: c.groups, weight: weight,
            bias: bias, epsilon: 1e-5, activation: c.activation)
        let again = y.madeAgain
        #expect(again != nil && again?.scalars == y.scalars)
    }

    @Test func aLargeMeanDoesNotDrownTheDeviation() {
        let x = (0..<64).map { 1000 + Float($0 % 2) }
        let weight = Parameter(name: "weight", shape: [1], initialization: .ones)
        let bias = Parameter(name: "bias", shape: [1], initialization: .zeros)
        let y = Tape(recording: false).groupNorm(
            Tensor(x, shape: [1, 1, 8, 8]), groups: 1, weight: weight, bias: bias, epsilon: 0)
        expectClose(y.scalars, (0..<64).map { $0 % 2 == 0 ? Float(-1) : 1 }, absolute: 1e-5)
    }
}

/// The twin on shaped arrays.
func twinGroupNorm(
    _ x: Doubles, groups: Int, _ weight: Doubles, _ bias: Doubles, _ epsilon: Double, _ activation: Activation
) -> Doubles {
    Doubles(
        Twin.groupNorm(
            x.images, groups: groups, gamma: weight.scalars, beta: bias.scalars, epsilon: epsilon,
            silu: activation == .silu))
}
