import Datasets
import Tensor

/// A small convolutional network whose last hidden layer serves as features.
///
/// Stages of a 3x3 convolution with stride 2, group norm and SiLU halve the image until it is at most 4 pixels wide and high;
/// a convolution over all that is left, with SiLU, makes the 64 features; a linear layer makes class scores of them.
struct FeatureNetwork: Module {
    static let features = 64
    private static let groups = 8
    private static let batch = 64

    let classes: Int
    private let stages: [Stage]
    private let denseWeight: Parameter
    private let denseBias: Parameter
    private let headWeight: Parameter
    private let headBias: Parameter

    private struct Stage {
        let weight: Parameter
        let scale: Parameter
        let shift: Parameter
    }

    /// A network for images of this shape; `classes` is at least 1.
    init(channels: Int, height: Int, width: Int, classes: Int) {
        self.classes = classes
        var stages: [Stage] = []
        var (inChannels, rows, columns) = (channels, height, width)
        repeat {
            let outChannels = stages.isEmpty ? 32 : 64
            let name = "stages.\(stages.count)"
            stages.append(
                Stage(
                    weight: Parameter(
                        name: name + ".weight", shape: [outChannels, inChannels, 3, 3],
                        initialization: .uniform(fanIn: inChannels * 9)),
                    scale: Parameter(name: name + ".scale", shape: [outChannels], initialization: .ones),
                    shift: Parameter(name: name + ".shift", shape: [outChannels], initialization: .zeros)))
            (inChannels, rows, columns) = (outChannels, (rows + 1) / 2, (columns + 1) / 2)
        } while max(rows, columns) > 4
        self.stages = stages
        let initialization = Initialization.uniform(fanIn: inChannels * rows * columns)
        denseWeight = Parameter(
            name: "dense.weight", shape: [Self.features, inChannels, rows, columns], initialization: initialization)
        denseBias = Parameter(name: "dense.bias", shape: [Self.features], initialization: initialization)
        headWeight = Parameter(
            name: "head.weight", shape: [classes, Self.features], initialization: .uniform(fanIn: Self.features))
        headBias = Parameter(name: "head.bias", shape: [classes], initialization: .zeros)
    }

    var parameters: [Parameter] {
        stages.flatMap { [$0.weight, $0.scale, $0.shift] } + [denseWeight, denseBias, headWeight, headBias]
    }

    /// Features of images (N, C, H, W) in [-1, 1], shape (N, 64), as (N, 1, 64) tokens.
    func features(_ images: Tensor, on tape: Tape) -> Tensor {
        var hidden = images
        for stage in stages {
            hidden = tape.convolution(hidden, weight: stage.weight, bias: nil, stride: 2, padding: Padding(1))
            hidden = tape.groupNorm(
                hidden, groups: Self.groups, weight: stage.scale, bias: stage.shift, epsilon: 1e-5, activation: .silu)
        }
        hidden = tape.convolution(hidden, weight: denseWeight, bias: denseBias, padding: Padding.none)
        return tape.tokens(tape.silu(hidden))
    }

    /// Class scores of features.
    func scores(_ features: Tensor, on tape: Tape) -> Tensor {
        tape.linear(features, weight: headWeight, bias: headBias)
    }

    /// Runs over all images of a set, batch by batch.
    ///
    /// - Returns: For each image, its row of what `body` makes of its batch.
    func map(_ images: ImageSet, width: Int, _ body: (Tensor, Tape) -> Tensor) -> FeatureMatrix {
        var values: [Double] = []
        values.reserveCapacity(images.count * width)
        for start in stride(from: 0, to: images.count, by: Self.batch) {
            // The last batch is filled up with its first image, so that all have one shape.
            let indices = (start..<start + Self.batch).map { $0 < images.count ? $0 : start }
            let tape = Tape(recording: false)
            let result = body(imageBatch(images, indices: indices), tape).scalars
            values += result.prefix(min(Self.batch, images.count - start) * width).map(Double.init)
        }
        return FeatureMatrix(values, width: width)
    }
}
