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
    /// What a network costs in lanes of the job's sizes.
    ///
    /// - Parameters:
    ///   - configuration: The network.
    ///   - job: Gives the lanes' sizes, and whether blocks are computed again.
    ///   - includesScratch: Whether to ask kernels for their scratch memory, which takes time; else only activations count.
    /// - Precondition: The configuration is valid.
    public init(_ configuration: UNetConfiguration, job: Job, includesScratch: Bool = true) {
        let cost = configuration.cost
        let sizes = includesScratch ? Set([job.teach.imagesPerLane, job.distill.imagesPerLane]) : []
        self.init(
            parameters: cost.parameters,
            activationFloatsPerImage: job.numerics.recomputeBlocks
                ? cost.recomputedActivationFloats : cost.activationFloats,
            stepBytes: Dictionary(
                uniqueKeysWithValues: sizes.map {
                    ($0, configuration.stepBytes(images: $0, recomputingBlocks: job.numerics.recomputeBlocks))
                }),
            reorderedParameters: cost.reorderedParameters, largestParameter: cost.largestParameter,
            multiplyAddsPerImage: cost.multiplyAdds)
    }
}
