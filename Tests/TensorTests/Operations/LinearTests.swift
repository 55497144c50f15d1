import Tensor
import TestSupport
import Testing

@Suite struct LinearTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let source: [Int]
        let out: Int
        let bias: Bool
        var testDescription: String { "\(source) to \(out)\(bias ? ", bias" : "")" }
    }

    static let cases = [
        Case(source: [1, 1], out: 1, bias: true),
        Case(source: [3, 17], out: 5, bias: true),
        Case(source: [2, 7, 19], out: 33, bias: false),
        Case(source: [2, 16, 32], out: 48, bias: true),
    ]

    @Test(arguments: cases) func resultAndGradientsMatchTwin(_ c: Case) {
        let width = c.source[c.source.count - 1]
        let parameters =
            [Doubles(random: [c.out, width], salt: 2)] + (c.bias ? [Doubles(random: [c.out], salt: 3)] : [])
        GradientCheck(tensors: [Doubles(random: c.source, salt: 1)], parameters: parameters) { tensors, parameters in
            let bias = c.bias ? parameters[1].scalars : nil
            let y = Twin.linear(
                tensors[0].scalars, rows: tensors[0].count / width, inputs: width, weight: parameters[0].scalars,
                outputs: c.out, bias: bias)
            return Doubles(y, shape: Array(c.source.dropLast()) + [c.out])
        } operation: { tape, tensors, parameters in
            tape.linear(tensors[0], weight: parameters[0], bias: c.bias ? parameters[1] : nil)
        }.run(absolute: 1e-5)
    }

    /// The product adds to the gradient that another reader has left, which a third may share.
    @Test func gradientsOfSeveralReadersAdd() {
        let shape = [3, 16]
        let parameters = [Doubles(random: [16, 16], salt: 2), Doubles(random: [16, 16], salt: 3)]
        GradientCheck(tensors: [Doubles(random: shape, salt: 1)], parameters: parameters) { tensors, parameters in
            let products = parameters.map {
                Twin.linear(
                    tensors[0].scalars, rows: 3, inputs: 16, weight: $0.scalars, outputs: 16, bias: nil)
            }
            let scalars = tensors[0].scalars.indices.map { products[0][$0] + products[1][$0] + tensors[0].scalars[$0] }
            return Doubles(scalars, shape: shape)
        } operation: { tape, tensors, parameters in
            let x = tensors[0]
            let products = parameters.map { tape.linear(x, weight: $0, bias: nil) }
            // Last, so that its gradient, which the sum shares with its other operand, comes first.
            return tape.add(tape.add(products[0], products[1]), x)
        }.run(absolute: 1e-5)
    }
}
