/// The rule by which two images count as near duplicates.
///
/// An image's thumbnail is its area average in 8 x 8 cells per channel, in sixteenths of a grey level. Two images are
/// near duplicates when the root mean square of the difference of their thumbnails is at most 4 grey levels (of 255):
/// `sum d^2 <= (4 * 16)^2 * 64 * C`. Integers throughout, so the verdict is the same on every machine.
///
/// The bound was chosen by looking at pairs of Fashion-MNIST's 60,000 training images. At 4 it finds 67 groups of at
/// most 4 images, the same article photographed or processed twice, or two that the eye cannot tell apart; from 5 on,
/// distinct sandals and trousers chain (26 images at 5, 140 at 6, 1,226 at 7.5). It forgives a change of brightness by
/// up to 4 levels, independent noise with a deviation of some 14 levels, or one pixel changed at will in an image of
/// 28 x 28; it does not forgive a shift by a pixel where the edges are hard.
public enum NearDuplicateRule {
    /// Cells of a thumbnail along each axis.
    public static let side = 8
    /// The largest root mean square difference of two near duplicates' thumbnails, in grey levels.
    public static let bound = 4
    /// Steps per grey level in which thumbnails are kept.
    static let scale = 16

    /// The rule in one line, for reports.
    public static let summary =
        "8x8 area-averaged thumbnail per channel, root mean square difference of at most 4 of 255 grey levels"
}

/// The thumbnails of some images, as `NearDuplicateRule` defines them.
struct Thumbnails: Sendable {
    static let cells = NearDuplicateRule.side * NearDuplicateRule.side
    static let vectorsPerChannel = cells / 16

    let channels: Int
    /// Cells in row-major order, channel after channel, 16 to a vector, image after image.
    private var vectors: [SIMD16<Int16>] = []

    var vectorsPerImage: Int { channels * Self.vectorsPerChannel }

    /// - Parameters:
    ///   - images: The images.
    ///   - indices: Which of them, in which order.
    init(_ images: ImageSet, indices: [Int]) {
        channels = images.channels
        let rows = AreaWeights(extent: images.height)
        let columns = AreaWeights(extent: images.width)
        let area = images.height * images.width
        vectors.reserveCapacity(indices.count * vectorsPerImage)
        var sums = [Int](repeating: 0, count: Self.cells)
        let plane = images.height * images.width
        for index in indices {
            let start = images.range(of: index).lowerBound
            for channel in 0..<images.channels {
                Self.accumulate(
                    images.pixels, from: start + channel * plane, rows: rows, columns: columns, into: &sums)
                for first in stride(from: 0, to: Self.cells, by: 16) {
                    var vector = SIMD16<Int16>()
                    for lane in 0..<16 {
                        vector[lane] = Int16((sums[first + lane] * NearDuplicateRule.scale + area / 2) / area)
                    }
                    vectors.append(vector)
                }
            }
        }
    }

    /// Sums pixels into cells, each weighted by the area that it shares with the cell, in units of
    /// 1 / (side * side) pixel, so that a cell's weights add up to H * W.
    private static func accumulate(
        _ pixels: [UInt8], from start: Int, rows: AreaWeights, columns: AreaWeights, into sums: inout [Int]
    ) {
        let side = NearDuplicateRule.side
        for cell in 0..<cells { sums[cell] = 0 }
        var line = [Int](repeating: 0, count: side)
        for row in 0..<rows.extent {
            for cell in 0..<side {
                var sum = 0
                for (column, weight) in columns.overlaps[cell] {
                    sum += weight * Int(pixels[start + row * columns.extent + column])
                }
                line[cell] = sum
            }
            for (cellRow, weight) in rows.cells[row] {
                for cell in 0..<side { sums[cellRow * side + cell] += weight * line[cell] }
            }
        }
    }

    /// The sum of squared differences over all cells and channels; any number above `limit` once it exceeds it.
    ///
    /// - Parameters:
    ///   - first: Position of one thumbnail.
    ///   - second: Position of the other.
    ///   - limit: Above this, the exact number no longer matters.
    func squaredDistance(_ first: Int, _ second: Int, limit: Int) -> Int {
        var total = 0
        for offset in 0..<vectorsPerImage {
            let difference = SIMD16<Int32>(
                truncatingIfNeeded: vectors[first * vectorsPerImage + offset]
                    &- vectors[second * vectorsPerImage + offset])
            // At most 16 * (255 * 16)^2 < 2^31.
            total += Int((difference &* difference).wrappedSum())
            if total > limit { break }
        }
        return total
    }

    /// The same thumbnails in another order, so that those compared lie close together.
    func reordered(_ order: [Int]) -> Thumbnails {
        var result = self
        result.vectors.removeAll(keepingCapacity: true)
        for index in order {
            result.vectors += vectors[index * vectorsPerImage..<(index + 1) * vectorsPerImage]
        }
        return result
    }

    /// The sums over each quadrant and all channels.
    func quadrants(_ index: Int) -> SIMD4<Float> {
        var sums = SIMD4<Int>()
        for vector in 0..<vectorsPerImage {
            // A vector holds two lines of eight cells; two vectors make up a channel's upper half.
            let values = vectors[index * vectorsPerImage + vector]
            let lower = vector % Self.vectorsPerChannel / 2 * 2
            for lane in 0..<16 { sums[lower + lane % 8 / 4] += Int(values[lane]) }
        }
        return SIMD4<Float>(Float(sums[0]), Float(sums[1]), Float(sums[2]), Float(sums[3]))
    }
}

/// How the cells of a thumbnail's axis overlap the pixels of an image's axis.
private struct AreaWeights {
    let extent: Int
    /// For each cell, its pixels and how much of each lies in it, in units of 1 / side pixel.
    let overlaps: [[(pixel: Int, weight: Int)]]
    /// The same by pixel.
    let cells: [[(cell: Int, weight: Int)]]

    init(extent: Int) {
        let side = NearDuplicateRule.side
        var overlaps = [[(pixel: Int, weight: Int)]](repeating: [], count: side)
        var cells = [[(cell: Int, weight: Int)]](repeating: [], count: extent)
        for cell in 0..<side {
            for pixel in 0..<extent {
                let weight = min((cell + 1) * extent, (pixel + 1) * side) - max(cell * extent, pixel * side)
                guard weight > 0 else { continue }
                overlaps[cell].append((pixel, weight))
                cells[pixel].append((cell, weight))
            }
        }
        self.extent = extent
        self.overlaps = overlaps
        self.cells = cells
    }
}
