import Tensor

/// diffusers' `ResnetBlock2D`: two convolutions, each after group norm and SiLU, told the time in between, and a
/// shortcut around them.
struct ResNetBlock: Module {
    private let norm1: GroupNormLayer
    private let conv1: ConvolutionLayer
    private let timeProjection: LinearLayer
    private let norm2: GroupNormLayer
    private let dropout: DropoutLayer
    private let conv2: ConvolutionLayer
    private let shortcut: ConvolutionLayer?

    /// - Parameters:
    ///   - name: Path of the block, as `down_blocks.0.resnets.1`.
    ///   - inChannels: Channels of the input.
    ///   - outChannels: Channels of the output; a 1x1 convolution is on the shortcut if they differ.
    ///   - configuration: Norms, dropout rate, width of the embedding.
    ///   - layer: Number of this block's dropout layer, unique within the model.
    init(_ name: String, from inChannels: Int, to outChannels: Int, configuration: UNetConfiguration, layer: Int) {
        norm1 = GroupNormLayer(
            name + ".norm1", channels: inChannels, configuration: configuration, activation: .silu)
        conv1 = ConvolutionLayer(name + ".conv1", from: inChannels, to: outChannels, kernel: 3, padding: Padding(1))
        timeProjection = LinearLayer(name + ".time_emb_proj", from: configuration.embeddingWidth, to: outChannels)
        norm2 = GroupNormLayer(
            name + ".norm2", channels: outChannels, configuration: configuration, activation: .silu)
        dropout = DropoutLayer(rate: Float(configuration.dropout), layer: layer)
        conv2 = ConvolutionLayer(name + ".conv2", from: outChannels, to: outChannels, kernel: 3, padding: Padding(1))
        shortcut =
            inChannels == outChannels
            ? nil
            : ConvolutionLayer(
                name + ".conv_shortcut", from: inChannels, to: outChannels, kernel: 1, padding: Padding.none)
    }

    var dropoutLayer: Int { dropout.layer }

    var parameters: [Parameter] {
        norm1.parameters + conv1.parameters + timeProjection.parameters + norm2.parameters + conv2.parameters
            + (shortcut?.parameters ?? [])
    }

    /// - Parameters:
    ///   - x: Shape (N, in, H, W).
    ///   - time: SiLU of the time embedding, shape (N, embeddingWidth).
    /// - Returns: Shape (N, out, H, W).
    func callAsFunction(_ x: Tensor, time: Tensor, on tape: Tape, dropout address: DropoutAddress?) -> Tensor {
        // First, so that it is last in the backward pass: until then the gradient of the result waits, which is smaller than
        // that of the input wherever there is a convolution on the shortcut.
        let residual = shortcut?(x, on: tape) ?? x
        var hidden = conv1(norm1(x, on: tape), on: tape)
        hidden = norm2(hidden, adding: timeProjection(time, on: tape), on: tape)
        hidden = dropout(hidden, address: address, on: tape)
        return tape.add(residual, conv2(hidden, on: tape))
    }
}
