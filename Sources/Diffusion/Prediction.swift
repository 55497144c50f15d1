import Tensor

/// What a network predicts from x_t; any of the three gives the other two.
public enum Prediction: String, Codable, CaseIterable, Sendable {
    /// The noise in x_t; Ho et al. 2020, equation 14.
    case epsilon
    /// The clean image x_0.
    case sample = "x0"
    /// v = sqrt(alpha-bar_t) epsilon - sqrt(1 - alpha-bar_t) x_0; Salimans and Ho 2022, section 4.
    case velocity = "v"
}

/// A number that depends linearly on x_t and on the network's output.
public struct LinearInSampleAndOutput: Hashable, Sendable {
    /// Factor of x_t.
    public let sample: Double
    /// Factor of the network's output.
    public let output: Double
}

extension Prediction {
    /// The clean image that an output implies: x_0 = `sample` x_t + `output` network(x_t, t).
    public func image(at timestep: Int, of schedule: NoiseSchedule) -> LinearInSampleAndOutput {
        let signal = schedule.signal(at: timestep)
        let deviation = schedule.deviation(at: timestep)
        return switch self {
        case .epsilon: LinearInSampleAndOutput(sample: 1 / signal, output: -deviation / signal)
        case .sample: LinearInSampleAndOutput(sample: 0, output: 1)
        case .velocity: LinearInSampleAndOutput(sample: signal, output: -deviation)
        }
    }

    /// The noise that an output implies: epsilon = `sample` x_t + `output` network(x_t, t).
    public func noise(at timestep: Int, of schedule: NoiseSchedule) -> LinearInSampleAndOutput {
        let signal = schedule.signal(at: timestep)
        let deviation = schedule.deviation(at: timestep)
        return switch self {
        case .epsilon: LinearInSampleAndOutput(sample: 0, output: 1)
        case .sample: LinearInSampleAndOutput(sample: 1 / deviation, output: -signal / deviation)
        case .velocity: LinearInSampleAndOutput(sample: deviation, output: signal)
        }
    }

    /// What a perfect network would output.
    ///
    /// - Parameters:
    ///   - images: x_0, shape (N, C, H, W), values in [-1, 1].
    ///   - noise: epsilon, shape (N, C, H, W).
    ///   - timesteps: One timestep per image, each in `0..<schedule.timesteps`.
    ///   - schedule: The forward process.
    /// - Returns: The target, shape (N, C, H, W).
    public func target(images: Tensor, noise: Tensor, timesteps: [Int], schedule: NoiseSchedule) -> Tensor {
        switch self {
        case .epsilon: noise
        case .sample: images
        case .velocity:
            schedule.combine(noise, images, timesteps: timesteps) { timestep in
                (schedule.signal(at: timestep), -schedule.deviation(at: timestep))
            }
        }
    }
}

extension NoiseSchedule {
    /// Draws from q(x_t | x_0) = N(sqrt(alpha-bar_t) x_0, (1 - alpha-bar_t) I), given the noise; Ho et al. 2020,
    /// equation 4.
    ///
    /// - Parameters:
    ///   - images: x_0, shape (N, C, H, W), values in [-1, 1].
    ///   - noise: Standard normal, shape (N, C, H, W).
    ///   - timesteps: One timestep per image, each in `0..<timesteps`.
    /// - Returns: x_t, shape (N, C, H, W).
    public func addNoise(_ images: Tensor, noise: Tensor, timesteps: [Int]) -> Tensor {
        combine(images, noise, timesteps: timesteps) { (signal(at: $0), deviation(at: $0)) }
    }

    /// `first * a_t + second * b_t`, with weights in double, rounded once for each image.
    fileprivate func combine(
        _ first: Tensor, _ second: Tensor, timesteps: [Int], weights: (Int) -> (Double, Double)
    ) -> Tensor {
        precondition(first.shape == second.shape, "images \(first.shape) and noise \(second.shape) differ in shape")
        precondition(
            timesteps.count == first.shape.first, "\(timesteps.count) timesteps for images of shape \(first.shape)")
        precondition(
            timesteps.allSatisfy { (0..<self.timesteps).contains($0) },
            "timesteps \(timesteps) must be in 0..<\(self.timesteps)")
        var scalars = first.scalars
        let others = second.scalars
        let size = scalars.count / timesteps.count
        for (index, timestep) in timesteps.enumerated() {
            let (a, b) = weights(timestep)
            let (firstWeight, secondWeight) = (Float(a), Float(b))
            for element in index * size..<(index + 1) * size {
                scalars[element] = scalars[element] * firstWeight + others[element] * secondWeight
            }
        }
        return Tensor(scalars, shape: first.shape)
    }
}
