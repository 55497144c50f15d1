import Datasets
import Tensor

/// Measures how good and how original a release's samples are.
public struct QualityMeasurement: Sendable {
    /// A sample and the training image that it comes nearest to. Private: it names a training image.
    public struct Pair: Hashable, Sendable {
        /// The sample's position among the samples.
        public let sample: Int
        /// The member's position among the members.
        public let member: Int
        /// Root mean square difference of their values, in grey levels of 255.
        public let distance: Double
        /// The distance as a share of the sample's mean distance to its 50 nearest members: small for a copy.
        public let relativeDistance: Double
    }

    /// The figures for the report; they name no image.
    public let figures: QualityFigures
    /// Every sample with its nearest member, the most suspicious first: by relative distance.
    public let pairs: [Pair]

    /// Fewest held-out images with which figures can be computed, and twice the fewest samples.
    public static let minimumHeldOut = 16

    /// Measures samples.
    ///
    /// Held-out images are dealt at random into two halves. With n the smaller of a half and the number of samples, the first
    /// n samples and n images of the second half (the floor) are each compared with the same n of the first half, so that
    /// distance and floor have the same bias.
    ///
    /// - Parameters:
    ///   - samples: The release's images, at least 8.
    ///   - members: The images it was trained on, at least 2.
    ///   - heldOut: Images of the same source that were never trained on, at least 16.
    ///   - extractor: What makes the features.
    /// - Complexity: A second for 500 samples, 4,000 members and 2,000 held-out images of 28 x 28 on one core.
    public init(samples: ImageSet, members: ImageSet, heldOut: ImageSet, extractor: FeatureExtractor) {
        precondition(
            heldOut.count >= Self.minimumHeldOut && samples.count >= Self.minimumHeldOut / 2 && members.count > 1,
            "\(samples.count) samples, \(members.count) members and \(heldOut.count) held-out images are too few")
        let shuffled = RandomSource(seed: 0, purpose: .selection)
        let order = shuffled.permutation(of: heldOut.count, step: 0)
        let compared = min(samples.count, heldOut.count / 2)
        let reference = extractor.features(of: heldOut.subset(Array(order.prefix(compared))))
        let others = extractor.features(of: heldOut.subset(Array(order.suffix(compared))))
        let generated = extractor.features(of: samples.subset(Array(0..<compared)))
        let manifold = PrecisionRecall(real: reference, generated: generated)
        let memorisation = Memorisation(samples: samples, members: members, heldOut: heldOut.subset(order))
        // A larger set has a nearer neighbour by its size alone.
        let equal = min(members.count, heldOut.count)
        let someMembers = members.subset(Array(shuffled.permutation(of: members.count, step: 1).prefix(equal)))
        figures = QualityFigures(
            extractor: extractor.name, samples: samples.count, comparedImages: compared,
            frechetDistance: FrechetDistance.between(reference, generated),
            frechetDistanceFloor: FrechetDistance.between(reference, others),
            inceptionScore: extractor.probabilities(of: samples).map(InceptionStyleScore.of),
            precision: manifold.precision, recall: manifold.recall,
            medianDistanceToMembers: Memorisation.medianDistance(of: samples, to: someMembers),
            medianDistanceToHeldOut: Memorisation.medianDistance(
                of: samples, to: heldOut.subset(Array(order.prefix(equal)))),
            extractedFraction: memorisation.extractedFraction)
        pairs = Self.pairs(memorisation, values: samples.bytesPerImage)
    }

    private static func pairs(_ memorisation: Memorisation, values: Int) -> [Pair] {
        let pairs = memorisation.nearestMembers.enumerated().map { sample, nearest in
            Pair(
                sample: sample, member: nearest[0].index,
                distance: nearest[0].distance / Double(values).squareRoot(),
                relativeDistance: memorisation.relativeDistances[sample])
        }
        return pairs.sorted { ($0.relativeDistance, $0.sample) < ($1.relativeDistance, $1.sample) }
    }
}
