import Tensor

/// A convolution with bias: names `<name>.weight`, `<name>.bias`.
struct ConvolutionLayer: Module {
    private let weight: Parameter
    private let bias: Parameter
    private let stride: Int
    private let padding: Padding

    init(_ name: String, from inChannels: Int, to outChannels: Int, kernel: Int, stride: Int = 1, padding: Padding) {
        let initialization = Initialization.uniform(fanIn: inChannels * kernel * kernel)
        weight = Parameter(
            name: name + ".weight", shape: [outChannels, inChannels, kernel, kernel], initialization: initialization)
        bias = Parameter(name: name + ".bias", shape: [outChannels], initialization: initialization)
        self.stride = stride
        self.padding = padding
    }

    var parameters: [Parameter] { [weight, bias] }

    /// (N, in, H, W) -> (N, out, H', W').
    func callAsFunction(_ x: Tensor, on tape: Tape) -> Tensor {
        tape.convolution(x, weight: weight, bias: bias, stride: stride, padding: padding)
    }
}

/// A linear layer with bias.
struct LinearLayer: Module {
    private let weight: Parameter
    private let bias: Parameter

    init(_ name: String, from inputs: Int, to outputs: Int) {
        let initialization = Initialization.uniform(fanIn: inputs)
        weight = Parameter(name: name + ".weight", shape: [outputs, inputs], initialization: initialization)
        bias = Parameter(name: name + ".bias", shape: [outputs], initialization: initialization)
    }

    var parameters: [Parameter] { [weight, bias] }

    /// (..., in) -> (..., out).
    func callAsFunction(_ x: Tensor, on tape: Tape) -> Tensor {
        tape.linear(x, weight: weight, bias: bias)
    }
}

/// Group normalisation with weight and bias, fused with the activation that follows it.
struct GroupNormLayer: Module {
    private let weight: Parameter
    private let bias: Parameter
    private let groups: Int
    private let epsilon: Float
    private let activation: Activation

    init(_ name: String, channels: Int, configuration: UNetConfiguration, activation: Activation) {
        weight = Parameter(name: name + ".weight", shape: [channels], initialization: .ones)
        bias = Parameter(name: name + ".bias", shape: [channels], initialization: .zeros)
        groups = configuration.normGroups
        epsilon = Float(configuration.normEpsilon)
        self.activation = activation
    }

    var parameters: [Parameter] { [weight, bias] }

    /// (N, C, H, W) -> the same shape; `channelBias`, shape (N, C), is added first.
    func callAsFunction(_ x: Tensor, adding channelBias: Tensor? = nil, on tape: Tape) -> Tensor {
        tape.groupNorm(
            x, adding: channelBias, groups: groups, weight: weight, bias: bias, epsilon: epsilon,
            activation: activation)
    }
}

/// Where the dropout masks of one forward pass come from: with the layer and the element, the address of each number.
public struct DropoutAddress: Sendable {
    /// The job's seed.
    public let seed: UInt64
    /// Which model is trained.
    public let model: Int
    /// The optimizer's step, 0 for the first.
    public let step: Int
    /// Data-set index of each image of the batch.
    public let items: [Int]

    /// Gathers the address.
    public init(seed: UInt64, model: Int, step: Int, items: [Int]) {
        self.seed = seed
        self.model = model
        self.step = step
        self.items = items
    }
}

/// Dropout with a layer number of its own.
struct DropoutLayer {
    let rate: Float
    let layer: Int

    /// Drops elements in training; the identity in evaluation mode (no address).
    func callAsFunction(_ x: Tensor, address: DropoutAddress?, on tape: Tape) -> Tensor {
        guard let address, rate > 0 else { return x }
        let source = RandomSource(seed: address.seed, purpose: .dropout, model: address.model, layer: layer)
        return tape.dropout(x, rate: rate, source: source, step: address.step, items: address.items)
    }
}
