import Tensor

/// Which samples to make: a batch of fixed size with addressed noise.
public struct SampleBatch: Sendable {
    /// Index of each sample among all samples of the run: with the position in the loop, the address of its noise.
    public let items: [Int]
    /// One class per sample, for class-conditional models.
    public let labels: [Int]?
    /// Shape of one sample, (C, H, W).
    public let shape: [Int]
    /// The job's seed.
    public let seed: UInt64
    /// Keeps apart sets of samples that must not share noise; sets with one number start from the same noise, so that
    /// models can be compared.
    public let set: Int

    /// Gathers the description.
    public init(items: [Int], labels: [Int]? = nil, shape: [Int], seed: UInt64, set: Int = 0) {
        precondition(shape.count == 3, "a sample has shape (channels, height, width), not \(shape)")
        precondition(!items.isEmpty, "a batch needs at least one sample")
        precondition(
            labels == nil || labels?.count == items.count,
            "\(labels?.count ?? 0) labels for a batch of \(items.count) samples")
        self.items = items
        self.labels = labels
        self.shape = shape
        self.seed = seed
        self.set = set
    }

    /// Standard normal numbers for one step, shape (N, C, H, W). Step 0 is the initial noise, step p + 1 that of
    /// position p in the loop.
    func noise(step: Int) -> Tensor {
        gaussianNoise(
            RandomSource(seed: seed, purpose: .sampling, model: set), step: step, items: items, shape: shape)
    }
}

/// Makes images from noise.
///
/// A sample depends on the models, the configuration, the seed and its own index, not on the other samples of its batch;
/// to the last bit it does so among batches of one size, because kernels may differ with the size.
///
/// - Parameters:
///   - batch: Which samples, with which noise.
///   - denoiser: The model or models.
///   - diffusion: The forward process to invert, and what the models predict.
///   - configuration: The sampler and its steps.
///   - betweenSteps: Called before each step with its position; report progress here, or throw to stop.
/// - Returns: Images, shape (N, C, H, W), clipped to [-1, 1].
/// - Throws: What `betweenSteps` throws.
public func sample(
    _ batch: SampleBatch, from denoiser: some Denoiser, diffusion: GaussianDiffusion,
    configuration: SamplingConfiguration, betweenSteps: (Int) throws -> Void
) rethrows -> Tensor {
    let shape = [batch.items.count] + batch.shape
    var x = batch.noise(step: 0)
    for (position, step) in configuration.plan(diffusion).enumerated() {
        try betweenSteps(position)
        let output = denoiser.predict(x, timestep: step.timestep, position: position, labels: batch.labels)
        precondition(output.shape == shape, "the denoiser made \(output.shape) from \(shape)")
        let noise = step.noise == 0 ? [] : batch.noise(step: position + 1).scalars
        x = Tensor(step.apply(sample: x.scalars, output: output.scalars, noise: noise), shape: shape)
    }
    return Tensor(x.scalars.map { min(max($0, -1), 1) }, shape: shape)
}
