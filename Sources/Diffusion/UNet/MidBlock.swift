import Tensor

/// The bottom of the U: diffusers' `UNetMidBlock2D`, always with attention.
struct MidBlock: Module {
    private let first: ResNetBlock
    private let attention: AttentionBlock
    private let second: ResNetBlock

    init(_ configuration: UNetConfiguration, nextLayer: inout Int) {
        let channels = configuration.channels[configuration.channels.count - 1]
        first = ResNetBlock(
            "mid_block.resnets.0", from: channels, to: channels, configuration: configuration, layer: nextLayer)
        attention = AttentionBlock("mid_block.attentions.0", channels: channels, configuration: configuration)
        second = ResNetBlock(
            "mid_block.resnets.1", from: channels, to: channels, configuration: configuration, layer: nextLayer + 1)
        nextLayer += 2
    }

    var dropoutLayers: [Int] { [first.dropoutLayer, second.dropoutLayer] }

    var parameters: [Parameter] {
        attention.parameters + first.parameters + second.parameters
    }

    func callAsFunction(_ x: Tensor, time: Tensor, on tape: Tape, dropout: DropoutAddress?) -> Tensor {
        tape.block([x, time], parameters: parameters) { inputs, tape in
            let (x, time) = (inputs[0], inputs[1])
            let attended = attention(first(x, time: time, on: tape, dropout: dropout), on: tape)
            return second(attended, time: time, on: tape, dropout: dropout)
        }
    }
}
