import Tensor

extension UNetConfiguration {
    /// The most bytes that a lane's two passes hold at a time, beside the weights: an estimate.
    ///
    /// Going backwards, activations are freed, gradients of weights come up, and those of skip connections wait, stage by
    /// stage. While a stage is under way it holds half of its activations, and what its greediest convolution takes for a
    /// moment. Gradients of weights borrow whole segments of ``GradientVector``: on average half a segment more than is written,
    /// and the first one from the beginning, for there lie the parameters of the network's exit. Asks the kernels about
    /// their scratch memory, so the answer is for this machine.
    ///
    /// - Parameters:
    ///   - images: Images of a lane.
    ///   - recomputingBlocks: Whether activations within blocks are computed again.
    /// - Precondition: The configuration is valid.
    public func stepBytes(images: Int, recomputingBlocks: Bool) -> Int {
        let stages = cost.stages
        func kept(_ stage: UNetCost.Stage) -> Int {
            4 * images * (stage.activationFloats - (recomputingBlocks ? stage.floatsWithinBlocks : 0))
        }
        let weights = 4 * stages.reduce(0) { $0 + $1.parameters }
        let early = 4 * GradientVector.segmentFloats * 3 / 2
        var (activations, gradients, skips, most) = (stages.reduce(0) { $0 + kept($1) }, 0, 0, 0)
        for stage in stages.reversed() {
            let again = recomputingBlocks ? 4 * images * stage.largestBlockFloats : 0
            gradients += 4 * stage.parameters
            skips -= 4 * images * min(stage.skipFloats, 0)
            let borrowed = min(gradients + early, weights)
            let left = activations - kept(stage) / 2
            most = max(most, left + borrowed + skips + workingBytes(images: images, stage) + again)
            activations -= kept(stage)
            skips -= 4 * images * max(stage.skipFloats, 0)
        }
        return max(most, gradients)
    }

    /// Bytes that the backward pass of a residual block's first convolution holds for a moment, the greediest of a stage: the
    /// scratch memory of its kernel, its input before and after the norm, and its result's gradient. Usual networks take
    /// less than that for the convolution that enlarges images, at a time when more activations are free.
    private func workingBytes(images: Int, _ stage: UNetCost.Stage) -> Int {
        guard let level = stage.level else { return 0 }
        let size = levelSizes[level]
        return Set(stage.inputs).map { inChannels in
            let convolution = ConvolutionShape(
                source: [images, inChannels, size.height, size.width], weights: [channels[level], inChannels, 3, 3],
                stride: 1, padding: Padding(1), hasBias: true)
            let floats = 2 * UNetCost.padded(inChannels) + 2 * UNetCost.padded(channels[level])
            return convolution.scratchBytes + 4 * images * floats * size.height * size.width
        }.max() ?? 0
    }
}
