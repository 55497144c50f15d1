/// The learning rate of each step: constant after a linear warm-up, rate(step) = rate min(1, (step + 1) / warmup steps).
///
/// A pure function of the step; the first update is step 0.
public struct LearningRateSchedule: Codable, Hashable, Sendable {
    /// The learning rate after the warm-up.
    public let learningRate: Double
    /// Number of steps of the warm-up, the last of which has the full rate; 0 for none.
    public let warmupSteps: Int

    /// Makes a schedule.
    ///
    /// - Precondition: The rate is finite and not negative, and so is the warm-up.
    public init(learningRate: Double, warmupSteps: Int = 0) {
        precondition(learningRate >= 0 && learningRate.isFinite, "a learning rate must not be \(learningRate)")
        precondition(warmupSteps >= 0, "a warm-up must have zero or more steps, not \(warmupSteps)")
        self.learningRate = learningRate
        self.warmupSteps = warmupSteps
    }

    /// The learning rate of one step.
    ///
    /// - Precondition: `step >= 0`.
    public func learningRate(at step: Int) -> Double {
        precondition(step >= 0, "the first update is step 0, there is no step \(step)")
        guard step + 1 < warmupSteps else { return learningRate }
        return learningRate * (Double(step + 1) / Double(warmupSteps))
    }
}
