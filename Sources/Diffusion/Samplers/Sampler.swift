/// Variance of the noise that ancestral sampling adds; Ho et al. 2020, section 3.2.
public enum AncestralVariance: String, Codable, CaseIterable, Sendable {
    /// beta_t: best when x_0 is normally distributed.
    case fixedLarge = "fixed_large"
    /// The posterior's variance, beta_t (1 - alpha-bar_(t-1)) / (1 - alpha-bar_t): best when x_0 is one point.
    case fixedSmall = "fixed_small"
}

/// A way from noise to images.
public enum Sampler: Hashable, Sendable {
    /// Ancestral sampling; Ho et al. 2020, algorithm 2.
    case ddpm(variance: AncestralVariance)
    /// Denoising diffusion implicit models; Song et al. 2021, equations 12 and 16. `eta` 0 is deterministic, 1 adds as
    /// much noise as ancestral sampling with the small variance; in [0, 1].
    case ddim(eta: Double)
}

/// Which timesteps a sampler visits when it takes fewer steps than the schedule has.
public enum TimestepSpacing: String, Codable, CaseIterable, Sendable {
    /// `i * (T / steps)` with integer division: ends at timestep 0.
    case leading
    /// `round(T - i * T / steps) - 1`: begins at the noisiest timestep T - 1.
    case trailing
}

/// How to sample: the rule, the number of steps, and what is clipped.
public struct SamplingConfiguration: Hashable, Sendable {
    /// The rule of a step.
    public let sampler: Sampler
    /// Denoising steps, in `1...T`.
    public let steps: Int
    /// Which timesteps are visited.
    public let spacing: TimestepSpacing
    /// Whether the image predicted at each step is clipped to [-1, 1]. As in diffusers, DDIM's noise estimate is then
    /// still the network's.
    public let clipsPredictedImage: Bool

    /// Gathers the options.
    ///
    /// - Parameters:
    ///   - sampler: The rule of a step.
    ///   - steps: Denoising steps, in `1...T`.
    ///   - spacing: Which timesteps are visited.
    ///   - clipsPredictedImage: Whether the image predicted at each step is clipped to [-1, 1].
    public init(
        _ sampler: Sampler, steps: Int, spacing: TimestepSpacing = .leading, clipsPredictedImage: Bool = true
    ) {
        precondition(steps >= 1, "sampling needs at least one step, not \(steps)")
        if case .ddim(let eta) = sampler {
            precondition((0...1).contains(eta), "DDIM's eta must be in [0, 1], not \(eta)")
        }
        self.sampler = sampler
        self.steps = steps
        self.spacing = spacing
        self.clipsPredictedImage = clipsPredictedImage
    }

    /// The timesteps visited, noisiest first.
    ///
    /// - Precondition: `steps <= schedule.timesteps`.
    public func timesteps(of schedule: NoiseSchedule) -> [Int] {
        let total = schedule.timesteps
        precondition(steps <= total, "\(steps) sampling steps exceed the schedule's \(total) timesteps")
        switch spacing {
        case .leading:
            let ratio = total / steps
            return (0..<steps).reversed().map { $0 * ratio }
        case .trailing:
            let ratio = Double(total) / Double(steps)
            return (0..<steps).map { Int((Double(total) - Double($0) * ratio).rounded(.toNearestOrEven)) - 1 }
        }
    }

    /// All steps, noisiest first. Each leads to the timestep of the next; the last leads to the image, without noise.
    public func plan(_ diffusion: GaussianDiffusion) -> [SamplerStep] {
        let (schedule, prediction) = (diffusion.schedule, diffusion.prediction)
        let visited = timesteps(of: schedule)
        return visited.enumerated().map { position, timestep in
            let next = position + 1 < visited.count ? visited[position + 1] : nil
            let level = NoiseLevels(
                timestep: timestep, cumulativeAlpha: schedule.cumulativeAlphas[timestep],
                nextCumulativeAlpha: next.map { schedule.cumulativeAlphas[$0] } ?? 1, isLast: next == nil)
            let image = prediction.image(at: timestep, of: schedule)
            switch sampler {
            case .ddpm(let variance):
                return ancestralStep(at: level, image: image, variance: variance)
            case .ddim(let eta):
                return implicitStep(
                    at: level, image: image, noise: prediction.noise(at: timestep, of: schedule), eta: eta)
            }
        }
    }
}

/// One step of a sampler, from x_t to the sample at the next, less noisy timestep: coefficients in double precision.
///
///     x_0  = imageFromSample x_t + imageFromOutput network(x_t, t)       (clipped to [-1, 1] if asked)
///     next = fromImage x_0 + fromSample x_t + fromOutput network(x_t, t) + noise z,  z ~ N(0, I)
public struct SamplerStep: Hashable, Sendable {
    /// The timestep t that the network is asked about.
    public let timestep: Int
    /// Factor of x_t in the predicted image.
    public let imageFromSample: Double
    /// Factor of the network's output in the predicted image.
    public let imageFromOutput: Double
    /// Factor of the predicted image in the next sample.
    public let fromImage: Double
    /// Factor of x_t in the next sample.
    public let fromSample: Double
    /// Factor of the network's output in the next sample.
    public let fromOutput: Double
    /// Standard deviation of the noise added; 0 where none is drawn.
    public let noise: Double
    /// Whether the predicted image is clipped to [-1, 1].
    public let clipsPredictedImage: Bool

    /// Takes the step in single precision.
    ///
    /// - Parameters:
    ///   - sample: x_t.
    ///   - output: The network's output at (x_t, t).
    ///   - noise: Standard normal numbers; ignored where the step adds none.
    /// - Returns: The next sample.
    public func apply(sample: [Float], output: [Float], noise drawn: [Float]) -> [Float] {
        precondition(
            sample.count == output.count && (noise == 0 || drawn.count == sample.count),
            "a step takes sample, output and noise of one size, not \(sample.count), \(output.count), \(drawn.count)")
        let (imageFromSample, imageFromOutput) = (Float(imageFromSample), Float(imageFromOutput))
        let (fromImage, fromSample, fromOutput) = (Float(fromImage), Float(fromSample), Float(fromOutput))
        let noiseScale = Float(noise)
        return sample.indices.map { index in
            var image = imageFromSample * sample[index] + imageFromOutput * output[index]
            if clipsPredictedImage { image = min(max(image, -1), 1) }
            let next = fromImage * image + (fromSample * sample[index] + fromOutput * output[index])
            return noiseScale == 0 ? next : next + noiseScale * drawn[index]
        }
    }
}

/// The noise before and after a step.
struct NoiseLevels {
    let timestep: Int
    let cumulativeAlpha: Double
    let nextCumulativeAlpha: Double
    let isLast: Bool

    /// beta of the whole step: 1 - alpha-bar_t / alpha-bar_next.
    var beta: Double { 1 - cumulativeAlpha / nextCumulativeAlpha }
    /// beta (1 - alpha-bar_next) / (1 - alpha-bar_t): the variance of q(x_next | x_t, x_0).
    var posteriorVariance: Double { beta * (1 - nextCumulativeAlpha) / (1 - cumulativeAlpha) }
}
