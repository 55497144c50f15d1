import Tensor

/// A residual block with the attention that follows it at some levels: what the ways down and up are made of, and what is
/// computed again as a whole when memory is short.
struct AttendedResNet: Module {
    private let resnet: ResNetBlock
    private let attention: AttentionBlock?

    init(_ resnet: ResNetBlock, _ attention: AttentionBlock?) {
        self.resnet = resnet
        self.attention = attention
    }

    var parameters: [Parameter] { resnet.parameters + (attention?.parameters ?? []) }

    func callAsFunction(_ x: Tensor, time: Tensor, on tape: Tape, dropout: DropoutAddress?) -> Tensor {
        tape.block([x, time], parameters: parameters) { inputs, tape in
            let x = resnet(inputs[0], time: inputs[1], on: tape, dropout: dropout)
            return attention?(x, on: tape) ?? x
        }
    }
}
