/// What a fused operation does to its result, value by value.
public enum Activation: String, Codable, Hashable, Sendable, CaseIterable {
    /// Nothing.
    case identity
    /// x / (1 + exp(-x)).
    case silu
}

/// Mean and 1 / sqrt(variance + epsilon) of every group of every image, each of shape (N, groups).
struct GroupStatistics {
    let mean: Tensor
    let reciprocalDeviation: Tensor

    init(images: Int, groups: Int) {
        mean = Tensor(uninitialized: [images, groups])
        reciprocalDeviation = Tensor(uninitialized: [images, groups])
    }
}

extension Tape {
    /// Normalises every group of channels of every image, then optionally applies SiLU in the same pass.
    ///
    /// y = activation((x - mean) / sqrt(variance + epsilon) * weight[c] + bias[c]), with the mean and the biased variance
    /// over the group's channels and all pixels. Wu and He 2018, equation 1.
    ///
    /// - Parameters:
    ///   - x: Images, shape (N, C, H, W).
    ///   - groups: Number of groups; divides C.
    ///   - weight: Shape (C).
    ///   - bias: Shape (C).
    ///   - epsilon: Added to the variance, positive.
    ///   - activation: Applied to the normalised value.
    /// - Returns: Shape (N, C, H, W).
    public func groupNorm(
        _ x: Tensor, groups: Int, weight: Parameter, bias: Parameter, epsilon: Float, activation: Activation = .identity
    ) -> Tensor {
        precondition(x.shape.count == 4, "\(weight.name): group norm takes (N, C, H, W), not \(x.shape)")
        precondition(
            groups > 0 && x.shape[1] % groups == 0,
            "\(weight.name): \(groups) groups do not divide \(x.shape[1]) channels")
        precondition(
            weight.shape == [x.shape[1]] && bias.shape == [x.shape[1]],
            "\(weight.name) \(weight.shape) and \(bias.name) \(bias.shape) do not fit \(x.shape[1]) channels")
        let statistics = GroupStatistics(images: x.shape[0], groups: groups)
        func compute(_ x: Tensor) -> Tensor {
            let y = Tensor(uninitialized: x.shape)
            Kernels.groupNorm(
                x, weight: weight, bias: bias, statistics: statistics, groups: groups, epsilon: epsilon,
                activation: activation, into: y)
            return y
        }
        let y = times.measure(.normalization) { compute(x) }
        let saved = SavedTensor(x)
        let result = record(y, parameters: [weight, bias], part: .normalization) { gradient in
            let dx = gradient.reusableForResult()
            Kernels.groupNormBackward(
                saved.tensor, weight: weight, bias: bias, statistics: statistics, groups: groups,
                activation: activation, gradient: gradient, into: dx)
            saved.node?.receive(dx)
        }
        return recomputable(result, part: .normalization) { compute(saved.tensor) }
    }
}
