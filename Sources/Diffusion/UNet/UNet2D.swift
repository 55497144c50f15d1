import Tensor

/// The U-Net of denoising diffusion models: diffusers' `UNet2DModel`, layer for layer and name for name.
///
/// Ho et al. 2020, appendix B. Weights travel to and from diffusers by name.
public final class UNet2D: Module {
    /// The options it was built from.
    public let configuration: UNetConfiguration
    /// Every parameter, in diffusers' order.
    public let parameters: [Parameter]
    private let timeEmbedding: TimeEmbedding
    private let input: ConvolutionLayer
    private let down: [DownBlock]
    private let middle: MidBlock
    private let up: [UpBlock]
    private let outputNorm: GroupNormLayer
    private let output: ConvolutionLayer

    /// Builds the network; its weights are zeros and ones until set or drawn by a `ParameterVector`.
    ///
    /// - Precondition: `configuration.validate()` does not throw.
    public init(_ configuration: UNetConfiguration) {
        if let problem = configuration.problem { preconditionFailure(problem) }
        self.configuration = configuration
        let channels = configuration.channels
        var nextLayer = 0
        input = ConvolutionLayer(
            "conv_in", from: configuration.inChannels, to: channels[0], kernel: 3, padding: Padding(1))
        timeEmbedding = TimeEmbedding(configuration)
        down = channels.indices.map { DownBlock(level: $0, configuration: configuration, nextLayer: &nextLayer) }
        middle = MidBlock(configuration, nextLayer: &nextLayer)
        up = channels.indices.map { UpBlock(index: $0, configuration: configuration, nextLayer: &nextLayer) }
        outputNorm = GroupNormLayer(
            "conv_norm_out", channels: channels[0], configuration: configuration, activation: .silu)
        output = ConvolutionLayer(
            "conv_out", from: channels[0], to: configuration.outChannels, kernel: 3, padding: Padding(1))
        parameters = Array(
            [
                input.parameters, timeEmbedding.parameters, down.flatMap(\.parameters), up.flatMap(\.parameters),
                middle.parameters, outputNorm.parameters, output.parameters,
            ].joined())
    }

    /// The number of each residual block's dropout layer, in the order of computation: part of its masks' address.
    package var dropoutLayers: [Int] {
        down.flatMap(\.dropoutLayers) + middle.dropoutLayers + up.flatMap(\.dropoutLayers)
    }

    /// Predicts noise, image or velocity, whatever it was trained for.
    ///
    /// - Parameters:
    ///   - x: Noisy images, shape (N, inChannels, height, width).
    ///   - timesteps: One timestep per image.
    ///   - labels: One class per image in `0..<classCount`, or the null class where there is one; nil exactly if the
    ///     model has no classes.
    ///   - tape: Records the pass, or not.
    ///   - dropout: Where dropout's masks come from; nil for evaluation mode.
    /// - Returns: The prediction, shape (N, outChannels, height, width).
    public func callAsFunction(
        _ x: Tensor, timesteps: [Int], labels: [Int]? = nil, on tape: Tape, dropout: DropoutAddress? = nil
    ) -> Tensor {
        let expected = [timesteps.count, configuration.inChannels, configuration.height, configuration.width]
        precondition(x.shape == expected, "the network takes images of shape \(expected), not \(x.shape)")
        let time = timeEmbedding(timesteps: timesteps, labels: labels, on: tape)
        var hidden = input(x, on: tape)
        var skips = [hidden]
        for block in down {
            hidden = block(hidden, skips: &skips, time: time, on: tape, dropout: dropout)
        }
        hidden = middle(hidden, time: time, on: tape, dropout: dropout)
        for block in up {
            hidden = block(hidden, skips: &skips, time: time, on: tape, dropout: dropout)
        }
        return output(outputNorm(hidden, on: tape), on: tape)
    }
}
