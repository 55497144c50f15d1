import Tensor

/// A forward process together with what networks predict about it.
public struct GaussianDiffusion: Hashable, Sendable {
    /// The variances.
    public let schedule: NoiseSchedule
    /// What networks output.
    public let prediction: Prediction

    /// Pairs the two.
    public init(schedule: NoiseSchedule, prediction: Prediction) {
        self.schedule = schedule
        self.prediction = prediction
    }
}

/// Standard normal numbers, one address per item: the same for an item whatever else is in the batch.
///
/// - Parameters:
///   - source: Seed, purpose, model.
///   - step: Step of the address.
///   - items: Item of the address for each element of the batch.
///   - shape: Shape of one element of the batch.
/// - Returns: Noise, shape (items.count) + shape.
func gaussianNoise(_ source: RandomSource, step: Int, items: [Int], shape: [Int]) -> Tensor {
    let count = shape.reduce(1, *)
    let scalars = items.flatMap { source.normal(count: count, step: step, item: $0) }
    return Tensor(scalars, shape: [items.count] + shape)
}
