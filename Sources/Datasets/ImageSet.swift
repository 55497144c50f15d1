import Foundation

/// Images of one shape as unsigned bytes: planar, (N, C, H, W) in row-major order.
public struct ImageSet: Hashable, Sendable {
    /// The number of images, N.
    public let count: Int
    /// The number of channels, C: 1 for gray, 3 for red, green and blue.
    public let channels: Int
    /// The height, H, in pixels.
    public let height: Int
    /// The width, W, in pixels.
    public let width: Int
    /// The pixels: N * C * H * W bytes in 0...255.
    public let pixels: [UInt8]

    /// Makes a set.
    ///
    /// - Parameters:
    ///   - count: N; may be zero.
    ///   - channels: C, at least 1.
    ///   - height: H in pixels, at least 1.
    ///   - width: W in pixels, at least 1.
    ///   - pixels: N * C * H * W bytes, planar.
    /// - Precondition: the number of pixels is that of the shape.
    public init(count: Int, channels: Int, height: Int, width: Int, pixels: [UInt8]) {
        precondition(
            count >= 0 && channels > 0 && height > 0 && width > 0,
            "images need positive dimensions, not (\(count), \(channels), \(height), \(width))")
        precondition(
            pixels.count == count * channels * height * width,
            "\(pixels.count) pixels do not make up shape (\(count), \(channels), \(height), \(width))")
        self.count = count
        self.channels = channels
        self.height = height
        self.width = width
        self.pixels = pixels
    }

    /// Bytes of one image: C * H * W.
    public var bytesPerImage: Int { channels * height * width }

    /// Where an image's bytes lie in `pixels`.
    ///
    /// - Parameter index: The image, in 0..<N.
    public func range(of index: Int) -> Range<Int> {
        precondition(index >= 0 && index < count, "image \(index) is not one of \(count)")
        return index * bytesPerImage..<(index + 1) * bytesPerImage
    }

    /// The images at these positions, in this order.
    ///
    /// - Parameter indices: Positions in 0..<N; repetitions are allowed.
    public func subset(_ indices: [Int]) -> ImageSet {
        var chosen: [UInt8] = []
        chosen.reserveCapacity(indices.count * bytesPerImage)
        for index in indices { chosen += pixels[range(of: index)] }
        return ImageSet(count: indices.count, channels: channels, height: height, width: width, pixels: chosen)
    }
}

extension ImageSet: Codable {
    private enum CodingKeys: String, CodingKey {
        case count, channels, height, width, pixels
    }

    /// Reads a set.
    ///
    /// - Throws: `DecodingError`, also when the number of pixels is not that of the shape.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        let shape = try [CodingKeys.count, .channels, .height, .width].map { try values.decode(Int.self, forKey: $0) }
        let pixels = [UInt8](try values.decode(Data.self, forKey: .pixels))
        // Of one image first: its size must be an integer even where there is no image.
        var expected: Int? = 1
        for extent in shape[1...] + shape[..<1] {
            let product = expected?.multipliedReportingOverflow(by: max(extent, 0))
            expected = product.flatMap { $0.overflow ? nil : $0.partialValue }
        }
        guard shape[0] >= 0, shape[1...].allSatisfy({ $0 > 0 }), pixels.count == expected else {
            throw DecodingError.dataCorruptedError(
                forKey: .pixels, in: values, debugDescription: "\(pixels.count) pixels do not make up shape \(shape)")
        }
        self.init(count: shape[0], channels: shape[1], height: shape[2], width: shape[3], pixels: pixels)
    }

    /// Writes the shape and, in base 64, the pixels.
    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(count, forKey: .count)
        try values.encode(channels, forKey: .channels)
        try values.encode(height, forKey: .height)
        try values.encode(width, forKey: .width)
        try values.encode(Data(pixels), forKey: .pixels)
    }
}
