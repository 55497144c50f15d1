/// The scores that an attack gave members and held-out images: held-out ones as bars, members as a line over them.
struct ScoreFigure {
    private static let (width, height) = (340.0, 190.0)
    private static let (left, right, top, bottom) = (6.0, 334.0, 26.0, 160.0)
    private static let bins = 40

    /// The scores of the strongest attack on a release; nil without scores.
    static func drawing(_ release: ReleaseAudit) -> Drawing? {
        guard let attack = Verdict.strongest(of: release) else { return nil }
        let curve = ReportCurve(members: attack.memberScores, heldOut: attack.heldOutScores)
        guard curve.isDrawable else { return nil }
        let (members, heldOut) = curve.histogram(bins: bins)
        let highest = max(members.max() ?? 0, heldOut.max() ?? 0)
        let (step, scale) = ((right - left) / Double(bins), (bottom - top) / highest)
        var drawing = Drawing(width: width, height: height)
        for (bin, share) in heldOut.enumerated() where share > 0 {
            drawing.elements.append(
                .bar(
                    x: left + Double(bin) * step + 0.5, y: bottom - share * scale, width: step - 1,
                    height: share * scale, role: .area))
        }
        var outline = [Point(x: left, y: bottom)]
        for (bin, share) in members.enumerated() {
            outline.append(Point(x: left + Double(bin) * step, y: bottom - share * scale))
            outline.append(Point(x: left + Double(bin + 1) * step, y: bottom - share * scale))
        }
        drawing.line(outline + [Point(x: right, y: bottom)], .accent, width: 1.6, name: "members")
        drawing.line(from: left, bottom, to: right, bottom, .axis)
        drawing.text("looks held out", left, bottom + 16, .axis)
        drawing.text("looks like a member", right, bottom + 16, .axis, anchor: .end)
        name("members", members, above: heldOut, .accent, in: &drawing)
        name("held out", heldOut, above: members, .axis, in: &drawing)
        return drawing
    }

    /// Writes a series' name over the bin in which it rises most above the other.
    private static func name(
        _ text: String, _ series: [Double], above other: [Double], _ role: Drawing.Role, in drawing: inout Drawing
    ) {
        let highest = max(series.max() ?? 0, other.max() ?? 0)
        let lead = zip(series, other).map { $0.0 - $0.1 }
        guard let bin = lead.indices.max(by: { lead[$0] < lead[$1] }), highest > 0 else { return }
        let step = (right - left) / Double(bins)
        let half = Drawing.textWidth(text, size: 11) / 2
        let x = min(max(left + (Double(bin) + 0.5) * step, left + half), right - half)
        // Above whatever stands under the words.
        let under = series.indices.filter { abs(left + (Double($0) + 0.5) * step - x) < half + step }
        let peak = under.map { max(series[$0], other[$0]) }.max() ?? 0
        let isTaken = drawing.elements.contains {
            if case .text(_, let place, _, .accent, _) = $0 { return abs(place.x - x) < 3 * half }
            return false
        }
        let y = bottom - peak * (bottom - top) / highest - (isTaken ? 20 : 6)
        drawing.text(text, x, max(y, 12), role, anchor: .middle)
    }
}
