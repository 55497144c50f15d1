/// The learning rate of each step: a linear warm-up, a constant middle, and a linear decay towards zero at the end,
/// rate(step) = rate min(1, (step + 1) / warm-up steps, (steps - step) / decay steps).
///
/// A pure function of the step; the first update is step 0. A constant rate with a decay at the end is as good as a
/// cosine over the whole training (arXiv 2405.18392), and training can be made longer until the decay begins.
public struct LearningRateSchedule: Codable, Hashable, Sendable {
    /// The learning rate between warm-up and decay.
    public let learningRate: Double
    /// Number of steps of the warm-up, the last of which has the full rate; 0 for none.
    public let warmupSteps: Int
    /// Number of steps of the decay, the first of which has the full rate; 0 for none.
    public let decaySteps: Int
    /// Number of steps in all; only the decay depends on it.
    public let steps: Int

    /// Makes a schedule.
    ///
    /// - Precondition: The rate is finite and not negative, the warm-up is not negative, and the decay is not longer
    ///   than the training.
    public init(learningRate: Double, warmupSteps: Int = 0, decaySteps: Int = 0, steps: Int = .max) {
        precondition(learningRate >= 0 && learningRate.isFinite, "a learning rate must not be \(learningRate)")
        precondition(warmupSteps >= 0, "a warm-up must have zero or more steps, not \(warmupSteps)")
        precondition((0...steps).contains(decaySteps), "a decay must have 0 to \(steps) steps, not \(decaySteps)")
        self.learningRate = learningRate
        self.warmupSteps = warmupSteps
        self.decaySteps = decaySteps
        self.steps = steps
    }

    /// The learning rate of one step.
    ///
    /// - Precondition: `step` is in `0..<steps`.
    public func learningRate(at step: Int) -> Double {
        precondition((0..<steps).contains(step), "there is no step \(step) in a training of \(steps)")
        var factor = 1.0
        if step + 1 < warmupSteps { factor = Double(step + 1) / Double(warmupSteps) }
        if steps - step < decaySteps { factor = min(factor, Double(steps - step) / Double(decaySteps)) }
        return learningRate * factor
    }
}
