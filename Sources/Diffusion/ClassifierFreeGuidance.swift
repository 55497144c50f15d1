import Tensor

/// Training without the label, now and then, so that one network learns both the conditional and the unconditional
/// prediction: the first half of classifier-free guidance.
///
/// Ho and Salimans 2022 (arXiv 2207.12598), algorithm 1.
public struct ClassDropout: Sendable {
    /// The class that stands for none.
    public let nullClass: Int
    /// Probability with which an image is trained on without its label, in [0, 1).
    public let probability: Double

    /// Gathers the options.
    public init(nullClass: Int, probability: Double) {
        precondition((0..<1).contains(probability), "class dropout needs a probability in [0, 1), not \(probability)")
        self.nullClass = nullClass
        self.probability = probability
    }

    /// The labels of one step, some of them replaced: an image's draw depends on the address and its data-set index
    /// alone.
    public func apply(to labels: [Int], items: [Int], at address: TrainingAddress) -> [Int] {
        precondition(labels.count == items.count, "\(labels.count) labels for \(items.count) images")
        let source = RandomSource(seed: address.seed, purpose: .classDropout, model: address.model)
        return zip(labels, items).map { label, item in
            Double(source.uniform(step: address.step, item: item)) < probability ? nullClass : label
        }
    }
}

/// A model steered towards its classes: the second half of classifier-free guidance.
///
/// prediction = null + scale (conditional - null), with two network evaluations a step: arXiv 2207.12598, equation 6,
/// whose w is scale - 1. Since it is linear, it is the same for epsilon, x0 and v prediction.
public struct GuidedDenoiser: Denoiser {
    private let model: ModelDenoiser
    private let nullClass: Int
    private let scale: Float

    /// Gathers the options.
    ///
    /// - Parameters:
    ///   - model: A class-conditional model trained with ``ClassDropout``.
    ///   - nullClass: The class that stands for none.
    ///   - scale: 0 for the unconditional prediction, 1 for the conditional one, more to go beyond.
    public init(_ model: ModelDenoiser, nullClass: Int, scale: Double) {
        precondition(scale >= 0 && scale.isFinite, "a guidance scale must not be \(scale)")
        self.model = model
        self.nullClass = nullClass
        self.scale = Float(scale)
    }

    /// Asks the model with and without the labels.
    public func predict(_ x: Tensor, timestep: Int, position: Int, labels: [Int]?) -> Tensor {
        let none = [Int](repeating: nullClass, count: x.shape[0])
        let null = model.predict(x, timestep: timestep, position: position, labels: none).scalars
        let conditional = model.predict(x, timestep: timestep, position: position, labels: labels).scalars
        return Tensor(zip(null, conditional).map { $0 + scale * ($1 - $0) }, shape: x.shape)
    }
}
