import Crypto
import Datasets
import Tensor

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Turns images into features in which sets of images are compared; made once for an audited run.
///
/// With labels it is a classifier trained here; without, the same network with its first, random weights. Both are pure
/// functions of the images given, so runs with the same split have the same extractor and their figures can stand side by side.
/// Which images a run leaves for it is decided by the run's split, and so by its seed.
public final class FeatureExtractor {
    /// What it is and, after the colon, the first 16 digits of the SHA-256 of its weights: `classifier-28x28x1:0123...`.
    public let name: String
    /// What it was trained on, in words, for the reader of a report.
    public let origin: String
    /// Share of its training images that it classifies right; nil without labels.
    public let trainingAccuracy: Double?
    private let network: FeatureNetwork
    private let isTrained: Bool
    private let shape: [Int]

    /// A classifier trained on labelled images, best such as no run has trained on.
    ///
    /// Cross-entropy, AdamW with weight decay 0.01, batches of 64 from random orders of all images; the learning rate rises
    /// to 2e-3 in 50 steps and falls to zero over the second half.
    ///
    /// - Parameters:
    ///   - images: Training images, at least one.
    ///   - labels: The class of each.
    ///   - classCount: Number of classes, at least 2.
    ///   - source: What the images are, for `origin`: "held-out images".
    ///   - steps: Number of optimizer steps.
    public convenience init(
        classifying images: ImageSet, labels: [Int], classCount: Int, source: String, steps: Int = 1_200
    ) {
        precondition(images.count > 0 && images.count == labels.count, "\(images.count) images, \(labels.count) labels")
        precondition(classCount > 1, "a classifier needs two classes at least, not \(classCount)")
        self.init(
            images, classes: classCount,
            origin: "a convolutional network of ours, trained for \(steps) steps to classify \(images.count) \(source)"
        ) { network, parameters in
            Self.train(network, parameters, images, labels, steps: steps)
            return Self.accuracy(network, images, labels)
        }
    }

    /// The extractor for an audit: a classifier trained on labelled images that nothing was trained on, unused ones if there
    /// are at least as many as held-out ones, else those held out; without labels, random features.
    ///
    /// A classifier that was trained on the held-out images knows them better than any sample, so distances to them are
    /// somewhat greater than their floor even for a perfect model; `origin` says so.
    ///
    /// - Parameters:
    ///   - catalogue: The data set.
    ///   - unused: Images that are neither members nor held out, catalogue indices; the first 20,000 are used.
    ///   - heldOut: The held-out images, catalogue indices.
    public convenience init(_ catalogue: Catalogue, unused: [Int], heldOut: [Int]) {
        let isUnused = unused.count >= max(heldOut.count, 1)
        let chosen = isUnused ? Array(unused.prefix(20_000)) : heldOut
        guard let labels = catalogue.labels, catalogue.classCount > 1, !chosen.isEmpty else {
            self.init(randomFor: catalogue.images)
            return
        }
        self.init(
            classifying: catalogue.images.subset(chosen), labels: chosen.map { labels[$0] },
            classCount: catalogue.classCount,
            source: isUnused
                ? "images that no audited model was trained on and that are not held out"
                : "held-out images, the very ones that samples are compared with")
    }

    /// Random features for images without labels.
    ///
    /// - Parameter images: Any images of the shape to come.
    public convenience init(randomFor images: ImageSet) {
        self.init(
            images, classes: 1, origin: "a convolutional network of ours with fixed random weights, never trained"
        ) { _, _ in nil }
    }

    private init(
        _ images: ImageSet, classes: Int, origin: String, train: (FeatureNetwork, ParameterVector) -> Double?
    ) {
        network = FeatureNetwork(
            channels: images.channels, height: images.height, width: images.width, classes: classes)
        shape = [images.channels, images.height, images.width]
        let parameters = ParameterVector(network)
        parameters.initialize(seed: Self.seed, model: 0)
        trainingAccuracy = train(network, parameters)
        isTrained = trainingAccuracy != nil
        self.origin = origin
        let form = "\(images.height)x\(images.width)x\(images.channels)"
        name = "\(isTrained ? "classifier" : "random-features")-\(form):\(Self.hash(parameters, form: form))"
    }

