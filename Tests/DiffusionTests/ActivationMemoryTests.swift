import Diffusion
import Tensor
import Testing

/// What a training step keeps between the forward and the backward pass.
@Suite struct ActivationMemoryTests {
    static let networks: [(String, UNetConfiguration, Int)] = [
        ("fashion-mnist", .fashionMNIST, 4), ("ddpm-cifar10", .ddpmCIFAR10, 2),
        (
            "odd sizes",
            UNetConfiguration(
                height: 21, width: 19, inChannels: 3, outChannels: 3, channels: [32, 48, 64], layersPerBlock: 1,
                attention: [false, true, true], normGroups: 8, dropout: 0.2), 3
        ),
    ]

    /// The figure that `diptych plan` shows; in a process of its own, for the pool is the process's. Fails when a
    /// convolution keeps its input, which the norm before it can make again, and when the estimate forgets a kind of layer.
    @Test(arguments: networks)
    func isWhatThePlanSays(name: String, configuration: UNetConfiguration, images: Int) async {
        await #expect(processExitsWith: .success) { [configuration, images] in
            Threads.useOne()
            let network = UNet2D(configuration)
            let parameters = ParameterVector(network)
            parameters.initialize(seed: 1, model: 0)
            parameters.keepsReorderedValues = false
            let x = Tensor.zeros([images, configuration.inChannels, configuration.height, configuration.width])
            let before = StoragePool.shared.statistics.bytesInUse
            let tape = Tape(recording: true)
            let y = network(
                x, timesteps: Array(0..<images), on: tape,
                dropout: DropoutAddress(seed: 1, model: 0, step: 0, items: Array(0..<images)))
            let kept = Double(StoragePool.shared.statistics.bytesInUse - before)
            let planned = Double(4 * configuration.cost.activationFloats * images)
            // Not a precondition, whose message an optimized build leaves out.
            guard abs(planned / kept - 1) < 0.1 else { fatalError("planned \(planned), kept \(kept) bytes") }
            precondition(y.shape == x.shape && tape.entryCount > 0)
        }
    }

    /// Activations and working memory together are the most that a whole step holds.
    @Test(arguments: networks) func planKnowsThePeakOfAStep(name: String, configuration: UNetConfiguration, images: Int)
        async
    {
        await #expect(processExitsWith: .success) { [configuration, images] in
            Threads.useOne()
            let network = UNet2D(configuration)
            let parameters = ParameterVector(network)
            parameters.initialize(seed: 1, model: 0)
            parameters.keepsReorderedValues = false
            let x = Tensor.zeros([images, configuration.inChannels, configuration.height, configuration.width])
            let before = StoragePool.shared.statistics.bytesInUse
            let tape = Tape(recording: true)
            let y = network(
                x, timesteps: Array(0..<images), on: tape,
                dropout: DropoutAddress(seed: 1, model: 0, step: 0, items: Array(0..<images)))
            tape.backward(from: tape.meanSquaredError(y, x))
            let peak = Double(StoragePool.shared.statistics.peakBytesInUse - before)
            let planned = Double(
                4 * configuration.cost.activationFloats * images + configuration.workingBytes(images: images))
            guard abs(planned / peak - 1) < 0.1 else { fatalError("planned \(planned), held \(peak) bytes") }
        }
    }
}
