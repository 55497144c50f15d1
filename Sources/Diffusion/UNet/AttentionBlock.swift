import Tensor

/// diffusers' `Attention` as its U-Net uses it: group norm, self-attention over all positions of the image, and the
/// input added to the result.
struct AttentionBlock: Module {
    private let norm: GroupNormLayer
    private let query: LinearLayer
    private let key: LinearLayer
    private let value: LinearLayer
    private let output: LinearLayer
    private let heads: Int

    /// - Parameters:
    ///   - name: Path of the block, as `mid_block.attentions.0`.
    ///   - channels: Channels of input and output.
    ///   - configuration: Norm and size of the heads.
    init(_ name: String, channels: Int, configuration: UNetConfiguration) {
        norm = GroupNormLayer(
            name + ".group_norm", channels: channels, configuration: configuration, activation: .identity)
        query = LinearLayer(name + ".to_q", from: channels, to: channels)
        key = LinearLayer(name + ".to_k", from: channels, to: channels)
        value = LinearLayer(name + ".to_v", from: channels, to: channels)
        output = LinearLayer(name + ".to_out.0", from: channels, to: channels)
        heads = configuration.heads(channels: channels)
    }

    var parameters: [Parameter] {
        norm.parameters + query.parameters + key.parameters + value.parameters + output.parameters
    }

    /// (N, C, H, W) -> the same shape.
    func callAsFunction(_ x: Tensor, on tape: Tape) -> Tensor {
        let tokens = tape.tokens(norm(x, on: tape))
        let attended = tape.attention(
            query: query(tokens, on: tape), key: key(tokens, on: tape), value: value(tokens, on: tape), heads: heads)
        let images = tape.images(output(attended, on: tape), height: x.shape[2], width: x.shape[3])
        return tape.add(images, x)
    }
}
