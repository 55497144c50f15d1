import Datasets
import Privacy
import Testing

@Suite struct RasterTests {
    /// The red of a pixel: 255 for paper.
    private func red(_ image: ImageSet, _ x: Int, _ y: Int) -> UInt8 { image.pixels[y * image.width + x] }

    private func image(_ element: Drawing.Element, scale: Double = 1) -> ImageSet {
        var drawing = Drawing(width: 20, height: 10)
        drawing.elements = [element]
        return Raster.image(drawing, scale: scale)
    }

    @Test func aLineCoversItsPixelsAndNoOthers() {
        let line = [Point(x: 2, y: 4), Point(x: 18, y: 4)]
        let drawn = image(.line(line, role: .ink, width: 2, dash: .solid, name: ""))
        #expect(drawn.width == 20 && drawn.height == 10 && drawn.channels == 3)
        for x in 3..<17 {
            #expect(red(drawn, x, 3) == 20 && red(drawn, x, 4) == 20)
            #expect(red(drawn, x, 1) == 255 && red(drawn, x, 6) == 255)
        }
        #expect(red(drawn, 0, 4) == 255 && red(drawn, 19, 4) == 255)
    }

    @Test func dashesLeaveGaps() {
        let line = [Point(x: 0, y: 5), Point(x: 20, y: 5)]
        let drawn = image(.line(line, role: .ink, width: 1, dash: .dashed, name: ""), scale: 4)
        let marks = (0..<80).map { red(drawn, $0, 20) < 128 }
        // Dashes of 5 units, gaps of 3, four pixels a unit.
        #expect(marks[10] && !marks[26] && marks[42] && !marks[58] && marks[72])
    }

    @Test func barsShareTheirEdgePixels() {
        let drawn = image(.bar(x: 2.5, y: 2, width: 3, height: 4, role: .ink))
        #expect(red(drawn, 3, 3) == 20 && red(drawn, 4, 5) == 20)
        #expect((130...145).contains(red(drawn, 2, 3)) && (130...145).contains(red(drawn, 5, 3)))
        #expect(red(drawn, 3, 1) == 255 && red(drawn, 3, 6) == 255 && red(drawn, 7, 3) == 255)
    }

    @Test func wordsStandWhereTheirAnchorSays() {
        func columns(_ anchor: Drawing.Anchor) -> [Int] {
            let drawn = image(.text("HH", Point(x: 10, y: 9), anchor: anchor, role: .ink, size: 8), scale: 4)
            return (0..<80).filter { x in (0..<40).contains { red(drawn, x, $0) < 128 } }
        }
        let (start, middle, end) = (columns(.start), columns(.middle), columns(.end))
        #expect((start.first ?? 0) >= 39 && (end.last ?? 80) <= 41)
        #expect(abs((middle.first ?? 0) + (middle.last ?? 0) - 80) <= 2)
    }

    @Test func whatLiesOutsideIsLeftOut() {
        let far = Point(x: 500, y: -500)
        for element in [
            Drawing.Element.line([far, Point(x: 600, y: -600)], role: .ink, width: 3, dash: .dotted, name: ""),
            .bar(x: -50, y: 90, width: 20, height: 20, role: .area), .dot(far, radius: 4, role: .accent),
            .text("…é\u{1F600}", far, anchor: .end, role: .axis, size: 11),
        ] {
            #expect(image(element).pixels.allSatisfy { $0 == 255 })
        }
    }
}
