import Tensor

/// One level of the way up: diffusers' `UpBlock2D` or, with attention, `AttnUpBlock2D`.
struct UpBlock: Module {
    private let resnets: [ResNetBlock]
    private let attentions: [AttentionBlock]
    private let upsampler: ConvolutionLayer?

    /// - Parameters:
    ///   - index: Index among the up blocks; block 0 is at the lowest resolution.
    ///   - configuration: The network's options.
    ///   - nextLayer: Number of the next dropout layer; advanced past this block's.
    init(index: Int, configuration: UNetConfiguration, nextLayer: inout Int) {
        let name = "up_blocks.\(index)"
        let level = configuration.channels.count - 1 - index
        let channels = configuration.channels[level]
        resnets = configuration.upInputs(level: level).enumerated().map { position, inputs in
            defer { nextLayer += 1 }
            return ResNetBlock(
                "\(name).resnets.\(position)", from: inputs.below + inputs.skip, to: channels,
                configuration: configuration, layer: nextLayer)
        }
        attentions =
            configuration.attention[level]
            ? resnets.indices.map {
                AttentionBlock("\(name).attentions.\($0)", channels: channels, configuration: configuration)
            } : []
        upsampler =
            level == 0
            ? nil
            : ConvolutionLayer(
                "\(name).upsamplers.0.conv", from: channels, to: channels, kernel: 3, padding: Padding(1))
    }

    var dropoutLayers: [Int] { resnets.map(\.dropoutLayer) }

    var parameters: [Parameter] {
        attentions.flatMap(\.parameters) + resnets.flatMap(\.parameters) + (upsampler?.parameters ?? [])
    }

    /// Runs the level, popping one skip connection for each residual block, then enlarges the image to the size of the
    /// next skip: twice the size, except where a level divided an odd size.
    func callAsFunction(
        _ x: Tensor, skips: inout [Tensor], time: Tensor, on tape: Tape, dropout: DropoutAddress?
    ) -> Tensor {
        var x = x
        for (index, resnet) in resnets.enumerated() {
            let layer = AttendedResNet(resnet, attentions.isEmpty ? nil : attentions[index])
            x = layer(tape.concatenateChannels(x, skips.removeLast()), time: time, on: tape, dropout: dropout)
        }
        if let upsampler, let next = skips.last {
            x = upsampler(tape.upsampleNearest(x, height: next.shape[2], width: next.shape[3]), on: tape)
        }
        return x
    }
}
