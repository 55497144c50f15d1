import Tensor

/// A forward-only model within a sampling loop.
public protocol Denoiser {
    /// Predicts from a noisy batch what the model was trained to predict.
    ///
    /// - Parameters:
    ///   - x: x_t, shape (N, C, H, W).
    ///   - timestep: t, the same for the whole batch.
    ///   - position: Position in the sampling loop, 0 for the noisiest step.
    ///   - labels: One class per image, for class-conditional models.
    /// - Returns: The prediction, shape (N, C, H, W).
    func predict(_ x: Tensor, timestep: Int, position: Int, labels: [Int]?) -> Tensor
}

/// One network in evaluation mode.
public struct ModelDenoiser: Denoiser {
    private let network: UNet2D

    /// Wraps a network.
    public init(_ network: UNet2D) {
        self.network = network
    }

    /// Runs the network without recording and without dropout.
    public func predict(_ x: Tensor, timestep: Int, position: Int, labels: [Int]?) -> Tensor {
        let timesteps = [Int](repeating: timestep, count: x.shape[0])
        return network(x, timesteps: timesteps, labels: labels, on: Tape(recording: false))
    }
}

/// K models that take turns: the private sampler of DualMD (arXiv 2410.16657, section 4.2).
///
/// The model is chosen by the position in the sampling loop modulo K, so the first model takes the noisiest step. The
/// timestep modulo K, which the authors' code takes, does the same when all timesteps are visited, but under DDIM with
/// an even stride every timestep has one parity: one model would make every step, and its training images would be as
/// exposed as without any defence.
public struct AlternatingDenoiser: Denoiser {
    private let models: [any Denoiser]

    /// Gathers the models, in the order of their turns.
    ///
    /// - Precondition: `models` is not empty.
    public init(_ models: [any Denoiser]) {
        precondition(!models.isEmpty, "an alternating denoiser needs at least one model")
        self.models = models
    }

    /// Asks the model whose turn it is.
    public func predict(_ x: Tensor, timestep: Int, position: Int, labels: [Int]?) -> Tensor {
        models[position % models.count].predict(x, timestep: timestep, position: position, labels: labels)
    }
}
