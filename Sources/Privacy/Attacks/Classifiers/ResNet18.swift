import Tensor

/// ResNet-18 for small images: He et al., CVPR 2016 (arXiv 1512.03385), with a first convolution of 3x3 pixels, stride 1 and no
/// pooling behind it, as is common for CIFAR-10 and as SecMI's authors use it.
///
/// Four stages of two basic blocks with 64, 128, 256 and 512 channels, the last three of which begin with stride 2; the mean
/// over the pixels; a linear layer. Batch norm throughout. 11.2 million parameters; 0.56 billion multiplications for an image
/// of 32 x 32 pixels.
final class ResNet18: ImageNetwork {
    let outputs: Int
    let parameters: [Parameter]
    private let stem: NormedConvolution
    private let blocks: [BasicBlock]
    private let weight: Parameter
    private let bias: Parameter

    /// A convolution without bias, and a batch norm.
    private struct NormedConvolution {
        let weight, normWeight, normBias: Parameter
        let running: RunningStatistics
        let stride: Int

        init(_ name: String, norm: String, from: Int, to: Int, kernel: Int = 3, stride: Int = 1) {
            weight = Parameter(
                name: name + ".weight", shape: [to, from, kernel, kernel],
                initialization: .uniform(fanIn: from * kernel * kernel))
            normWeight = Parameter(name: norm + ".weight", shape: [to], initialization: .ones)
            normBias = Parameter(name: norm + ".bias", shape: [to], initialization: .zeros)
            running = RunningStatistics(channels: to)
            self.stride = stride
        }

        var parameters: [Parameter] { [weight, normWeight, normBias] }

        func callAsFunction(_ x: Tensor, _ mode: BatchNormMode, on tape: Tape) -> Tensor {
            let y = tape.convolution(
                x, weight: weight, bias: nil, stride: stride, padding: Padding(weight.shape[2] / 2))
            return tape.batchNorm(y, weight: normWeight, bias: normBias, running: running, mode: mode)
        }
    }

    /// relu(x + norm(conv(relu(norm(conv(x)))))); x is projected where the shape changes.
    private struct BasicBlock {
        let first, second: NormedConvolution
        let projection: NormedConvolution?

        init(_ name: String, from: Int, to: Int, stride: Int) {
            first = NormedConvolution(name + ".conv1", norm: name + ".bn1", from: from, to: to, stride: stride)
            second = NormedConvolution(name + ".conv2", norm: name + ".bn2", from: to, to: to)
            projection =
                stride == 1 && from == to
                ? nil
                : NormedConvolution(
                    name + ".shortcut.0", norm: name + ".shortcut.1", from: from, to: to, kernel: 1, stride: stride)
        }

        var parameters: [Parameter] { first.parameters + second.parameters + (projection?.parameters ?? []) }

        func callAsFunction(_ x: Tensor, _ mode: BatchNormMode, on tape: Tape) -> Tensor {
            let inner = second(tape.relu(first(x, mode, on: tape)), mode, on: tape)
            return tape.relu(tape.add(inner, projection?(x, mode, on: tape) ?? x))
        }
    }

    /// - Parameters:
    ///   - channels: C of the images.
    ///   - outputs: Numbers for each image.
    init(channels: Int, outputs: Int) {
        self.outputs = outputs
        stem = NormedConvolution("conv1", norm: "bn1", from: channels, to: 64)
        let widths = [64, 64, 128, 256, 512]
        blocks = (1...4).flatMap { stage in
            (0..<2).map { index in
                BasicBlock(
                    "layer\(stage).\(index)", from: index == 0 ? widths[stage - 1] : widths[stage], to: widths[stage],
                    stride: index == 0 && stage > 1 ? 2 : 1)
            }
        }
        weight = Parameter(name: "linear.weight", shape: [outputs, 512], initialization: .uniform(fanIn: 512))
        bias = Parameter(name: "linear.bias", shape: [outputs], initialization: .uniform(fanIn: 512))
        parameters = stem.parameters + blocks.flatMap(\.parameters) + [weight, bias]
    }

    func callAsFunction(_ x: Tensor, _ mode: BatchNormMode, on tape: Tape) -> Tensor {
        let features = blocks.reduce(tape.relu(stem(x, mode, on: tape))) { $1($0, mode, on: tape) }
        return tape.linear(tape.averagePixels(features), weight: weight, bias: bias)
    }
}
