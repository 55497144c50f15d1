import Glibc

/// How the noise variances beta_t grow with the timestep.
public enum BetaSchedule: String, Codable, CaseIterable, Sendable {
    /// Evenly spaced betas; Ho et al. 2020, section 4.
    case linear
    /// Evenly spaced square roots of beta, as in latent diffusion.
    case scaledLinear = "scaled_linear"
    /// Cosine-shaped cumulative alphas, betas at most 0.999; Nichol and Dhariwal 2021, equation 17. diffusers'
    /// `squaredcos_cap_v2`.
    case cosine
}

/// The variances of the forward process q, in double precision.
///
/// Timestep 0 is the least noisy, `timesteps - 1` nearly pure noise.
public struct NoiseSchedule: Hashable, Sendable {
    /// Which rule made the betas.
    public let kind: BetaSchedule
    /// beta_t: variance of the noise added at step t, in (0, 1).
    public let betas: [Double]
    /// alpha_t = 1 - beta_t.
    public let alphas: [Double]
    /// Cumulative products of alpha up to and including t, written alpha-bar_t in the papers.
    public let cumulativeAlphas: [Double]

    /// Computes the tables.
    ///
    /// - Parameters:
    ///   - kind: The rule.
    ///   - timesteps: Number of noise levels T, at least 2.
    ///   - betaStart: beta_0, in (0, 1); without effect for ``BetaSchedule/cosine``.
    ///   - betaEnd: beta_(T-1), in [betaStart, 1); without effect for ``BetaSchedule/cosine``.
    public init(_ kind: BetaSchedule, timesteps: Int = 1000, betaStart: Double = 1e-4, betaEnd: Double = 0.02) {
        precondition(timesteps >= 2, "a noise schedule needs at least 2 timesteps, not \(timesteps)")
        precondition(
            0 < betaStart && betaStart <= betaEnd && betaEnd < 1,
            "betas must satisfy 0 < start <= end < 1, not \(betaStart) and \(betaEnd)")
        self.kind = kind
        switch kind {
        case .linear:
            betas = NoiseSchedule.evenlySpaced(from: betaStart, to: betaEnd, count: timesteps)
        case .scaledLinear:
            betas = NoiseSchedule.evenlySpaced(
                from: betaStart.squareRoot(), to: betaEnd.squareRoot(), count: timesteps
            ).map { $0 * $0 }
        case .cosine:
            let level = { (index: Int) -> Double in
                let cosine = cos((Double(index) / Double(timesteps) + 0.008) / 1.008 * .pi / 2)
                return cosine * cosine
            }
            betas = (0..<timesteps).map { min(1 - level($0 + 1) / level($0), 0.999) }
        }
        alphas = betas.map { 1 - $0 }
        var product = 1.0
        cumulativeAlphas = alphas.map {
            product *= $0
            return product
        }
    }

    private static func evenlySpaced(from start: Double, to end: Double, count: Int) -> [Double] {
        (0..<count).map { start + (end - start) * (Double($0) / Double(count - 1)) }
    }

    /// Number of noise levels T.
    public var timesteps: Int { betas.count }

    /// sqrt(alpha-bar_t): the weight of the image in x_t.
    public func signal(at timestep: Int) -> Double { cumulativeAlphas[timestep].squareRoot() }

    /// sqrt(1 - alpha-bar_t): the standard deviation of the noise in x_t.
    public func deviation(at timestep: Int) -> Double { (1 - cumulativeAlphas[timestep]).squareRoot() }
}
