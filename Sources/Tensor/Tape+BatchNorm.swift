/// What a batch norm has seen of its input in training, and uses in place of the batch when it predicts.
///
/// One object serves one place in a network. It is no parameter: no gradient reaches it.
public final class RunningStatistics {
    /// Mean of each channel; 0 at first.
    public private(set) var means: [Double]
    /// Variance of each channel, unbiased; 1 at first.
    public private(set) var variances: [Double]
    /// Share of the newest batch.
    public let momentum: Double

    /// - Parameters:
    ///   - channels: Number of channels.
    ///   - momentum: Share of the newest batch, in (0, 1]; PyTorch's default is 0.1.
    public init(channels: Int, momentum: Double = 0.1) {
        precondition(channels > 0, "a batch norm of \(channels) channels")
        precondition(momentum > 0 && momentum <= 1, "the newest batch's share \(momentum) is not in (0, 1]")
        means = [Double](repeating: 0, count: channels)
        variances = [Double](repeating: 1, count: channels)
        self.momentum = momentum
    }

    /// Takes in the moments of a batch, in which each channel has `count` values.
    fileprivate func add(means newMeans: [Double], biasedVariances: [Double], count: Int) {
        let unbiased = Double(count) / Double(max(1, count - 1))
        for channel in means.indices {
            means[channel] += momentum * (newMeans[channel] - means[channel])
            variances[channel] += momentum * (biasedVariances[channel] * unbiased - variances[channel])
        }
    }
}

/// Whose mean and variance a batch norm uses.
public enum BatchNormMode: Hashable, Sendable {
    /// Those of the batch, which the running statistics take in.
    case training
    /// The running statistics: every image is mapped alone.
    case prediction
}

extension Tape {
    /// Normalises every channel over the batch.
    ///
    /// y = (x - mean) / sqrt(variance + epsilon) * weight[c] + bias[c], with the mean and the biased variance over all images
    /// and pixels of the batch, or those of the running statistics. Ioffe and Szegedy 2015 (arXiv 1502.03167), algorithms
    /// 1 and 2; the running variance is the unbiased one, as there and in PyTorch. Not within a ``block(_:parameters:_:)``,
    /// which would take a batch in twice.
    ///
    /// - Parameters:
    ///   - x: Images, shape (N, C, H, W); more than one value for each channel in training.
    ///   - weight: Shape (C).
    ///   - bias: Shape (C).
    ///   - running: What was seen; training changes it.
    ///   - mode: Whether to train.
    ///   - epsilon: Added to the variance, positive.
    /// - Returns: Shape (N, C, H, W).
    public func batchNorm(
        _ x: Tensor, weight: Parameter, bias: Parameter, running: RunningStatistics, mode: BatchNormMode,
        epsilon: Double = 1e-5
    ) -> Tensor {
        precondition(x.shape.count == 4, "\(weight.name): batch norm takes (N, C, H, W), not \(x.shape)")
        let channels = x.shape[1]
        precondition(
            weight.shape == [channels] && bias.shape == [channels] && running.means.count == channels,
            "\(weight.name) \(weight.shape), \(bias.name) \(bias.shape) and \(running.means.count) running means do not fit "
                + "\(channels) channels")
        let count = x.count / channels
        let norm = times.measure(.normalization) {
            switch mode {
            case .prediction:
                return ChannelNorm(
                    means: running.means, variances: running.variances, weight: weight, bias: bias, epsilon: epsilon)
            case .training:
                precondition(count > 1, "\(weight.name): the variance of one value is not defined")
                let (means, variances) = Kernels.channelMoments(x)
                running.add(means: means, biasedVariances: variances, count: count)
                return ChannelNorm(means: means, variances: variances, weight: weight, bias: bias, epsilon: epsilon)
            }
        }
        let y = times.measure(.normalization) { norm(x) }
        let saved = SavedTensor(x)
        let result = record(y, parameters: [weight, bias], part: .normalization) { gradient in
            let x = saved.tensor
            let (sums, products) = Kernels.channelGradientSums(
                x, gradient: gradient, factors: norm.reciprocals.map { Float($0) }, shifts: norm.origins)
            Kernels.accumulate(products, intoGradientOf: weight)
            Kernels.accumulate(sums, intoGradientOf: bias)
            guard let node = saved.node else { return }
            let dx = gradient.reusableForResult()
            norm.backward(x, gradient, sums, products, count: mode == .training ? count : nil, into: dx)
            node.receive(dx)
        }
        return recomputable(result, part: .normalization) { norm(saved.tensor) }
    }
}

/// h = (x - mean) r with r = 1 / sqrt(variance + epsilon), y = weight h + bias, channel by channel.
private struct ChannelNorm {
    let means, reciprocals, weights: [Double]
    /// y = x factor + shift.
    let factors, shifts: [Float]
    /// h = x r + origin.
    let origins: [Float]

    init(means: [Double], variances: [Double], weight: Parameter, bias: Parameter, epsilon: Double) {
        let reciprocals = variances.map { 1 / ($0 + epsilon).squareRoot() }
        let weights = weight.values.map { Double($0) }
        let slopes = zip(weights, reciprocals).map { $0 * $1 }
        self.means = means
        self.reciprocals = reciprocals
        self.weights = weights
        factors = slopes.map { Float($0) }
        shifts = zip(bias.values, zip(means, slopes)).map { Float(Double($0) - $1.0 * $1.1) }
        origins = zip(means, reciprocals).map { Float(-$0 * $1) }
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let y = Tensor(uninitialized: x.shape)
        Kernels.scaleAndShiftChannels(x, by: factors, shifts, into: y)
        return y
    }

    /// dx = r weight (dy - mean(dy) - h mean(dy h)), the means over the channel's `count` values; without the means if the
    /// statistics did not depend on x.
    func backward(
        _ x: Tensor, _ gradient: Tensor, _ sums: [Double], _ products: [Double], count: Int?, into dx: Tensor
    ) {
        let slopes = zip(weights, reciprocals).map { $0 * $1 }
        var fromX = [Float](repeating: 0, count: slopes.count)
        var constants = fromX
        if let count {
            for channel in slopes.indices {
                let (mean, r) = (means[channel], reciprocals[channel])
                let (plain, weighted) = (sums[channel] / Double(count), products[channel] / Double(count))
                fromX[channel] = Float(-slopes[channel] * r * weighted)
                constants[channel] = Float(slopes[channel] * (r * mean * weighted - plain))
            }
        }
        Kernels.blendChannels(x, gradient: gradient, by: factors, fromX, constants, into: dx)
    }
}
