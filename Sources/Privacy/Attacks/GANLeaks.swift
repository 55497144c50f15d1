import Crypto
import Datasets
import Diffusion

/// The distance of an image to the nearest of many that a release has made, as root mean square of pixel values in
/// [-1, 1]. No evaluations beyond those that made the samples.
struct NearestSampleMeasurement: AttackMeasurement {
    let name = "nearest-sample"
    let samples: ImageSet
    let evaluations = 0

    func width(imageSize: Int) -> Int { 1 }

    func measure(_ batch: CandidateBatch, of model: AttackedModel) -> [Float] {
        let pixels = batch.images.map { UInt8(min(max((($0 + 1) * 127.5).rounded(), 0), 255)) }
        let images = ImageSet(
            count: batch.count, channels: batch.shape[0], height: batch.shape[1], width: batch.shape[2], pixels: pixels)
        return NearestImage.find(for: images, in: samples).map {
            Float($0.distance / 127.5 / Double(batch.size).squareRoot())
        }
    }
}

extension NearestSampleMeasurement: CustomStringConvertible {
    /// The samples by their hash: the key of kept results must not hold the images.
    var description: String {
        let hash = SHA256.hash(data: samples.pixels).map { String($0, radix: 16) }.joined(separator: " ")
        return "\(samples.count) samples \(hash)"
    }
}

/// GAN-Leaks, full black box: Chen et al., CCS 2020 (arXiv 1909.03935), equation 4, as used on diffusion models by
/// arXiv 2302.03262. Score: minus the distance to the nearest generated image. No evaluations for the attacked image.
package struct GANLeaks: ThresholdAttack {
    package static let name = "gan-leaks"
    package var name: String { Self.name }
    package let title = "GAN-Leaks, nearest generated image (arXiv 1909.03935)"
    package let access = AttackAccess.sampling
    private let distances: NearestSampleMeasurement
    package var measurement: any AttackMeasurement { distances }

    /// - Parameter samples: Images that the release has made.
    package init(samples: ImageSet) { distances = NearestSampleMeasurement(samples: samples) }

    var thresholds: [ThresholdSetting] {
        [ThresholdSetting(column: 0, settings: ["samples": "\(distances.samples.count)"], evaluations: 0)]
    }
}
