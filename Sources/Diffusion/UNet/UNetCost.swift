import Tensor

/// What a network costs, reckoned from its options without building it.
public struct UNetCost: Hashable, Sendable {
    /// Trainable scalars.
    public internal(set) var parameters = 0
    /// Scalars of the largest parameter.
    public internal(set) var largestParameter = 0
    /// Multiply-adds of convolutions, linear layers and attention products in one image's forward pass. A training step
    /// takes about three times as many.
    public internal(set) var multiplyAdds = 0
    /// Of those, the convolutions' and linear layers'.
    public internal(set) var layerMultiplyAdds = 0
    /// Weights that a kernel reads in another order than the parameter's: of convolutions that are computed directly.
    public internal(set) var reorderedParameters = 0
    /// Floats that the forward pass keeps for the backward pass of one image: an estimate, channels rounded up to 16.
    public internal(set) var activationFloats = 0
    /// The same, when blocks are computed again: what lies between them, and the largest block.
    public var recomputedActivationFloats: Int { activationFloats - floatsWithinBlocks + largestBlockFloats }
    /// Of the kept floats, those that only their own block reads.
    var floatsWithinBlocks = 0
    /// The most of these in one block.
    package private(set) var largestBlockFloats = 0
    /// The network from input to output, a stage for each level of either way.
    private(set) var stages: [Stage] = []

    /// What a part of the network costs.
    struct Stage: Hashable, Sendable {
        /// Its level; nil for the ends.
        var level: Int?
        /// Channels that go into each of its residual blocks.
        var inputs: [Int] = []
        /// Floats of its results that are skip connections; on the way up, of those that it takes in, negative.
        var skipFloats = 0
        var parameters = 0
        var activationFloats = 0
        var floatsWithinBlocks = 0
        var largestBlockFloats = 0
    }

    /// Counts the next stage.
    mutating func stage(
        level: Int?, inputs: [Int] = [], skipFloats: Int = 0, _ count: (inout UNetCost) -> Void
    ) {
        var part = UNetCost()
        count(&part)
        parameters += part.parameters
        largestParameter = max(largestParameter, part.largestParameter)
        multiplyAdds += part.multiplyAdds
        reorderedParameters += part.reorderedParameters
        layerMultiplyAdds += part.layerMultiplyAdds
        activationFloats += part.activationFloats
        floatsWithinBlocks += part.floatsWithinBlocks
        largestBlockFloats = max(largestBlockFloats, part.largestBlockFloats)
        stages.append(
            Stage(
                level: level, inputs: inputs, skipFloats: skipFloats, parameters: part.parameters,
                activationFloats: part.activationFloats, floatsWithinBlocks: part.floatsWithinBlocks,
                largestBlockFloats: part.largestBlockFloats))
    }

    /// Channels as they lie in memory.
    static func padded(_ channels: Int) -> Int { channels < 16 ? channels : (channels + 15) / 16 * 16 }

    /// Counts images that stay in memory until the backward pass.
    mutating func keep(channels: Int, pixels: Int, copies: Int = 1) {
        activationFloats += UNetCost.padded(channels) * pixels * copies
    }

    /// Counts a block that can be computed again: what `count` keeps is kept within it.
    mutating func block(_ count: (inout UNetCost) -> Void) {
        let before = activationFloats
        count(&self)
        floatsWithinBlocks += activationFloats - before
        largestBlockFloats = max(largestBlockFloats, activationFloats - before)
    }

    mutating func convolution(from inChannels: Int, to outChannels: Int, kernel: Int, stride: Int = 1, pixels: Int) {
        let shape = ConvolutionShape(
            source: [1, inChannels, 8, 8], weights: [outChannels, inChannels, kernel, kernel], stride: stride,
            padding: Padding(kernel / 2), hasBias: true)
        if DirectedConvolution(shape, .forward).rule == .direct {
            reorderedParameters += inChannels * outChannels * kernel * kernel
        }
        linear(from: inChannels * kernel * kernel, to: outChannels, rows: pixels)
    }

    mutating func linear(from inputs: Int, to outputs: Int, rows: Int) {
        parameters += (inputs + 1) * outputs
        largestParameter = max(largestParameter, inputs * outputs)
        layerMultiplyAdds += inputs * outputs * rows
        multiplyAdds += inputs * outputs * rows
    }

    mutating func norm(channels: Int) {
        parameters += 2 * channels
    }

    /// Kept: the input of the second group norm; what the norms make of their inputs is computed again.
    mutating func resNet(from inChannels: Int, to outChannels: Int, embedding: Int, pixels: Int) {
        norm(channels: inChannels)
        convolution(from: inChannels, to: outChannels, kernel: 3, pixels: pixels)
        linear(from: embedding, to: outChannels, rows: 1)
        norm(channels: outChannels)
        convolution(from: outChannels, to: outChannels, kernel: 3, pixels: pixels)
        if inChannels != outChannels { convolution(from: inChannels, to: outChannels, kernel: 1, pixels: pixels) }
        keep(channels: outChannels, pixels: pixels)
    }