    /// Public, so that features do not depend on a run's seed, nor tell anything about it.
    private static let seed: UInt64 = 0x6665_6174_7572_6573

    /// The features of images, 64 for each.
    public func features(of images: ImageSet) -> FeatureMatrix {
        check(images)
        return network.map(images, width: FeatureNetwork.features) { network.features($0, on: $1) }
    }

    /// The probability of each class for each image; nil without labels.
    public func probabilities(of images: ImageSet) -> FeatureMatrix? {
        check(images)
        guard isTrained else { return nil }
        let scores = network.map(images, width: network.classes) {
            network.scores(network.features($0, on: $1), on: $1)
        }
        let values = (0..<scores.count).flatMap { row in
            let largest = scores[row].max() ?? 0
            let exponentials = scores[row].map { exp($0 - largest) }
            let sum = exponentials.reduce(0, +)
            return exponentials.map { $0 / sum }
        }
        return FeatureMatrix(values, width: scores.width)
    }

    private func check(_ images: ImageSet) {
        precondition(
            shape == [images.channels, images.height, images.width],
            "\(name) does not take images of \(images.height)x\(images.width)x\(images.channels)")
    }

    private static func train(
        _ network: FeatureNetwork, _ parameters: ParameterVector, _ images: ImageSet, _ labels: [Int], steps: Int
    ) {
        let batch = 64
        let adam = Adam(weightDecay: 0.01, decoupled: true)
        let schedule = LearningRateSchedule(
            learningRate: 2e-3, warmupSteps: min(50, steps), decaySteps: steps / 2, steps: steps)
        let moments = (FloatBuffer(count: parameters.paddedCount), FloatBuffer(count: parameters.paddedCount))
        var order = ShuffledOrder(seed: seed, count: images.count)
        for step in 0..<steps {
            let indices = (0..<batch).map { order[step * batch + $0] }
            let tape = Tape(recording: true)
            let tokens = network.scores(network.features(imageBatch(images, indices: indices), on: tape), on: tape)
            parameters.clearGradients()
            tape.backward(from: tape.crossEntropy(tokens, labels: indices.map { labels[$0] }))
            adam.update(
                values: parameters.values, gradients: parameters.gradients, firstMoment: moments.0,
                secondMoment: moments.1, ema: nil, range: 0..<parameters.paddedCount, step: step,
                learningRate: schedule.learningRate(at: step))
            parameters.valuesChanged()
        }
    }

    private static func accuracy(_ network: FeatureNetwork, _ images: ImageSet, _ labels: [Int]) -> Double {
        let scores = network.map(images, width: network.classes) {
            network.scores(network.features($0, on: $1), on: $1)
        }
        let right = labels.indices.count { row in
            let scores = Array(scores[row])
            return scores.indices.max { scores[$0] < scores[$1] } == labels[row]
        }
        return Double(right) / Double(labels.count)
    }

    private static func hash(_ parameters: ParameterVector, form: String) -> String {
        var function = SHA256()
        function.update(data: Array("diptych features 1 \(form)\n".utf8))
        for entry in parameters.entries { function.update(data: Array("\(entry.name) \(entry.shape)\n".utf8)) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(4 * parameters.count)
        for value in parameters.values[0..<parameters.count] {
            withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 }
        }
        function.update(data: bytes)
        return function.finalize().prefix(8).map { byte in
            String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
        }.joined()
    }
}

/// The endless concatenation of random orders of 0..<count.
private struct ShuffledOrder {
    private let source: RandomSource
    private let count: Int
    private var epoch = -1
    private var order: [Int] = []

    init(seed: UInt64, count: Int) {
        source = RandomSource(seed: seed, purpose: .batchOrder)
        self.count = count
    }

    subscript(position: Int) -> Int {
        mutating get {
            if position / count != epoch {
                epoch = position / count
                order = source.permutation(of: count, step: epoch)
            }
            return order[position % count]
        }
    }
}
