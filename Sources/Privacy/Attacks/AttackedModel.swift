import Diffusion
import Tensor

/// A release as an attacker reaches it.
public struct AttackedModel {
    /// Answers queries: one network, or several in turn.
    public let denoiser: any Denoiser
    /// The forward process, and what the networks output.
    public let diffusion: GaussianDiffusion
    /// The weights, for attacks that take gradients; nil where several networks answer in turn.
    public let weights: AttackedWeights?

    /// Gathers what an attacker reaches.
    public init(denoiser: any Denoiser, diffusion: GaussianDiffusion, weights: AttackedWeights? = nil) {
        self.denoiser = denoiser
        self.diffusion = diffusion
        self.weights = weights
    }

    /// One network with its weights.
    public init(_ network: UNet2D, diffusion: GaussianDiffusion) {
        self.init(
            denoiser: ModelDenoiser(network), diffusion: diffusion, weights: AttackedWeights(network: network))
    }

    /// The noise that the model sees in images, whatever it was trained to predict (``Prediction/noise(at:of:)``).
    ///
    /// - Parameters:
    ///   - x: Noisy images, values of (N, C, H, W) in row-major order.
    ///   - timestep: t.
    ///   - batch: The batch that the images belong to.
    ///   - query: Number of the query within the attack; where models take turns, `query` mod K answers.
    /// - Returns: The predicted epsilon, as many values.
    public func noise(in x: [Float], at timestep: Int, of batch: CandidateBatch, query: Int) -> [Float] {
        let shape = [batch.count] + batch.shape
        let output = denoiser.predict(
            Tensor(x, shape: shape), timestep: timestep, position: query, labels: batch.labels)
        precondition(output.shape == shape, "the denoiser made \(output.shape) from \(shape)")
        guard diffusion.prediction != .epsilon else { return output.scalars }
        let factors = diffusion.prediction.noise(at: timestep, of: diffusion.schedule)
        return combine(factors.sample, x, factors.output, output.scalars)
    }
}

/// A network whose gradients an attacker takes.
public struct AttackedWeights {
    /// The network.
    public let network: UNet2D
    /// Its parameters as one vector.
    public let parameters: ParameterVector

    /// Gathers the network's parameters.
    public init(network: UNet2D) {
        self.network = network
        parameters = ParameterVector(network)
        // Gradients need the weights of both directions, and the attack never changes them.
        parameters.keepsReorderedValues = true
    }
}

/// a x + b y, element by element; the factors are rounded to single precision once.
func combine(_ a: Double, _ x: [Float], _ b: Double, _ y: [Float]) -> [Float] {
    precondition(x.count == y.count, "\(x.count) values cannot be combined with \(y.count)")
    let (a, b) = (Float(a), Float(b))
    return [Float](unsafeUninitializedCapacity: x.count) { result, count in
        for index in x.indices { result.initializeElement(at: index, to: a * x[index] + b * y[index]) }
        count = x.count
    }
}

/// sum |r|^p of each image, p = 2 or 4, in double precision.
func powerSums(_ values: [Float], count: Int, power: Int) -> [Double] {
    precondition(power == 2 || power == 4, "sums of powers 2 and 4 are known, not \(power)")
    let size = values.count / count
    return (0..<count).map { image in
        var sum = 0.0
        for index in image * size..<(image + 1) * size {
            let square = Double(values[index]) * Double(values[index])
            sum += power == 2 ? square : square * square
        }
        return sum
    }
}
