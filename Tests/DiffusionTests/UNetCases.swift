import Diffusion
import Tensor
import TestSupport

/// The networks of Tests/Golden/unet.py.
enum UNetCase: String, CaseIterable, Sendable {
    case fashionMNIST = "fashion-mnist"
    case ddpmCIFAR10 = "ddpm-cifar10"
    case severalHeads = "several-heads"
    case classConditional = "class-conditional"

    var configuration: UNetConfiguration {
        switch self {
        case .fashionMNIST: .fashionMNIST
        case .ddpmCIFAR10: .ddpmCIFAR10
        case .severalHeads:
            UNetConfiguration(
                height: 16, width: 16, inChannels: 3, outChannels: 3, channels: [32, 64], layersPerBlock: 1,
                attention: [true, true], normGroups: 8, attentionHeadDimension: 8)
        case .classConditional:
            UNetConfiguration(
                height: 15, width: 13, inChannels: 2, outChannels: 3, channels: [25, 35, 45], layersPerBlock: 1,
                attention: [false, true, true], normGroups: 5, attentionHeadDimension: 5, frequencyShift: 1,
                downsamplePadding: 0, classCount: 7)
        }
    }

    /// The network with its formula weights, computing in one thread as a rank does: tests run side by side.
    func network() -> UNet2D {
        Threads.useOne()
        let network = UNet2D(configuration)
        for parameter in network.parameters {
            parameter.values = Formula.weight(parameter.name, shape: parameter.shape)
        }
        return network
    }

    /// Inputs, timesteps, labels and targets.
    func example(batch: Int) -> Example {
        let size = [configuration.height, configuration.width]
        return Example(
            input: Formula.images("\(rawValue) input", shape: [batch, configuration.inChannels] + size),
            target: Formula.images("\(rawValue) target", shape: [batch, configuration.outChannels] + size),
            timesteps: Formula.integers("\(rawValue) timesteps", batch, below: 1000),
            labels: configuration.classCount.map { Formula.integers("\(rawValue) labels", batch, below: $0) })
    }

    /// What a step of training sees: images mixed with noise, and the noise as the target.
    func noisedExample(batch: Int, step: Int) -> Example {
        let shape = [batch, configuration.inChannels, configuration.height, configuration.width]
        let clean = Formula.images("\(rawValue) clean \(step)", shape: shape)
        let noise = Formula.images("\(rawValue) noise \(step)", shape: shape)
        let mixed = zip(clean.scalars, noise.scalars).map { Float(0.6 * Double($0) + 0.8 * Double($1)) }
        return Example(
            input: Tensor(mixed, shape: shape), target: noise,
            timesteps: Formula.integers("\(rawValue) timesteps \(step)", batch, below: 1000), labels: nil)
    }

    struct Example {
        let input: Tensor
        let target: Tensor
        let timesteps: [Int]
        let labels: [Int]?
    }
}

extension UNet2D {
    /// The forward pass and the mean squared error of one example.
    func loss(on example: UNetCase.Example, tape: Tape) -> (output: Tensor, loss: Tensor) {
        let output = self(example.input, timesteps: example.timesteps, labels: example.labels, on: tape)
        return (output, tape.meanSquaredError(output, example.target))
    }
}
