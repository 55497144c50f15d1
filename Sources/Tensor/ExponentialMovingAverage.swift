/// The decay of the exponential moving average of a model's weights, with its warm-up.
///
/// After the update number n (the first is step 0, n = 1): ema = decay(n) ema + (1 - decay(n)) value, where
/// decay(n) = min(decay, (1 + n) / (10 + n)), or just decay without warm-up. The averaging itself is part of
/// ``Adam``'s pass over memory.
public struct ExponentialMovingAverage: Codable, Hashable, Sendable {
    /// The decay after the warm-up, in [0, 1].
    public let decay: Double
    /// Whether the first averages forget faster.
    public let warmsUp: Bool

    /// Makes an average.
    ///
    /// - Precondition: `decay` is in [0, 1].
    public init(decay: Double, warmsUp: Bool = true) {
        precondition((0...1).contains(decay), "the EMA's decay \(decay) is not in [0, 1]")
        self.decay = decay
        self.warmsUp = warmsUp
    }

    /// The decay for the average after `updates` updates, that one included.
    ///
    /// - Precondition: `updates >= 0`.
    public func decay(after updates: Int) -> Double {
        precondition(updates >= 0, "a number of updates must not be \(updates)")
        guard warmsUp else { return decay }
        return min(decay, Double(1 + updates) / Double(10 + updates))
    }
}
