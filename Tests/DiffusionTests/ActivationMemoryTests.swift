import Diffusion
import Tensor
import Testing

/// What a training step keeps between the forward and the backward pass.
@Suite struct ActivationMemoryTests {
    static let networks: [(name: String, configuration: UNetConfiguration, images: Int)] = [
        ("fashion-mnist", .fashionMNIST, 4), ("ddpm-cifar10", .ddpmCIFAR10, 2),
        (
            "odd sizes",
            UNetConfiguration(
                height: 21, width: 19, inChannels: 3, outChannels: 3, channels: [32, 48, 64], layersPerBlock: 1,
                attention: [false, true, true], normGroups: 8, dropout: 0.2), 3
        ),
        (
            "growing widths",
            UNetConfiguration(
                height: 32, width: 32, inChannels: 1, outChannels: 1, channels: [16, 128, 128], layersPerBlock: 1,
                attention: [false, false, false], normGroups: 8), 4
        ),
    ]

    /// Copies in other orders are made of the weights of 1x1 convolutions, of those that halve an image, and of the entrance's.
    @Test(.enabled(if: NumericsProfile.current().kernels >= .avx2, "needs AVX2"), arguments: networks)
    func planKnowsWhichWeightsAreCopied(network: (name: String, configuration: UNetConfiguration, images: Int)) {
        let copied = UNet2D(network.configuration).parameters.filter {
            $0.shape.count == 4 && ($0.shape[2] == 1 || $0.name.contains("downsamplers") || $0.shape[1] < 8)
        }
        #expect(network.configuration.cost.reorderedParameters == copied.reduce(0) { $0 + $1.shape.reduce(1, *) })
    }

    /// The figures that `diptych plan` shows: what lies between the passes, and, with working memory, the most that a whole
    /// step holds. In a process of its own, for the pool is the process's. Fails when a convolution keeps its input, which the
    /// norm before it can make again, when the estimate forgets a kind of layer, and when a block that is computed again is
    /// kept all the same.
    @Test(arguments: networks, [false, true])
    func planKnowsWhatAStepHolds(network: (name: String, configuration: UNetConfiguration, images: Int), again: Bool)
        async
    {
        let images = network.images
        let configuration = network.configuration
        await #expect(processExitsWith: .success) {
            [configuration = configuration as UNetConfiguration, images = images as Int, again = again as Bool] in
            let cost = configuration.cost
            let held = memory(of: configuration, images: images, recomputingBlocks: again)
            let kept =
                4 * images * (again ? cost.recomputedActivationFloats - cost.largestBlockFloats : cost.activationFloats)
            let peak = configuration.stepBytes(images: images, recomputingBlocks: again)
            // Not a precondition, whose message an optimized build leaves out.
            guard abs(Double(kept) / Double(held.kept) - 1) < 0.1 else {
                fatalError("planned \(kept), kept \(held.kept) bytes")
            }
            guard abs(Double(peak) / Double(held.peak) - 1) < 0.1 else {
                fatalError("planned \(peak), held \(held.peak) bytes")
            }
        }
    }
}

/// Bytes that lie between the two passes of a step, and the most that the step holds.
private func memory(
    of configuration: UNetConfiguration, images: Int, recomputingBlocks: Bool
) -> (kept: Int, peak: Int) {
    Threads.useOne()
    let network = UNet2D(configuration)
    let parameters = ParameterVector(network)
    parameters.initialize(seed: 1, model: 0)
    parameters.keepsReorderedValues = false
    let x = Tensor.zeros([images, configuration.inChannels, configuration.height, configuration.width])
    let before = StoragePool.shared.statistics.bytesInUse
    let tape = Tape(recording: true, recomputingBlocks: recomputingBlocks)
    let y = network(
        x, timesteps: Array(0..<images), on: tape,
        dropout: DropoutAddress(seed: 1, model: 0, step: 0, items: Array(0..<images)))
    let kept = StoragePool.shared.statistics.bytesInUse - before
    tape.backward(from: tape.meanSquaredError(y, x))
    return (kept, StoragePool.shared.statistics.peakBytesInUse - before)
}
