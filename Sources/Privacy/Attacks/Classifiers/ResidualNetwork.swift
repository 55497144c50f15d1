import Tensor

/// A small residual network over images: a weak attacker, of which an attack trains several.
///
/// A 3x3 convolution to 16 channels; a residual block; twice a 3x3 convolution with stride 2 that doubles the channels, and a
/// residual block; a convolution over all that is left makes the outputs. Group norm in 4 groups, SiLU.
final class ResidualNetwork: ImageNetwork {
    private let stem: Layer
    private let stages: [Stage]
    private let head: Layer
    let outputs: Int
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

    func callAsFunction(_ x: Tensor, _ mode: BatchNormMode, on tape: Tape) -> Tensor {
        head(stages.reduce(stem(x, on: tape)) { $1($0, on: tape) }, on: tape)
    }
}
