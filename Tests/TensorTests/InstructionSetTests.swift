import Tensor
import TestSupport
import Testing

/// Narrower machines: other channel blocks, other convolutions. Each in a process of its own, for a limit lasts.
@Suite struct InstructionSetTests {
    @Test func operationsAreCorrectWithAVX2() async {
        await #expect(processExitsWith: .success) {
            precondition(InstructionSet.avx2.limit())
            checkOperations()
        }
    }

    @Test func operationsAreCorrectOnTheBaseline() async {
        await #expect(processExitsWith: .success) {
            precondition(InstructionSet.baseline.limit())
            checkOperations()
        }
    }
}

private func checkOperations() {
    for source in [[2, 1, 9, 7], [2, 3, 8, 8], [1, 7, 5, 6], [2, 17, 8, 9], [4, 32, 8, 8]] {
        for out in [3, 17, 32] {
            let weight = Doubles(random: [out, source[1], 3, 3], salt: 2)
            GradientCheck(
                tensors: [Doubles(random: source, salt: 1)], parameters: [weight, Doubles(random: [out], salt: 3)]
            ) { tensors, parameters in
                twinConvolution(tensors[0], parameters[0], parameters[1], stride: 1, padding: Padding(1))
            } operation: { tape, tensors, parameters in
                tape.convolution(tensors[0], weight: parameters[0], bias: parameters[1], padding: Padding(1))
            }.run(absolute: 1e-4)
        }
    }
    let shape = [2, 24, 5, 3]
    GradientCheck(
        tensors: [Doubles(random: shape, salt: 1)],
        parameters: [Doubles(random: [24], salt: 2), Doubles(random: [24], salt: 3)]
    ) { tensors, parameters in
        twinGroupNorm(tensors[0], groups: 8, parameters[0], parameters[1], 1e-5, .silu)
    } operation: { tape, tensors, parameters in
        tape.groupNorm(
            tensors[0], groups: 8, weight: parameters[0], bias: parameters[1], epsilon: 1e-5, activation: .silu)
    }.run(absolute: 1e-4)
}
