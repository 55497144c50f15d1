/// What a fused operation does to its result, value by value.
public enum Activation: String, Codable, Hashable, Sendable, CaseIterable {
    /// Nothing.
    case identity
    /// x / (1 + exp(-x)).
    case silu
}

/// What a group norm has found out about its input.
struct GroupStatistics {
    /// Mean and 1 / sqrt(variance + epsilon) of every group of every image, each of shape (N, groups).
    let mean: Tensor
    let reciprocalDeviation: Tensor
    /// By what each channel of each image becomes its normalised self, x factor + shift; each of shape (N, C).
    let factors: Tensor
    let shifts: Tensor

    init(images: Int, channels: Int, groups: Int) {
        mean = Tensor(uninitialized: [images, groups])
        reciprocalDeviation = Tensor(uninitialized: [images, groups])
        factors = Tensor(uninitialized: [images, channels])
        shifts = Tensor(uninitialized: [images, channels])
    }
}

extension Tape {
    /// Normalises every group of channels of every image, then optionally applies SiLU in the same pass.
    ///
    /// y = activation((z - mean) / sqrt(variance + epsilon) * weight[c] + bias[c]) with z[n, c] = x[n, c] + channelBias[n, c],
    /// and with the mean and the biased variance of z over the group's channels and all pixels. Wu and He 2018, equation 1.
    ///
    /// - Parameters:
    ///   - x: Images, shape (N, C, H, W).
    ///   - channelBias: What is added to each channel of each image first, shape (N, C), as the time embedding of a residual
    ///     block; nil for nothing. It costs no pass over memory.
    ///   - groups: Number of groups; divides C.
    ///   - weight: Shape (C).
    ///   - bias: Shape (C).
    ///   - epsilon: Added to the variance, positive.
    ///   - activation: Applied to the normalised value.
    /// - Returns: Shape (N, C, H, W).
    public func groupNorm(
        _ x: Tensor, adding channelBias: Tensor? = nil, groups: Int, weight: Parameter, bias: Parameter, epsilon: Float,
        activation: Activation = .identity
    ) -> Tensor {
        precondition(x.shape.count == 4, "\(weight.name): group norm takes (N, C, H, W), not \(x.shape)")
        precondition(
            groups > 0 && x.shape[1] % groups == 0,
            "\(weight.name): \(groups) groups do not divide \(x.shape[1]) channels")
        precondition(
            weight.shape == [x.shape[1]] && bias.shape == [x.shape[1]],
            "\(weight.name) \(weight.shape) and \(bias.name) \(bias.shape) do not fit \(x.shape[1]) channels")
        precondition(
            channelBias.map { $0.shape == Array(x.shape.prefix(2)) } ?? true,
            "\(weight.name): a channel bias of shape \(channelBias?.shape ?? []) does not fit images of shape \(x.shape)"
        )
        let statistics = GroupStatistics(images: x.shape[0], channels: x.shape[1], groups: groups)
        let y = Tensor(uninitialized: x.shape)
        times.measure(.normalization) {
            Kernels.groupNorm(
                x, adding: channelBias, weight: weight, bias: bias, statistics: statistics, groups: groups,
                epsilon: epsilon, activation: activation, into: y)
        }
        let saved = SavedTensor(x)
        let result = record(y, parameters: [weight, bias], part: .normalization) { gradient in
            let dx = gradient.reusableForResult()
            Kernels.groupNormBackward(
                saved.tensor, adding: channelBias, weight: weight, bias: bias, statistics: statistics, groups: groups,
                activation: activation, gradient: gradient, into: dx)
            if let channelBias, let node = channelBias.node {
                let sums = Tensor(uninitialized: channelBias.shape)
                Kernels.channelSums(dx, into: sums)
                node.receive(sums)
            }
            saved.node?.receive(dx)
        }
        return recomputable(result, part: .normalization) {
            let x = saved.tensor
            let y = Tensor(uninitialized: x.shape)
            Kernels.normalize(x, by: statistics, activation: activation, into: y)
            return y
        }
    }
}
