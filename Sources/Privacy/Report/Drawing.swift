/// A place in a drawing: x to the right, y downwards.
package struct Point: Hashable, Sendable {
    package var x: Double
    package var y: Double

    /// A place.
    package init(x: Double, y: Double) {
        self.x = x
        self.y = y
    }
}

/// A figure as lines, bars, dots and words, which `svg` and `Raster` render alike.
///
/// Elements have roles instead of colours; a rendering gives each role its colour, so that a page may have a dark mode. What
/// must be told apart differs in dashes, width or shape too.
package struct Drawing: Sendable {
    /// What an element is for, and so how dark it is.
    package enum Role: String, CaseIterable, Sendable {
        /// What the figure is about.
        case accent
        /// Text and lines that matter.
        case ink
        /// Comparisons behind what matters.
        case context
        /// Axes and their words.
        case axis
        /// Areas.
        case area
    }

    /// How a line is interrupted: lengths of dashes and gaps in units; none for a solid line.
    package enum Dash: CaseIterable, Sendable {
        case solid
        case dashed
        case dotted
        case dashDotted
        case longDashed

        var lengths: [Double] {
            switch self {
            case .solid: []
            case .dashed: [5, 3]
            case .dotted: [1, 2.5]
            case .dashDotted: [7, 2.5, 1, 2.5]
            case .longDashed: [10, 3]
            }
        }
    }

    /// Which end of a text stands at its place.
    package enum Anchor: String, Sendable {
        case start
        case middle
        case end
    }

    /// Something to draw.
    package enum Element: Sendable {
        case line([Point], role: Role, width: Double, dash: Dash, name: String)
        case bar(x: Double, y: Double, width: Double, height: Double, role: Role)
        case dot(Point, radius: Double, role: Role)
        case text(String, Point, anchor: Anchor, role: Role, size: Double)
    }

    /// Width in units; a unit is a pixel of a page that is not zoomed.
    package var width: Double
    /// Height in units.
    package var height: Double
    /// What to draw, the lowest first.
    package var elements: [Element] = []

    /// An empty drawing.
    package init(width: Double, height: Double) {
        self.width = width
        self.height = height
    }

    /// Adds a line.
    mutating func line(
        _ points: [Point], _ role: Role, width: Double = 1, dash: Dash = .solid, name: String = ""
    ) {
        if points.count > 1 {
            elements.append(.line(points, role: role, width: width, dash: dash, name: name))
        }
    }

    /// Adds a line between two points.
    mutating func line(from x0: Double, _ y0: Double, to x1: Double, _ y1: Double, _ role: Role, width: Double = 1) {
        line([Point(x: x0, y: y0), Point(x: x1, y: y1)], role, width: width)
    }

    /// Adds words whose base line is at y.
    mutating func text(
        _ text: String, _ x: Double, _ y: Double, _ role: Role, anchor: Anchor = .start, size: Double = 11
    ) {
        elements.append(.text(text, Point(x: x, y: y), anchor: anchor, role: role, size: size))
    }

    /// About how wide a text is; a page's font is not known here.
    static func textWidth(_ text: String, size: Double) -> Double { 0.56 * size * Double(text.count) }

    /// Drawings in a grid, left to right and top to bottom, each titled.
    static func grid(_ drawings: [(title: String, drawing: Drawing)], columns: Int) -> Drawing {
        let columns = max(1, min(columns, drawings.count))
        let (gap, title) = (18.0, 24.0)
        let cellWidth = (drawings.map(\.drawing.width).max() ?? 0) + gap
        var (result, top) = (Drawing(width: cellWidth * Double(columns) + gap, height: 0), gap)
        for row in stride(from: 0, to: drawings.count, by: columns) {
            let cells = drawings[row..<min(row + columns, drawings.count)]
            for (column, cell) in cells.enumerated() {
                let left = gap + Double(column) * cellWidth
                result.text(cell.title, left, top + 12, .ink, size: 13)
                result.elements += cell.drawing.elements.map { $0.moved(by: Point(x: left, y: top + title)) }
            }
            top += title + (cells.map(\.drawing.height).max() ?? 0) + gap
        }
        result.height = top
        return result
    }
}

extension Drawing.Element {
    fileprivate func moved(by offset: Point) -> Drawing.Element {
        func moved(_ point: Point) -> Point { Point(x: point.x + offset.x, y: point.y + offset.y) }
        switch self {
        case .line(let points, let role, let width, let dash, let name):
            return .line(points.map(moved), role: role, width: width, dash: dash, name: name)
        case .bar(let x, let y, let width, let height, let role):
            return .bar(x: x + offset.x, y: y + offset.y, width: width, height: height, role: role)
        case .dot(let point, let radius, let role): return .dot(moved(point), radius: radius, role: role)
        case .text(let text, let point, let anchor, let role, let size):
            return .text(text, moved(point), anchor: anchor, role: role, size: size)
        }
    }
}
