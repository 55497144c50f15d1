import Tensor

/// One level of the way down: diffusers' `DownBlock2D` or, with attention, `AttnDownBlock2D`.
struct DownBlock: Module {
    private let resnets: [ResNetBlock]
    private let attentions: [AttentionBlock]
    private let downsampler: ConvolutionLayer?

    init(level: Int, configuration: UNetConfiguration, nextLayer: inout Int) {
        let name = "down_blocks.\(level)"
        let channels = configuration.channels[level]
        resnets = configuration.downInputs(level: level).enumerated().map { index, inChannels in
            defer { nextLayer += 1 }
            return ResNetBlock(
                "\(name).resnets.\(index)", from: inChannels, to: channels, configuration: configuration,
                layer: nextLayer)
        }
        attentions =
            configuration.attention[level]
            ? resnets.indices.map {
                AttentionBlock("\(name).attentions.\($0)", channels: channels, configuration: configuration)
            } : []
        // diffusers' padding 0 pads one row below and one column to the right before a convolution without padding.
        let padding =
            configuration.downsamplePadding == 0
            ? Padding(top: 0, left: 0, bottom: 1, right: 1) : Padding(configuration.downsamplePadding)
        downsampler =
            level == configuration.channels.count - 1
            ? nil
            : ConvolutionLayer(
                "\(name).downsamplers.0.conv", from: channels, to: channels, kernel: 3, stride: 2, padding: padding)
    }

    var dropoutLayers: [Int] { resnets.map(\.dropoutLayer) }

    var parameters: [Parameter] {
        attentions.flatMap(\.parameters) + resnets.flatMap(\.parameters) + (downsampler?.parameters ?? [])
    }

    /// Runs the level and pushes what the way up will take.
    func callAsFunction(
        _ x: Tensor, skips: inout [Tensor], time: Tensor, on tape: Tape, dropout: DropoutAddress?
    ) -> Tensor {
        var x = x
        for (index, resnet) in resnets.enumerated() {
            let layer = AttendedResNet(resnet, attentions.isEmpty ? nil : attentions[index])
            x = layer(x, time: time, on: tape, dropout: dropout)
            skips.append(x)
        }
        if let downsampler {
            x = downsampler(x, on: tape)
            skips.append(x)
        }
        return x
    }
}
