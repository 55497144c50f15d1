import Tensor

/// A small residual network over images, from which attacks learn: far smaller than the ResNet-18 of the papers, so that it
/// trains within seconds on a processor.
///
/// A 3x3 convolution to 16 channels; a residual block; twice a 3x3 convolution with stride 2 that doubles the channels, and a
/// residual block; a convolution over all that is left makes the outputs. Group norm in 4 groups, SiLU.
final class ResidualNetwork: Module {
    private static let batch = 32
    private let stem: Layer
    private let stages: [Stage]
    private let head: Layer
    private let outputs: Int
    private let shape: [Int]
    let parameters: [Parameter]

    /// A convolution with bias.
    private struct Layer {
        let weight: Parameter
        let bias: Parameter
        let stride: Int
        let padding: Padding

        init(_ name: String, _ shape: [Int], stride: Int = 1, padding: Padding = Padding(1)) {
            let initialization = Initialization.uniform(fanIn: shape.dropFirst().reduce(1, *))
            weight = Parameter(name: name + ".weight", shape: shape, initialization: initialization)
            bias = Parameter(name: name + ".bias", shape: [shape[0]], initialization: .zeros)
            self.stride = stride
            self.padding = padding
        }

        var parameters: [Parameter] { [weight, bias] }

        func callAsFunction(_ x: Tensor, on tape: Tape) -> Tensor {
            tape.convolution(x, weight: weight, bias: bias, stride: stride, padding: padding)
        }
    }

    /// Group norm with SiLU.
    private struct Norm {
        let weight: Parameter
        let bias: Parameter

        init(_ name: String, _ channels: Int) {
            weight = Parameter(name: name + ".weight", shape: [channels], initialization: .ones)
            bias = Parameter(name: name + ".bias", shape: [channels], initialization: .zeros)
        }

        var parameters: [Parameter] { [weight, bias] }

        func callAsFunction(_ x: Tensor, on tape: Tape) -> Tensor {
            tape.groupNorm(x, groups: 4, weight: weight, bias: bias, epsilon: 1e-5, activation: .silu)
        }
    }

    /// A residual block, before which the image may be halved.
    private struct Stage {
        let halving: Layer?
        let norms: [Norm]
        let layers: [Layer]

        init(_ name: String, from: Int, to: Int) {
            halving = from == to ? nil : Layer(name + ".halving", [to, from, 3, 3], stride: 2)
            norms = (0..<2).map { Norm("\(name).norm\($0)", to) }
            layers = (0..<2).map { Layer("\(name).conv\($0)", [to, to, 3, 3]) }
        }

        var parameters: [Parameter] {
            (halving?.parameters ?? []) + norms.flatMap(\.parameters) + layers.flatMap(\.parameters)
        }

        func callAsFunction(_ x: Tensor, on tape: Tape) -> Tensor {
            let start = halving.map { $0(x, on: tape) } ?? x
            var hidden = start
            for (norm, layer) in zip(norms, layers) { hidden = layer(norm(hidden, on: tape), on: tape) }
            return tape.add(start, hidden)
        }
    }

    /// - Parameters:
    ///   - shape: (C, H, W) of the images.
    ///   - outputs: Numbers for each image.
    init(shape: [Int], outputs: Int) {
        self.shape = shape
        self.outputs = outputs
        stem = Layer("stem", [16, shape[0], 3, 3])
        stages = [
            Stage("stages.0", from: 16, to: 16), Stage("stages.1", from: 16, to: 32),
            Stage("stages.2", from: 32, to: 64),
        ]
        let (rows, columns) = ((shape[1] + 3) / 4, (shape[2] + 3) / 4)
        head = Layer("head", [outputs, 64, rows, columns], padding: Padding.none)
        parameters = stem.parameters + stages.flatMap(\.parameters) + head.parameters
    }

    private func callAsFunction(_ x: Tensor, on tape: Tape) -> Tensor {
        head(stages.reduce(stem(x, on: tape)) { $1($0, on: tape) }, on: tape)
    }

    /// Trains with AdamW, learning rate 1e-3 falling linearly over the second half, weight decay 5e-4.
    ///
    /// - Parameters:
    ///   - images: Values of each row, (C, H, W).
    ///   - rows: The rows to learn from.
    ///   - epochs: Passes over the rows.
    ///   - seed: Addresses first weights and order.
    ///   - gradient: d loss / d output of one row, given the row and its outputs.
    func train(
        _ images: (Int) -> ArraySlice<Float>, rows: [Int], epochs: Int, seed: UInt64,
        gradient: (_ row: Int, _ outputs: ArraySlice<Float>) -> [Float]
    ) {
        let vector = ParameterVector(self)
        let source = RandomSource(seed: seed, purpose: .audit, model: 1)
        vector.initialize(seed: UInt64(source.word(step: 0, item: 0)), model: 0)
        let moments = (FloatBuffer(count: vector.paddedCount), FloatBuffer(count: vector.paddedCount))
        moments.0.fill(0..<vector.paddedCount, with: 0)
        moments.1.fill(0..<vector.paddedCount, with: 0)
        let adam = Adam(weightDecay: 5e-4, decoupled: true)
        let batches = (rows.count + Self.batch - 1) / Self.batch
        let steps = epochs * batches
        let rate = LearningRateSchedule(learningRate: 1e-3, decaySteps: steps / 2, steps: steps)
        for step in 0..<steps {
            let order = source.permutation(of: rows.count, step: 1 + step / batches)
            let chosen = (0..<Self.batch).map { rows[order[(step % batches * Self.batch + $0) % rows.count]] }
            let tape = Tape(recording: true)
            let output = self(input(chosen, images), on: tape)
            let values = output.scalars
            // The squared error to (output - gradient count / 2) has the wanted gradient, divided by the batch.
            let factor = Float(outputs) / 2
            var targets = values
            for (index, row) in chosen.enumerated() {
                let range = index * outputs..<(index + 1) * outputs
                for (position, slope) in zip(range, gradient(row, values[range])) {
                    targets[position] -= slope * factor
                }
            }
            vector.clearGradients()
            tape.backward(from: tape.meanSquaredError(output, Tensor(targets, shape: output.shape)))
            adam.update(
                values: vector.values, gradients: vector.gradients, firstMoment: moments.0, secondMoment: moments.1,
                ema: nil, range: 0..<vector.paddedCount, step: step, learningRate: rate.learningRate(at: step))
            vector.valuesChanged()
        }
    }

    /// The outputs of every row.
    func predict(_ images: (Int) -> ArraySlice<Float>, count: Int) -> [[Double]] {
        var result: [[Double]] = []
        for start in stride(from: 0, to: count, by: Self.batch) {
            let rows = (start..<start + Self.batch).map { min($0, count - 1) }
            let values = self(input(rows, images), on: Tape(recording: false)).scalars
            for index in 0..<min(Self.batch, count - start) {
                result.append(values[index * outputs..<(index + 1) * outputs].map { Double($0) })
            }
        }
        return result
    }

    private func input(_ rows: [Int], _ images: (Int) -> ArraySlice<Float>) -> Tensor {
        Tensor(rows.flatMap { Array(images($0)) }, shape: [rows.count] + shape)
    }
}
