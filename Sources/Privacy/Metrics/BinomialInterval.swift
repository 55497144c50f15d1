import Foundation

/// The binomial distribution, and what a count tells of its probability.
public enum Binomial {
    /// P(X <= k) for X ~ Binomial(n, p).
    public static func cumulative(_ k: Int, of n: Int, probability p: Double) -> Double {
        if k < 0 { return 0 }
        if k >= n { return 1 }
        return regularizedBeta(1 - p, Double(n - k), Double(k + 1))
    }

    /// Clopper and Pearson 1934: the interval that covers the probability with at least `confidence`, whatever it is.
    ///
    /// - Parameters:
    ///   - successes: Of `trials`.
    ///   - trials: At least 1.
    ///   - confidence: In (0, 1).
    /// - Returns: Low and high.
    public static func interval(_ successes: Int, of trials: Int, confidence: Double) -> [Double] {
        precondition(trials > 0 && (0...trials).contains(successes), "\(successes) of \(trials) trials cannot succeed")
        let tail = (1 - confidence) / 2
        let low =
            successes == 0
            ? 0 : solve { 1 - cumulative(successes - 1, of: trials, probability: $0) >= tail }
        let high = successes == trials ? 1 : solve { cumulative(successes, of: trials, probability: $0) <= tail }
        return [low, high]
    }

    /// The p in [0, 1] at which a condition begins to hold.
    private static func solve(_ holds: (Double) -> Bool) -> Double {
        var (low, high) = (0.0, 1.0)
        for _ in 0..<60 {
            let middle = (low + high) / 2
            if holds(middle) { high = middle } else { low = middle }
        }
        return (low + high) / 2
    }

    /// I_x(a, b), by Lentz's evaluation of its continued fraction (DLMF 8.17.22).
    static func regularizedBeta(_ x: Double, _ a: Double, _ b: Double) -> Double {
        if x <= 0 { return 0 }
        if x >= 1 { return 1 }
        if x > (a + 1) / (a + b + 2) { return 1 - regularizedBeta(1 - x, b, a) }
        let front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a
        let tiny = 1e-300
        var c = 1.0
        var d = 1 - (a + b) * x / (a + 1)
        d = 1 / (abs(d) < tiny ? tiny : d)
        var fraction = d
        for step in 1...10_000 {
            let m = Double(step)
            for numerator in [
                m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
            ] {
                d = 1 + numerator * d
                d = 1 / (abs(d) < tiny ? tiny : d)
                c = 1 + numerator / c
                if abs(c) < tiny { c = tiny }
                fraction *= c * d
            }
            if abs(c * d - 1) < 1e-15 { break }
        }
        return front * fraction
    }
}

func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }
