/// Where the time of training steps goes, added up by kind of work; for benchmarks.
///
/// Parts may nest: the inner one's time counts for the inner one alone. One thread at a time.
public final class StepTimes {
    /// A kind of work.
    public enum Part: String, CaseIterable, Sendable {
        /// A lane's images, from bytes to floats, with their timesteps and noise.
        case data
        /// Convolutions in all three directions, with the reordering of their weights.
        case convolution
        /// Group norm with its activation.
        case normalization
        /// Linear layers, products and softmax of attention, and the way from images to tokens and back.
        case attention
        /// Everything that is no other part.
        case other
        /// Norms, Adam and the moving average.
        case optimizer
        /// What computing does not hide: reduce-scatter, all-gather and agreement.
        case communication
        /// Until the slowest rank has computed its gradient.
        case waiting
    }

    private var seconds = [Part: Double]()
    private var current: Part?
    private let clock = ContinuousClock()
    private var since: ContinuousClock.Instant

    /// Begins with zero.
    public init() {
        since = clock.now
    }

    /// The seconds spent in a part so far.
    public subscript(part: Part) -> Double { seconds[part, default: 0] }

    /// Runs `body`, whose time counts for a part.
    public func measure<Result>(_ part: Part, _ body: () throws -> Result) rethrows -> Result {
        let outer = current
        pass(to: part)
        defer { pass(to: outer) }
        return try body()
    }

    /// Ends what is running and begins a part.
    private func pass(to part: Part?) {
        let now = clock.now
        if let current { seconds[current, default: 0] += (now - since) / .seconds(1) }
        (current, since) = (part, now)
    }
}

extension StepTimes? {
    /// Runs `body`, whose time counts for a part if anybody wants to know.
    @inline(__always)
    package func measure<Result>(_ part: StepTimes.Part, _ body: () throws -> Result) rethrows -> Result {
        guard let self else { return try body() }
        return try self.measure(part, body)
    }
}
