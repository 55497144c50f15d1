import Datasets

/// How near samples come to training images, beside how near held-out images come to them.
package struct Memorisation: Hashable, Sendable {
    /// The k nearest members of each sample, nearest first.
    package let nearestMembers: [[NearestImage]]
    /// Each sample's relative distance to its nearest member; see `relativeDistance(_:)`.
    package let relativeDistances: [Double]
    /// The relative distance below which a sample counts as extracted.
    package let threshold: Double

    /// Neighbours over which a distance is averaged, as in the paper.
    package static let neighbours = 50
    /// Share of held-out images that lie below the threshold; so many samples of a model without memory would, too.
    package static let quantile = 0.01
    /// Held-out images that set the threshold, at most.
    package static let maximumHeldOut = 2_000

    /// Measures.
    ///
    /// - Parameters:
    ///   - samples: The generated images.
    ///   - members: All training images, at least two.
    ///   - heldOut: Images of the same source that were never trained on; the first 2,000 are used.
    package init(samples: ImageSet, members: ImageSet, heldOut: ImageSet) {
        let neighbours = min(Self.neighbours, members.count)
        nearestMembers = NearestImage.find(for: samples, in: members, count: neighbours)
        relativeDistances = nearestMembers.map(Self.relativeDistance)
        let controls = heldOut.subset(Array(0..<min(heldOut.count, Self.maximumHeldOut)))
        let expected = NearestImage.find(for: controls, in: members, count: neighbours).map(Self.relativeDistance)
        threshold = expected.sorted()[Int(Self.quantile * Double(expected.count))]
    }

    /// Share of samples that lie below the threshold.
    package var extractedFraction: Double {
        Double(relativeDistances.count { $0 < threshold }) / Double(relativeDistances.count)
    }

    /// An image's distance to its nearest member as a share of its mean distance to its 50 nearest members.
    ///
    /// Carlini et al. 2023 (arXiv 2301.13188), section 5.1, without their constant factor: a plain distance would call every
    /// smooth or nearly empty image a copy, since it is near to many.
    package static func relativeDistance(_ nearest: [NearestImage]) -> Double {
        let mean = nearest.reduce(0) { $0 + $1.distance } / Double(nearest.count)
        return mean > 0 ? nearest[0].distance / mean : 0
    }

    /// The median distance to the nearest image, in grey levels of 255, root mean square over the C H W values.
    package static func medianDistance(of images: ImageSet, to set: ImageSet) -> Double {
        let distances = NearestImage.find(for: images, in: set).map { $0.distance }.sorted()
        let middle = distances.count / 2
        let median = distances.count % 2 == 1 ? distances[middle] : (distances[middle - 1] + distances[middle]) / 2
        return median / Double(images.bytesPerImage).squareRoot()
    }
}
