/// Seconds since it was made, by a clock that no change of the time of day touches.
package struct Stopwatch {
    private let start = ContinuousClock.now

    /// Starts.
    package init() {}

    /// The seconds until now.
    package var seconds: Double {
        let (seconds, attoseconds) = (ContinuousClock.now - start).components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }
}
