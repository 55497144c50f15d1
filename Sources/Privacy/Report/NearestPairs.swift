import Datasets
import Foundation

/// Samples of a release beside the training images that they come nearest to. Private.
public struct NearestPairs: Codable, Sendable {
    /// The most pairs that are shown of a release.
    public static let most = 12

    /// The release's name, as in the report.
    public var release: String
    /// Some samples, the most suspicious first.
    public let samples: ImageSet
    /// The nearest training image of each.
    public let members: ImageSet
    /// The distance of each pair: root mean square, in grey levels of 255.
    public let distances: [Double]

    /// Takes the most suspicious pairs of a measurement.
    ///
    /// - Parameters:
    ///   - measurement: What was found.
    ///   - release: The release's name, as in the report.
    ///   - samples: The samples that were measured.
    ///   - members: The training images that they were compared with.
    ///   - count: How many pairs to show, at most.
    public init(
        _ measurement: QualityMeasurement, release: String, samples: ImageSet, members: ImageSet,
        count: Int = NearestPairs.most
    ) {
        let pairs = measurement.pairs.prefix(count)
        self.release = release
        self.samples = samples.subset(pairs.map(\.sample))
        self.members = members.subset(pairs.map(\.member))
        distances = pairs.map(\.distance)
    }

    /// Reads `nearest.json`: the pairs of the release, if any.
    ///
    /// - Throws: `DecodingError`, also when there are pairs of more than the one release of a run.
    package static func read(_ bytes: Data) throws -> [NearestPairs] {
        let all = try JSONDecoder().decode([NearestPairs].self, from: bytes)
        guard all.count <= 1 else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: [], debugDescription: "expected the pairs of one release, found \(all.count)"))
        }
        return all
    }

    private enum CodingKeys: String, CodingKey {
        case release, samples, members, distances
    }

    /// Reads pairs.
    ///
    /// - Throws: `DecodingError`, also when they are no pairs of images of one shape that a page can show.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        release = try values.decode(String.self, forKey: .release)
        samples = try values.decode(ImageSet.self, forKey: .samples)
        members = try values.decode(ImageSet.self, forKey: .members)
        distances = try values.decode([Double].self, forKey: .distances)
        func shape(_ images: ImageSet) -> [Int] { [images.channels, images.height, images.width] }
        guard [samples.count, members.count].allSatisfy({ $0 == distances.count }), distances.count <= Self.most,
            shape(samples) == shape(members), [1, 3].contains(samples.channels),
            distances.allSatisfy({ (0...255).contains($0) })
        else {
            throw DecodingError.dataCorruptedError(
                forKey: .distances, in: values,
                debugDescription:
                    "expected at most \(Self.most) pairs of gray or colour images of one shape with distances "
                    + "of 0 to 255, found \(samples.count) samples of shape \(shape(samples)), \(members.count) members of "
                    + "shape \(shape(members)) and \(distances.count) distances")
        }
    }
}
