import Tensor

/// One lane's images: what an objective is computed on.
public struct TrainingBatch {
    /// x_0, shape (N, C, H, W), values in [-1, 1].
    public let images: Tensor
    /// Data-set index of each image: with seed, model and step, the address of its timestep, noise and dropout.
    public let items: [Int]
    /// One class per image, for class-conditional models.
    public let labels: [Int]?

    /// Gathers the lane.
    public init(images: Tensor, items: [Int], labels: [Int]? = nil) {
        precondition(
            images.shape.count == 4 && images.shape[0] == items.count,
            "\(items.count) items for images of shape \(images.shape)")
        precondition(
            labels == nil || labels?.count == items.count, "\(labels?.count ?? 0) labels for \(items.count) images")
        self.images = images
        self.items = items
        self.labels = labels
    }
}

/// Which optimizer step of which model draws; with the image's data-set index, the address of what is drawn for it.
public struct TrainingAddress: Hashable, Sendable {
    /// The job's seed.
    public let seed: UInt64
    /// Number of the model that is trained: teachers and student each have their own.
    public let model: Int
    /// The optimizer's step, 0 for the first.
    public let step: Int

    /// Gathers the address.
    public init(seed: UInt64, model: Int, step: Int) {
        self.seed = seed
        self.model = model
        self.step = step
    }

    /// The address of the step's dropout masks.
    func dropout(items: [Int]) -> DropoutAddress {
        DropoutAddress(seed: seed, model: model, step: step, items: items)
    }
}

/// A batch after the forward process: what a network sees in training, and the noise within.
public struct NoisedBatch {
    /// x_t, shape (N, C, H, W).
    public let images: Tensor
    /// One timestep per image.
    public let timesteps: [Int]
    /// epsilon, shape (N, C, H, W).
    public let noise: Tensor
}

extension GaussianDiffusion {
    /// Draws timesteps t ~ U{0, ..., T - 1} and noise, and mixes: an image's draws depend on the address and its
    /// data-set index alone, not on the lane it is in.
    public func noised(_ batch: TrainingBatch, at address: TrainingAddress) -> NoisedBatch {
        let source = RandomSource(seed: address.seed, purpose: .timestep, model: address.model)
        let timesteps = batch.items.map {
            source.integer(below: schedule.timesteps, step: address.step, item: $0)
        }
        let noise = gaussianNoise(
            RandomSource(seed: address.seed, purpose: .noise, model: address.model), step: address.step,
            items: batch.items, shape: Array(batch.images.shape.dropFirst()))
        return NoisedBatch(
            images: schedule.addNoise(batch.images, noise: noise, timesteps: timesteps), timesteps: timesteps,
            noise: noise)
    }
}