    /// Kept: the input, query, key, value and result; tokens and probabilities are computed again.
    mutating func attention(channels: Int, heads: Int, pixels: Int) {
        norm(channels: channels)
        for _ in 0..<4 { linear(from: channels, to: channels, rows: pixels) }
        multiplyAdds += 2 * pixels * pixels * channels
        keep(channels: channels, pixels: pixels, copies: 5)
    }
}

extension UNetConfiguration {
    /// Parameters, arithmetic and memory of this network.
    ///
    /// - Precondition: The configuration is valid.
    public var cost: UNetCost {
        var cost = UNetCost()
        let entrance = UNetCost.padded(channels[0]) * height * width
        cost.stage(level: nil, skipFloats: entrance) { addEntrance(to: &$0) }
        for level in channels.indices {
            let floats = UNetCost.padded(channels[level]) * (layersPerBlock * pixels(level: level) + smaller(level))
            cost.stage(level: level, inputs: downInputs(level: level), skipFloats: floats) {
                addWayDown(level: level, to: &$0)
            }
        }
        let bottom = channels.count - 1
        cost.stage(level: bottom, inputs: [channels[bottom]]) { cost in
            cost.block { cost in
                for _ in 0..<2 { addResNet(from: channels[bottom], level: bottom, to: &cost) }
                addAttention(level: bottom, to: &cost)
                cost.keep(channels: channels[bottom], pixels: pixels(level: bottom))
            }
        }
        for level in channels.indices.reversed() {
            let inputs = upInputs(level: level)
            let skips = inputs.reduce(0) { $0 + UNetCost.padded($1.skip) * pixels(level: level) }
            cost.stage(level: level, inputs: inputs.map { $0.below + $0.skip }, skipFloats: -skips) {
                addWayUp(level: level, to: &$0)
            }
        }
        cost.stage(level: nil) { cost in
            cost.norm(channels: channels[0])
            cost.convolution(from: channels[0], to: outChannels, kernel: 3, pixels: pixels(level: 0))
        }
        return cost
    }

    private func addEntrance(to cost: inout UNetCost) {
        let width = embeddingWidth
        cost.linear(from: channels[0], to: width, rows: 1)
        cost.linear(from: width, to: width, rows: 1)
        cost.parameters += (classEmbeddingRows ?? 0) * width
        cost.convolution(from: inChannels, to: channels[0], kernel: 3, pixels: height * self.width)
        cost.keep(channels: channels[0], pixels: height * self.width)
    }

    /// Trainable scalars of this network.
    public var parameterCount: Int { cost.parameters }

    /// Pixels of a level's down-sampled result; 0 at the bottom.
    private func smaller(_ level: Int) -> Int { level < channels.count - 1 ? pixels(level: level + 1) : 0 }

    private func pixels(level: Int) -> Int { levelSizes[level].height * levelSizes[level].width }

    private func addWayDown(level: Int, to cost: inout UNetCost) {
        addLayers(from: downInputs(level: level), level: level, to: &cost)
        // Every result goes on to a norm, and up as a skip connection.
        cost.keep(channels: channels[level], pixels: pixels(level: level), copies: layersPerBlock)
        if level < channels.count - 1 {
            cost.convolution(
                from: channels[level], to: channels[level], kernel: 3, stride: 2, pixels: smaller(level))
            cost.keep(channels: channels[level], pixels: smaller(level))
        }
    }

    private func addWayUp(level: Int, to cost: inout UNetCost) {
        addLayers(from: upInputs(level: level).map { $0.below + $0.skip }, level: level, to: &cost)
        // Of what is concatenated, the skip connection has been counted on the way down.
        for input in upInputs(level: level) { cost.keep(channels: input.below, pixels: pixels(level: level)) }
        // The last result is up-sampled or normalised.
        cost.keep(channels: channels[level], pixels: pixels(level: level))
        if level > 0 {
            cost.convolution(
                from: channels[level], to: channels[level], kernel: 3, pixels: pixels(level: level - 1))
        }
    }

    private func addLayers(from inputs: [Int], level: Int, to cost: inout UNetCost) {
        for inChannels in inputs {
            cost.block { cost in
                addResNet(from: inChannels, level: level, to: &cost)
                if attention[level] { addAttention(level: level, to: &cost) }
            }
        }
    }

    private func addResNet(from inChannels: Int, level: Int, to cost: inout UNetCost) {
        cost.resNet(from: inChannels, to: channels[level], embedding: embeddingWidth, pixels: pixels(level: level))
    }

    private func addAttention(level: Int, to cost: inout UNetCost) {
        let channels = channels[level]
        cost.attention(channels: channels, heads: heads(channels: channels), pixels: pixels(level: level))
    }
}
