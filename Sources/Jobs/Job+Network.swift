import Diffusion

extension Job {
    /// The network for images of a size.
    ///
    /// - Parameters:
    ///   - channels: Channels of an image.
    ///   - height: Rows of an image.
    ///   - width: Columns of an image.
    ///   - classCount: Number of labels of the data; plays a part only in class-conditional networks.
    public func network(channels: Int, height: Int, width: Int, classCount: Int) -> UNetConfiguration {
        UNetConfiguration(
            height: height, width: width, inChannels: channels, outChannels: channels, channels: model.channels,
            layersPerBlock: model.layersPerBlock, attention: model.attention, normGroups: model.normGroups,
            normEpsilon: model.normEpsilon, attentionHeadDimension: model.attentionHeadDimension,
            dropout: model.dropout, flipSineToCosine: model.flipSineToCosine, frequencyShift: model.frequencyShift,
            downsamplePadding: model.downsamplePadding, classCount: model.classConditional ? classCount : nil,
            hasNullClass: model.classConditional && model.classDropout > 0)
    }
}

extension MemoryPlan.NetworkCost {
    /// What a network costs.
    ///
    /// - Precondition: The configuration is valid.
    public init(_ configuration: UNetConfiguration) {
        let cost = configuration.cost
        self.init(
            parameters: cost.parameters, activationFloatsPerImage: cost.activationFloats,
            multiplyAddsPerImage: cost.multiplyAdds)
    }
}
