import CKernels

/// Stochastic gradient descent with momentum and coupled weight decay, as PyTorch's `SGD` without dampening.
///
/// For each value: g = gradient + weightDecay value; velocity = momentum velocity + g; value -= learningRate velocity.
/// Polyak 1964; Sutskever et al. 2013, equation 1.
public struct MomentumDescent: Hashable, Sendable {
    /// mu, in [0, 1).
    public var momentum: Double
    /// Added to the gradient, times the value; not negative.
    public var weightDecay: Double

    /// Makes an optimizer.
    public init(momentum: Double, weightDecay: Double = 0) {
        precondition((0..<1).contains(momentum), "the momentum \(momentum) is not in [0, 1)")
        precondition(weightDecay >= 0, "the weight decay \(weightDecay) is negative")
        self.momentum = momentum
        self.weightDecay = weightDecay
    }

    /// Updates a range of values and their velocities, which are zero before the first update, in one pass over memory.
    ///
    /// - Precondition: Every buffer has the range.
    public func update(
        values: FloatBuffer, gradients: FloatBuffer, velocities: FloatBuffer, range: Range<Int>, learningRate: Double
    ) {
        withExtendedLifetime((values, gradients, velocities)) {
            diptych_momentum_descent(
                values.unsafeStart(of: range), gradients.unsafeStart(of: range), velocities.unsafeStart(of: range),
                range.count, Float(learningRate), Float(momentum), Float(weightDecay))
        }
    }
}
