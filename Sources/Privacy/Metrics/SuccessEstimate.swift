import Foundation

/// The attack success rate, with its confidence interval.
///
/// It is the greatest (TPR + 1 - FPR) / 2 over thresholds, so that even scores that tell nothing give more than 1/2 on the images
/// at hand, and the bootstrap would double that excess rather than show it. But at every threshold at once, the rates of the
/// sample and the true ones differ by no more than the empirical distribution functions of members and held-out images from the
/// true ones: for n images, sup (F_n - F) exceeds e with a probability of at most exp(-2 n e^2), whatever the distribution
/// (Massart 1990; for every e: Reeve, arXiv 2403.16651). Both deviations are independent, so their sum exceeds x with at most the
/// probability P(x) that the sum of two Rayleigh variables of scales s = 1 / (2 sqrt(m)) and t = 1 / (2 sqrt(n)) does. The
/// interval reaches x / 2 to both sides with P(x) = 2.5 %, and covers with at least 95 %. The true rate is 1/2 at least: a threshold
/// above all scores has it.
public struct SuccessEstimate: Hashable, Sendable {
    /// The greatest (TPR + 1 - FPR) / 2 on these images.
    public let rate: Double
    /// 95 % confidence interval, low and high, within [1/2, 1].
    public let interval: [Double]

    /// Computes the rate.
    ///
    /// - Parameters:
    ///   - members: Scores of images that were trained on, at least one, none of them NaN.
    ///   - heldOut: Scores of images that were not, likewise.
    public init(members: [Double], heldOut: [Double]) {
        rate = ROCCurve(members: members, heldOut: heldOut).attackSuccessRate
        let (s, t) = (0.5 / Double(members.count).squareRoot(), 0.5 / Double(heldOut.count).squareRoot())
        var (low, high) = (0.0, 10 * (s + t))
        for _ in 0..<60 {
            let middle = (low + high) / 2
            if Self.tail(middle, s, t) > 0.025 { low = middle } else { high = middle }
        }
        interval = [max(0.5, rate - high / 2), min(1, rate + high / 2)]
    }

    /// P(A + B > x) for independent Rayleigh variables of scales s and t. With r^2 = s^2 + t^2 the convolution comes to
    ///
    ///     (s / r)^2 exp(-x^2 / 2 s^2) + (t / r)^2 exp(-x^2 / 2 t^2)
    ///         + sqrt(2 pi) (x s t / r^3) exp(-x^2 / 2 r^2) (Phi(x t / (r s)) + Phi(x s / (r t)) - 1)
    private static func tail(_ x: Double, _ s: Double, _ t: Double) -> Double {
        let square = s * s + t * t
        let r = square.squareRoot()
        func falling(_ scale: Double) -> Double { exp(-x * x / (2 * scale * scale)) }
        // Phi(u) - 1/2
        func centred(_ u: Double) -> Double { erf(u / 2.0.squareRoot()) / 2 }
        return (s * s * falling(s) + t * t * falling(t)) / square
            + (2 * Double.pi).squareRoot() * x * s * t / (square * r) * falling(r)
            * (centred(x * t / (r * s)) + centred(x * s / (r * t)))
    }
}
