/// Many images as one: rows and columns with gaps between them, left to right, top to bottom.
public struct ImageGrid: Hashable, Sendable {
    /// Images per row; nil makes the grid as square as possible.
    public var columns: Int?
    /// Pixels between images and around them, after enlarging.
    public var gap: Int
    /// The grey level of gaps and empty places.
    public var background: UInt8
    /// By how much each image is enlarged, by repeating its pixels.
    public var magnification: Int

    /// Makes a layout.
    ///
    /// - Parameters:
    ///   - columns: Images per row, at least 1; nil makes the grid as square as possible.
    ///   - gap: Pixels between images and around them, 0 or more.
    ///   - background: The grey level of gaps and empty places.
    ///   - magnification: By how much each image is enlarged, at least 1.
    public init(columns: Int? = nil, gap: Int = 2, background: UInt8 = 128, magnification: Int = 2) {
        precondition(columns ?? 1 > 0, "a grid has at least one column, not \(columns ?? 1)")
        precondition(gap >= 0 && magnification > 0, "a gap of \(gap), magnification \(magnification) is impossible")
        self.columns = columns
        self.gap = gap
        self.background = background
        self.magnification = magnification
    }

    /// Composes the grid.
    ///
    /// - Parameter images: At least one image.
    /// - Returns: One image with the same channels.
    public func compose(_ images: ImageSet) -> ImageSet {
        precondition(images.count > 0, "a grid needs at least one image")
        let columns = min(columns ?? Int(Double(images.count).squareRoot().rounded(.up)), images.count)
        let rows = (images.count + columns - 1) / columns
        let (cellHeight, cellWidth) = (images.height * magnification + gap, images.width * magnification + gap)
        let (height, width) = (rows * cellHeight + gap, columns * cellWidth + gap)
        var pixels = [UInt8](repeating: background, count: images.channels * height * width)
        for index in 0..<images.count {
            let (top, left) = (gap + index / columns * cellHeight, gap + index % columns * cellWidth)
            var position = images.range(of: index).lowerBound
            for channel in 0..<images.channels {
                for y in 0..<images.height {
                    for x in 0..<images.width {
                        let corner = (channel * height + top + y * magnification) * width + left + x * magnification
                        for line in 0..<magnification {
                            for column in 0..<magnification {
                                pixels[corner + line * width + column] = images.pixels[position]
                            }
                        }
                        position += 1
                    }
                }
            }
        }
        return ImageSet(count: 1, channels: images.channels, height: height, width: width, pixels: pixels)
    }
}

extension ImageSet {
    /// One image with its channels interleaved, (H, W, C), as PNG and NumPy users have it.
    func interleaved(_ index: Int) -> [UInt8] {
        let range = range(of: index)
        guard channels > 1 else { return Array(pixels[range]) }
        let plane = height * width
        var bytes: [UInt8] = []
        bytes.reserveCapacity(range.count)
        for position in 0..<plane {
            for channel in 0..<channels { bytes.append(pixels[range.lowerBound + channel * plane + position]) }
        }
        return bytes
    }
}
