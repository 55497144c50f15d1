import CKernels

/// The optimizer Adam (Kingma and Ba 2015, algorithm 1), and AdamW (Loshchilov and Hutter 2019, algorithm 2).
///
/// The formulas are those of `torch.optim.Adam` and `torch.optim.AdamW`. For update t = step + 1:
///
///     m = beta1 m + (1 - beta1) g             v = beta2 v + (1 - beta2) g^2
///     value -= learning rate / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
///
/// The struct holds the settings only; values and moments are the caller's, so that they can be sharded and saved.
public struct Adam: Codable, Hashable, Sendable {
    /// Decay of the first moment, in [0, 1).
    public var beta1: Double
    /// Decay of the second moment, in [0, 1).
    public var beta2: Double
    /// What keeps the denominator from zero.
    public var epsilon: Double
    /// Strength of the weight decay; 0 for none.
    public var weightDecay: Double
    /// Whether the decay acts on the values (AdamW) rather than through the gradient (Adam).
    public var decoupled: Bool

    /// Makes an optimizer.
    ///
    /// - Precondition: Both betas are in [0, 1), epsilon and the decay are not negative.
    public init(
        beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 0,
        decoupled: Bool = false
    ) {
        precondition(
            (0..<1).contains(beta1) && (0..<1).contains(beta2), "Adam's betas \(beta1), \(beta2) not in [0, 1)")
        precondition(epsilon >= 0 && weightDecay >= 0, "Adam's epsilon and weight decay must not be negative")
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.decoupled = decoupled
    }

    /// The memory that one update works on. Values are a whole flat vector; the others may be shards of it.
    public struct State {
        /// The flat vector of values.
        public var values: FloatBuffer
        /// Gradients; that of value i is element `i - gradientsStart`.
        public var gradients: FloatBuffer
        /// Index of the value that the first gradient belongs to.
        public var gradientsStart: Int
        /// First moments; that of value i is element `i - momentsStart`.
        public var firstMoment: FloatBuffer
        /// Second moments, like the first.
        public var secondMoment: FloatBuffer
        /// The exponential moving average of the values, like the moments; nil for none.
        public var ema: FloatBuffer?
        /// Index of the value that the first moment belongs to.
        public var momentsStart: Int

        /// Names the memory of an update.
        public init(
            values: FloatBuffer, gradients: FloatBuffer, gradientsStart: Int = 0, firstMoment: FloatBuffer,
            secondMoment: FloatBuffer, ema: FloatBuffer?, momentsStart: Int = 0
        ) {
            self.values = values
            self.gradients = gradients
            self.gradientsStart = gradientsStart
            self.firstMoment = firstMoment
            self.secondMoment = secondMoment
            self.ema = ema
            self.momentsStart = momentsStart
        }
    }

    /// Updates a range of values, their moments and their moving average in one pass over memory.
    ///
    /// - Parameters:
    ///   - range: Indices of the values.
    ///   - state: The memory.
    ///   - step: Number of updates done before this one; the first is step 0.
    ///   - learningRate: The step's learning rate.
    ///   - gradientScale: Multiplies the gradients first: the clip coefficient over the number of lanes, for instance.
    ///   - emaDecay: `ema = emaDecay ema + (1 - emaDecay) value`, with the new value; in [0, 1].
    /// - Complexity: Reads 20 and writes 16 bytes for each value.
    /// - Precondition: Every buffer has the range; `step >= 0`.
    public func update(
        _ range: Range<Int>, of state: State, step: Int, learningRate: Double, gradientScale: Float = 1,
        emaDecay: Double = 0
    ) {
        precondition(step >= 0, "the first update is step 0, there is no step \(step)")
        precondition((0...1).contains(emaDecay), "the EMA's decay \(emaDecay) is not in [0, 1]")
        var parameters = constants(step: step, learningRate: learningRate)
        parameters.gradient_scale = gradientScale
        parameters.ema_complement = Float(1 - emaDecay)
        let moments = range.shifted(by: -state.momentsStart)
        withExtendedLifetime(state) {
            diptych_adam(
                state.values.unsafeStart(of: range),
                state.gradients.unsafeStart(of: range.shifted(by: -state.gradientsStart)),
                state.firstMoment.unsafeStart(of: moments), state.secondMoment.unsafeStart(of: moments),
                state.ema?.unsafeStart(of: moments), range.count, &parameters)
        }
    }

    /// Updates a range of whole flat vectors; see ``update(_:of:step:learningRate:gradientScale:emaDecay:)``.
    public func update(
        values: FloatBuffer, gradients: FloatBuffer, firstMoment: FloatBuffer, secondMoment: FloatBuffer,
        ema: FloatBuffer?, range: Range<Int>, step: Int, learningRate: Double, gradientScale: Float = 1,
        emaDecay: Double = 0
    ) {
        let state = State(
            values: values, gradients: gradients, firstMoment: firstMoment, secondMoment: secondMoment, ema: ema)
        update(
            range, of: state, step: step, learningRate: learningRate, gradientScale: gradientScale,
            emaDecay: emaDecay)
    }

    private func constants(step: Int, learningRate: Double) -> diptych_adam_step {
        diptych_adam_step(
            gradient_scale: 1, beta1_complement: Float(1 - beta1), beta2: Float(beta2),
            beta2_complement: Float(1 - beta2), epsilon: Float(epsilon),
            step_size: Float(learningRate / (1 - power(beta1, step + 1))),
            deviation_correction: Float(1 / (1 - power(beta2, step + 1)).squareRoot()),
            coupled_decay: decoupled ? 0 : Float(weightDecay),
            decoupled_factor: decoupled ? Float(1 - learningRate * weightDecay) : 1, ema_complement: 1)
    }
}

/// `base^exponent` by squaring: the same bits everywhere, which a mathematical library does not promise.
private func power(_ base: Double, _ exponent: Int) -> Double {
    var result = 1.0
    var square = base
    var rest = exponent
    while rest > 0 {
        if rest & 1 == 1 { result *= square }
        square *= square
        rest >>= 1
    }
    return result
}

extension Range<Int> {
    fileprivate func shifted(by distance: Int) -> Range<Int> { lowerBound + distance..<upperBound + distance }
}
