import Datasets

/// A drawing as pixels: black, grey and one blue on white, with smooth edges.
package struct Raster {
    private let width: Int
    private let height: Int
    private let scale: Double
    /// Red, green and blue planes.
    private var pixels: [UInt8]
    /// How much of each pixel the stroke that is being drawn covers.
    private var coverage: [Float]

    /// Draws.
    ///
    /// - Parameters:
    ///   - drawing: What to draw.
    ///   - scale: Pixels for each unit.
    package static func image(_ drawing: Drawing, scale: Double) -> ImageSet {
        var raster = Raster(drawing, scale: scale)
        for element in drawing.elements { raster.draw(element) }
        return ImageSet(count: 1, channels: 3, height: raster.height, width: raster.width, pixels: raster.pixels)
    }

    private init(_ drawing: Drawing, scale: Double) {
        width = max(1, Int((drawing.width * scale).rounded(.up)))
        height = max(1, Int((drawing.height * scale).rounded(.up)))
        self.scale = scale
        pixels = [UInt8](repeating: 255, count: 3 * width * height)
        coverage = [Float](repeating: 0, count: width * height)
    }

    private static func colour(_ role: Drawing.Role) -> SIMD3<Float> {
        switch role {
        case .accent: SIMD3(0, 84, 166)
        case .ink: SIMD3(20, 20, 20)
        case .context: SIMD3(150, 150, 150)
        case .axis: SIMD3(90, 90, 90)
        case .area: SIMD3(214, 214, 214)
        }
    }

    private mutating func draw(_ element: Drawing.Element) {
        switch element {
        case .line(let points, let role, let width, let dash, _):
            let pieces = dash == .solid ? [points] : Self.dashed(points, dash.lengths)
            stroke(pieces, width: width, colour: Self.colour(role))
        case .bar(let x, let y, let width, let height, let role):
            fill(x: x, y: y, width: width, height: height, colour: Self.colour(role))
        case .dot(let point, let radius, let role):
            // A stroke of no length has round ends.
            stroke([[point, point]], width: 2 * radius, colour: Self.colour(role))
        case .text(let text, let point, let anchor, let role, let size):
            write(text, at: point, anchor: anchor, role: role, size: size)
        }
    }

    private mutating func write(
        _ text: String, at point: Point, anchor: Drawing.Anchor, role: Drawing.Role, size: Double
    ) {
        let (strokes, width) = StrokeFont.strokes(text, height: 0.68 * size)
        let offset = anchor == .start ? 0 : anchor == .middle ? width / 2 : width
        let placed = strokes.map { $0.map { Point(x: $0.x + point.x - offset, y: $0.y + point.y) } }
        // A white edge first, so that words stay legible where lines cross them.
        stroke(placed, width: 0.3 * size, colour: SIMD3(repeating: 255))
        stroke(placed, width: 0.095 * size, colour: Self.colour(role))
    }

    /// Covers the pixels near some lines, each once, however often the lines cross.
    private mutating func stroke(_ lines: [[Point]], width: Double, colour: SIMD3<Float>) {
        let half = max(width * scale / 2, 0.5)
        var touched: [Int] = []
        for line in lines {
            for (start, end) in zip(line, line.dropFirst()) {
                cover(from: start, to: end, half: half, touched: &touched)
            }
        }
        for pixel in touched {
            blend(pixel, colour, coverage[pixel])
            coverage[pixel] = 0
        }
    }

    /// A pixel's coverage falls from 1 to 0 within the one pixel across the line's edge.
    private mutating func cover(from start: Point, to end: Point, half: Double, touched: inout [Int]) {
        let (x0, y0, x1, y1) = (start.x * scale, start.y * scale, end.x * scale, end.y * scale)
        let length = (x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0)
        let reach = half + 1
        let rows = Self.pixels(min(y0, y1) - reach, max(y0, y1) + reach, of: height)
        let columns = Self.pixels(min(x0, x1) - reach, max(x0, x1) + reach, of: width)
        for row in rows {
            for column in columns {
                let (x, y) = (Double(column) + 0.5, Double(row) + 0.5)
                let along = length > 0 ? ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length : 0
                let nearest = min(max(along, 0), 1)
                let (dx, dy) = (x - x0 - nearest * (x1 - x0), y - y0 - nearest * (y1 - y0))
                let covered = Float(min(max(half + 0.5 - (dx * dx + dy * dy).squareRoot(), 0), 1))
                let pixel = row * width + column
                guard covered > coverage[pixel] else { continue }
                if coverage[pixel] == 0 { touched.append(pixel) }
                coverage[pixel] = covered
            }
        }
    }

    private mutating func fill(x: Double, y: Double, width w: Double, height h: Double, colour: SIMD3<Float>) {
        let (left, right, top, bottom) = (x * scale, (x + w) * scale, y * scale, (y + h) * scale)
        for row in Self.pixels(top, bottom, of: height) {
            for column in Self.pixels(left, right, of: width) {
                let across = min(right, Double(column + 1)) - max(left, Double(column))
                let down = min(bottom, Double(row + 1)) - max(top, Double(row))
                blend(row * width + column, colour, Float(max(0, across) * max(0, down)))
            }
        }
    }

    /// The pixels of a row or column that an extent touches.
    private static func pixels(_ low: Double, _ high: Double, of count: Int) -> Range<Int> {
        let first = Int(min(max(low.rounded(.down), 0), Double(count)))
        return first..<max(first, Int(min(max(high.rounded(.up), 0), Double(count))))
    }

    private mutating func blend(_ pixel: Int, _ colour: SIMD3<Float>, _ share: Float) {
        for channel in 0..<3 {
            let place = channel * width * height + pixel
            let value = Float(pixels[place]) * (1 - share) + colour[channel] * share
            pixels[place] = UInt8(min(max(value.rounded(), 0), 255))
        }
    }

    /// A line cut into its dashes.
    private static func dashed(_ points: [Point], _ lengths: [Double]) -> [[Point]] {
        var (pieces, piece): ([[Point]], [Point]) = ([], [points[0]])
        var (index, rest) = (0, lengths[0])
        for (start, end) in zip(points, points.dropFirst()) {
            let length = ((end.x - start.x) * (end.x - start.x) + (end.y - start.y) * (end.y - start.y)).squareRoot()
            var done = 0.0
            while length - done > rest {
                done += rest
                let cut = Point(
                    x: start.x + (end.x - start.x) * done / length, y: start.y + (end.y - start.y) * done / length)
                if index % 2 == 0 { pieces.append(piece + [cut]) }
                piece = [cut]
                index += 1
                rest = lengths[index % lengths.count]
            }
            rest -= length - done
            if index % 2 == 0 { piece.append(end) }
        }
        if index % 2 == 0 && piece.count > 1 { pieces.append(piece) }
        return pieces
    }
}
