import Tensor
import TestSupport
import Testing

/// A shaped array of doubles: what the twins compute with.
struct Doubles {
    let shape: [Int]
    var scalars: [Double]

    init(_ scalars: [Double], shape: [Int]) {
        precondition(scalars.count == shape.reduce(1, *))
        (self.scalars, self.shape) = (scalars, shape)
    }

    init(zeros shape: [Int]) {
        self.init([Double](repeating: 0, count: shape.reduce(1, *)), shape: shape)
    }

    /// Numbers between -1 and 1 that a float holds exactly, so that twin and kernel start from the same values.
    init(random shape: [Int], salt: Int) {
        let source = RandomSource(seed: 17, purpose: .testing, layer: salt)
        let scalars = (0..<shape.reduce(1, *)).map {
            Double(2 * source.uniform(step: 0, item: 0, element: $0) - 1)
        }
        self.init(scalars, shape: shape)
    }

    init(_ images: Images) {
        self.init(images.values, shape: images.shape)
    }

    var count: Int { scalars.count }

    /// An array of shape (N, C, H, W) as the twins' images.
    var images: Images {
        Images(images: shape[0], channels: shape[1], height: shape[2], width: shape[3], values: scalars)
    }

    var tensor: Tensor { Tensor(scalars.map { Float($0) }, shape: shape) }

    func parameter(_ name: String) -> Parameter {
        let parameter = Parameter(name: name, shape: shape, initialization: .zeros)
        parameter.values = scalars.map { Float($0) }
        return parameter
    }
}

/// An operation beside its twin: checks the result, and the gradient of every input against finite differences of
/// mean((twin - target)^2).
struct GradientCheck {
    /// Inputs that are tensors.
    var tensors: [Doubles]
    /// Inputs that are parameters.
    var parameters: [Doubles] = []
    /// The operation in double precision, of tensors and parameters.
    let twin: ([Doubles], [Doubles]) -> Doubles
    /// The operation under test.
    let operation: (Tape, [Tensor], [Parameter]) -> Tensor

    func run(
        absolute: Double = 2e-6, relative: Double = 2e-5, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let expected = twin(tensors, parameters)
        let target = Doubles(random: expected.shape, salt: 999)
        let leaves = parameters.enumerated().map { $1.parameter("parameter\($0)") }
        let tape = Tape(recording: true)
        let inputs = tensors.map { tape.watch($0.tensor) }
        let result = operation(tape, inputs, leaves)
        expectClose(
            result.scalars, shape: result.shape, expected.scalars, shape: expected.shape, absolute: absolute,
            relative: relative, "result", sourceLocation: sourceLocation)
        guard result.shape == expected.shape else { return }
        let silent = operation(Tape(recording: false), tensors.map(\.tensor), leaves)
        #expect(
            silent.scalars == result.scalars, "the bits depend on whether the tape records",
            sourceLocation: sourceLocation)

        func loss(_ tensors: [Doubles], _ parameters: [Doubles]) -> Double {
            zip(twin(tensors, parameters).scalars, target.scalars).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        }
        let error = tape.meanSquaredError(result, target.tensor)
        // The loss sums over the padding of blocked layouts too: an operation that left something there fails here.
        expectClose(
            error.scalars, [loss(tensors, parameters) / Double(expected.count)], absolute: absolute, relative: relative,
            "loss", sourceLocation: sourceLocation)
        // A large derivative of the loss keeps rounding of tiny numbers out of the comparison.
        tape.backward(from: error, gradient: Float(expected.count))
        #expect(tape.entryCount == 0, "the backward pass frees the tape", sourceLocation: sourceLocation)

        for index in tensors.indices {
            guard let gradient = tape.gradient(of: inputs[index]) else {
                Issue.record("input \(index) has no gradient", sourceLocation: sourceLocation)
                continue
            }
            compare(gradient.scalars, "gradient of input \(index)", tensors[index], absolute, relative, sourceLocation)
            {
                var changed = tensors
                changed[index] = $0
                return loss(changed, parameters)
            }
        }
        for index in parameters.indices {
            let name = "gradient of parameter \(index)"
            compare(leaves[index].gradient, name, parameters[index], absolute, relative, sourceLocation) {
                var changed = parameters
                changed[index] = $0
                return loss(tensors, changed)
            }
        }
    }

    /// Central differences: one in a random direction that moves every element, and up to 24 elements one at a time.
    private func compare(
        _ gradient: [Float], _ name: String, _ input: Doubles, _ absolute: Double, _ relative: Double,
        _ sourceLocation: SourceLocation, loss: (Doubles) -> Double
    ) {
        guard gradient.count == input.count else {
            Issue.record("\(name): \(gradient.count) elements for \(input.count)", sourceLocation: sourceLocation)
            return
        }
        func slope(along direction: [Double]) -> Double {
            let step = 1e-4
            func shifted(_ sign: Double) -> Doubles {
                Doubles(zip(input.scalars, direction).map { $0 + sign * step * $1 }, shape: input.shape)
            }
            return (loss(shifted(1)) - loss(shifted(-1))) / (2 * step)
        }
        let norm = gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
        let direction = Doubles(random: input.shape, salt: 1234).scalars
        let projected = zip(gradient, direction).reduce(0) { $0 + Double($1.0) * $1.1 }
        expectClose(
            [Float(projected)], [slope(along: direction)], absolute: 4 * absolute + 4 * relative * norm,
            relative: relative,
            "\(name) along a random direction", sourceLocation: sourceLocation)

        let stride = max(1, input.count / 24)
        let chosen = Array(Swift.stride(from: (stride - 1) / 2, to: input.count, by: stride))
        let slopes = chosen.map { element in
            var unit = [Double](repeating: 0, count: input.count)
            unit[element] = 1
            return slope(along: unit)
        }
        let scale = norm / Double(input.count).squareRoot()
        expectClose(
            chosen.map { gradient[$0] }, slopes, absolute: 4 * absolute + 4 * relative * scale, relative: relative,
            "\(name), elements \(chosen)", sourceLocation: sourceLocation)
    }
}
