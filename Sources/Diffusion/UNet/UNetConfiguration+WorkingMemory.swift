import Tensor

extension UNetConfiguration {
    /// Bytes that a training step holds for a moment only, beside what it keeps for the backward pass: an estimate.
    ///
    /// The most is held in the backward pass of a residual block's first convolution: the scratch memory of its kernel,
    /// its input before and after the norm and the gradient of that, and its result's gradient. Asks oneDNN, so the answer is
    /// for this machine.
    ///
    /// - Parameter images: Images of a lane.
    /// - Precondition: The configuration is valid.
    public func workingBytes(images: Int) -> Int {
        channels.indices.flatMap { level in
            let inputs = downInputs(level: level) + upInputs(level: level).map { $0.below + $0.skip }
            return Set(inputs).map { workingBytes(images: images, from: $0, level: level) }
        }.max() ?? 0
    }

    private func workingBytes(images: Int, from inChannels: Int, level: Int) -> Int {
        let size = levelSizes[level]
        let outChannels = channels[level]
        let convolution = ConvolutionShape(
            source: [images, inChannels, size.height, size.width], weights: [outChannels, inChannels, 3, 3], stride: 1,
            padding: Padding(1), hasBias: true)
        let floats = 3 * UNetCost.padded(inChannels) + UNetCost.padded(outChannels)
        return convolution.scratchBytes + 4 * images * floats * size.height * size.width
    }
}
