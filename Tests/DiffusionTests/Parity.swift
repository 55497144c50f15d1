import Diffusion
import Tensor
import TestSupport

/// How far one pass of a network is from PyTorch in float64, in units of what is allowed.
///
/// Allowed are, in the L2 norm, 1e-5 of the output's norm for the output, and for the gradient g of each parameter
/// `|g - g64| <= 1e-4 |g64| + 1e-8 |all g64|`. The second term is for gradients that are mathematically zero: `to_k.bias`
/// adds the same number to all scores of a query, which softmax does not see.
///
/// A committed golden file holds sketches of the gradients: |g - g64| is estimated by the distance of the sketches.
/// The square of that estimate has no bias and a relative standard deviation of at most sqrt(2 / 256) = 9 %, so the
/// distance itself is known to about 4.5 %; gradients of at most 256 elements are compared in full.
struct Parity {
    static let outputTolerance = 1e-5
    let output: Double
    let loss: Double
    let gradients: [(name: String, ratio: Double)]

    var worst: (name: String, ratio: Double) {
        gradients.max { $0.ratio < $1.ratio } ?? ("no gradient", .infinity)
    }

    /// Whether everything is within its tolerance. False for NaN.
    var holds: Bool {
        output <= 1 && loss <= 1 && !gradients.isEmpty && gradients.allSatisfy { $0.ratio <= 1 }
    }

    /// Runs the network forwards and backwards and compares.
    ///
    /// - Parameters:
    ///   - network: The network; its gradients are overwritten.
    ///   - example: Inputs and target.
    ///   - golden: What PyTorch found.
    ///   - sketched: Whether the file holds sketches, or whole gradients.
    init(
        of network: UNet2D, parameters: ParameterVector, on example: UNetCase.Example, golden: GoldenFile,
        sketched: Bool = true
    ) throws {
        let tape = Tape(recording: true)
        let pass = network.loss(on: example, tape: tape)
        let expected = try golden.array("output").map(Double.init)
        output = distance(pass.output.scalars.map(Double.init), expected) / (Parity.outputTolerance * norm(expected))
        let expectedLoss = golden.header.loss ?? .nan
        loss = abs(Double(pass.loss.scalars[0]) - expectedLoss) / (Parity.outputTolerance * expectedLoss)

        parameters.clearGradients()
        tape.backward(from: pass.loss)
        let norms = golden.header.norms ?? []
        let total = norm(norms)
        gradients = try zip(network.parameters, norms).map { parameter, size in
            let found = parameter.gradient
            let vector = sketched ? Formula.sketch(parameter.name, found) : found.map(Double.init)
            let difference = distance(vector, try golden.array(parameter.name).map(Double.init))
            return (parameter.name, difference / (1e-4 * size + 1e-8 * total))
        }
    }

    /// Whether the output alone already shows a difference; cheaper than a backward pass.
    static func outputDiffers(of network: UNet2D, on example: UNetCase.Example, golden: GoldenFile) throws -> Bool {
        let pass = network.loss(on: example, tape: Tape(recording: false))
        let expected = try golden.array("output").map(Double.init)
        return distance(pass.output.scalars.map(Double.init), expected) > outputTolerance * norm(expected)
    }
}

/// The L2 norm.
func norm(_ x: [Double]) -> Double {
    x.reduce(0) { $0 + $1 * $1 }.squareRoot()
}

/// The L2 norm of a difference; infinite if the sizes differ.
func distance(_ a: [Double], _ b: [Double]) -> Double {
    guard a.count == b.count else { return .infinity }
    return zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
}
