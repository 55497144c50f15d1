import Tensor

extension UNetConfiguration {
    /// The most bytes that a lane's two passes hold at a time, beside the weights: an estimate.
    ///
    /// Going backwards, activations are freed and gradients of weights come up, stage by stage. While a stage is under way it
    /// also holds what its greediest convolution takes for a moment. Asks oneDNN about its kernels' scratch memory, so the
    /// answer is for this machine.
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
        var (activations, gradients, most) = (stages.reduce(0) { $0 + kept($1) }, 0, 0)
        for stage in stages.reversed() {
            let again = recomputingBlocks ? 4 * images * stage.largestBlockFloats : 0
            let working = stage.level.map { workingBytes(images: images, level: $0) } ?? 0
            most = max(most, activations + gradients + working + again)
            activations -= kept(stage)
            gradients += 4 * stage.parameters
            most = max(most, activations + gradients)
        }
        return most
    }

    /// Bytes that the backward pass of a residual block's first convolution holds for a moment, the greediest of a level: the
    /// scratch memory of its kernel, its input before and after the norm, and its result's gradient.
    private func workingBytes(images: Int, level: Int) -> Int {
        let size = levelSizes[level]
        let inputs = downInputs(level: level) + upInputs(level: level).map { $0.below + $0.skip }
        return Set(inputs).map { inChannels in
            let convolution = ConvolutionShape(
                source: [images, inChannels, size.height, size.width], weights: [channels[level], inChannels, 3, 3],
                stride: 1, padding: Padding(1), hasBias: true)
            let floats = 2 * UNetCost.padded(inChannels) + 2 * UNetCost.padded(channels[level])
            return convolution.scratchBytes + 4 * images * floats * size.height * size.width
        }.max() ?? 0
    }
}
