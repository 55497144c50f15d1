import Tensor

/// Whether an image is mirrored left to right in a step: one random bit addressed by (seed, `flip`, model, step, image).
public struct HorizontalFlip: Hashable, Sendable {
    private let source: RandomSource

    /// Makes the decisions of one model.
    ///
    /// - Parameters:
    ///   - seed: The job's seed.
    ///   - model: Which model trains.
    public init(seed: UInt64, model: Int) {
        source = RandomSource(seed: seed, purpose: .flip, model: model)
    }

    /// Whether to mirror an image, with probability 1/2.
    ///
    /// - Parameters:
    ///   - step: The training step, from 0 on.
    ///   - image: The image's catalogue index.
    public func isFlipped(step: Int, image: Int) -> Bool {
        source.word(step: step, item: image) & 1 == 1
    }
}

/// Images as a network sees them: `x / 127.5 - 1`, so 0 becomes -1 and 255 becomes 1.
///
/// - Parameters:
///   - catalogue: The data set.
///   - indices: The images, as catalogue indices.
///   - flip: Decides which of them are mirrored left to right; nil mirrors none.
///   - step: The training step that `flip` is asked about.
/// - Returns: A tensor (N, C, H, W) in [-1, 1].
public func imageBatch(
    _ catalogue: Catalogue, indices: [Int], flip: HorizontalFlip? = nil, step: Int = 0
) -> Tensor {
    imageBatch(catalogue.images, indices: indices, flip: flip, step: step)
}

/// Images of a set as a network sees them; see the function of the same name for a catalogue.
public func imageBatch(_ images: ImageSet, indices: [Int], flip: HorizontalFlip? = nil, step: Int = 0) -> Tensor {
    var scalars: [Float] = []
    scalars.reserveCapacity(indices.count * images.bytesPerImage)
    for index in indices {
        let range = images.range(of: index)
        if let flip, flip.isFlipped(step: step, image: index) {
            for line in stride(from: range.lowerBound, to: range.upperBound, by: images.width) {
                for column in (0..<images.width).reversed() {
                    scalars.append(Float(images.pixels[line + column]) / 127.5 - 1)
                }
            }
        } else {
            for position in range { scalars.append(Float(images.pixels[position]) / 127.5 - 1) }
        }
    }
    return Tensor(scalars, shape: [indices.count, images.channels, images.height, images.width])
}

extension ImageSet {
    /// A network's images as bytes: `(x + 1) * 127.5`, rounded half away from zero, clamped to 0...255.
    ///
    /// - Parameter tensor: Shape (N, C, H, W), values nominally in [-1, 1].
    /// - Throws: `DatasetError` of kind `notFinite` if a value is not a number or infinite.
    public init(_ tensor: Tensor) throws {
        precondition(tensor.shape.count == 4, "images have shape (N, C, H, W), not \(tensor.shape)")
        let (count, channels, height, width) = (tensor.shape[0], tensor.shape[1], tensor.shape[2], tensor.shape[3])
        let scalars = tensor.scalars
        if let position = scalars.firstIndex(where: { !$0.isFinite }) {
            let image = position / (channels * height * width)
            throw DatasetError(
                .notFinite, "image \(image) of \(count)", "a pixel is not a finite number",
                expected: "values near [-1, 1]", found: "\(scalars[position])",
                advice: "The model that made it has diverged: use an earlier checkpoint", images: [image])
        }
        let pixels = scalars.map { UInt8(min(max((($0 + 1) * 127.5).rounded(), 0), 255)) }
        self.init(count: count, channels: channels, height: height, width: width, pixels: pixels)
    }
}
