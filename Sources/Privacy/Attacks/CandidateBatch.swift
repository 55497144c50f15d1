import Diffusion
import Tensor

/// Images whose membership is asked about, and the random numbers that attacks use on them.
public struct CandidateBatch {
    /// x_0 in [-1, 1], values of (N, C, H, W) in row-major order.
    public let images: [Float]
    /// (C, H, W).
    public let shape: [Int]
    /// Catalogue index of each image: the address of its random numbers.
    public let items: [Int]
    /// One class per image, for class-conditional models.
    public let labels: [Int]?
    /// Where random numbers come from.
    public let randomness: AttackRandomness

    /// Gathers a batch.
    public init(
        images: [Float], shape: [Int], items: [Int], labels: [Int]? = nil, randomness: AttackRandomness
    ) {
        precondition(
            shape.count == 3 && images.count == items.count * shape.reduce(1, *) && !items.isEmpty,
            "\(images.count) values do not make up \(items.count) images of shape \(shape)")
        precondition(
            labels == nil || labels?.count == items.count, "\(labels?.count ?? 0) labels for \(items.count) images")
        self.images = images
        self.shape = shape
        self.items = items
        self.labels = labels
        self.randomness = randomness
    }

    /// Number of images, N.
    public var count: Int { items.count }
    /// Values of one image, C * H * W.
    public var size: Int { shape.reduce(1, *) }

    /// Standard normal numbers for every image.
    func normal(_ use: AttackRandomness.Use, draw: Int) -> [Float] {
        items.flatMap { randomness.normal(use, draw, $0, size) }
    }

    /// -1 or 1 with equal probability, for every value of every image.
    func signs(_ use: AttackRandomness.Use, draw: Int) -> [Float] {
        items.flatMap { randomness.signs(use, draw, $0, size) }
    }

    /// x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) noise; Ho et al. 2020, equation 4.
    func noised(_ schedule: NoiseSchedule, at timestep: Int, with noise: [Float]) -> [Float] {
        combine(schedule.signal(at: timestep), images, schedule.deviation(at: timestep), noise)
    }
}

/// The random numbers of attacks: the same for an image whatever else is in its batch, on every rank and in every run.
public struct AttackRandomness: Sendable {
    /// Which measurement draws; no two share numbers.
    public enum Use: Int, Sendable {
        case loss = 1
        case sima
        case dime
        case aggregation
        case rediffuse
        case gradients
        case neighbours
    }

    /// Makes numbers from (use, number of the draw, item of the image, count).
    public typealias Draw = @Sendable (_ use: Use, _ draw: Int, _ item: Int, _ count: Int) -> [Float]

    /// Standard normal numbers.
    let normal: Draw
    /// Numbers that are -1 or 1.
    let signs: Draw

    /// Draws by given rules; for comparisons with other programs.
    public init(normal: @escaping Draw, signs: @escaping Draw) {
        self.normal = normal
        self.signs = signs
    }

    /// Draws from ``RandomSource`` with purpose `attack`, the use as the model, the draw as the step.
    public init(seed: UInt64) {
        normal = { use, draw, item, count in
            RandomSource(seed: seed, purpose: .attack, model: use.rawValue).normal(count: count, step: draw, item: item)
        }
        signs = { use, draw, item, count in
            RandomSource(seed: seed, purpose: .attack, model: use.rawValue, layer: 1)
                .uniform(count: count, step: draw, item: item).map { $0 < 0.5 ? -1 : 1 }
        }
    }
}
