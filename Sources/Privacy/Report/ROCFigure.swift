#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// ROC curves on logarithmic axes, where the few confident hits of an attack can be seen (Carlini et al. 2022,
/// arXiv 2112.03570, section III).
struct ROCFigure {
    /// One curve.
    private struct Curve {
        let name: String
        let points: [Point]
        let role: Drawing.Role
        let dash: Drawing.Dash
        let isLabelled: Bool
        /// What the key below says of it; nil for a curve that is not in the key.
        var key: String?
        /// Intervals of the true-positive rate at false-positive rates.
        let intervals: [(rate: Double, ends: [Double])]

        var width: Double { role == .context ? 0.8 : role == .accent ? 1.8 : 1.3 }
    }

    private static let (width, height) = (340.0, 330.0)
    private static let (left, right, top, bottom) = (46.0, 328.0, 24.0, 286.0)
    private let smallest: Double
    private var drawing = Drawing(width: width, height: height)

    /// How many of a release's attacks the key names.
    private static let named = 4

    /// The strongest attack on each release, as ROC curves that a key names by release.
    static func overview(_ releases: [ReleaseAudit]) -> Drawing {
        // The strongest is drawn last, over the others.
        let chosen = releases.compactMap { release in
            Verdict.strongest(of: release).map { (name: release.name, attack: $0) }
        }.sorted { Verdict.strength($0.attack) < Verdict.strength($1.attack) }
        return ROCFigure(attacks: chosen.map(\.attack)) { figure, index, curve in
            let (attack, name, rank) = (chosen[index].attack, chosen[index].name, chosen.count - 1 - index)
            return Curve(
                name: name, points: figure.path(curve), role: rank == 0 ? .accent : .ink,
                dash: dashes[rank % dashes.count], isLabelled: rank == 0,
                key: "AUC \(FigureText.decimal(attack.auc, 2)): \(name)", intervals: [(0.01, attack.tprAt1FPRInterval)])
        }.drawing
    }

    /// All attacks on a release: the strongest labelled, a few more named in a key, the others behind them.
    static func panel(_ release: ReleaseAudit) -> Drawing {
        // The strongest is drawn last, over the others.
        let attacks = Array(release.ranked.filter { !$0.isOfSets }.reversed())
        return ROCFigure(attacks: attacks) { figure, index, curve in
            let (attack, rank) = (attacks[index], attacks.count - 1 - index)
            let isNamed = rank < named
            return Curve(
                name: FigureText.label(attack.title), points: figure.path(curve),
                role: rank == 0 ? .accent : isNamed ? .ink : .context, dash: isNamed ? dashes[rank] : .solid,
                isLabelled: rank == 0,
                key: isNamed ? "AUC \(FigureText.decimal(attack.auc, 2)): \(FigureText.label(attack.title))" : nil,
                intervals: rank == 0 ? [(0.01, attack.tprAt1FPRInterval), (0.001, attack.tprAt01FPRInterval)] : [])
        }.drawing
    }

    private static let dashes: [Drawing.Dash] = [.solid, .dashed, .dotted, .dashDotted, .longDashed]

    private init(attacks: [AttackFigures], curve: (ROCFigure, Int, ReportCurve) -> Curve) {
        // Below one false positive nothing is known.
        let heldOut = attacks.map(\.heldOutScores.count).max() ?? 0
        smallest = min(max(1 / Double(max(heldOut, 1)), 1e-5), 0.01)
        axes()
        var curves: [Curve] = []
        for (index, attack) in attacks.enumerated() {
            let scores = ReportCurve(members: attack.memberScores, heldOut: attack.heldOutScores)
            if scores.isDrawable { curves.append(curve(self, index, scores)) }
        }
        for curve in curves {
            drawing.line(curve.points, curve.role, width: curve.width, dash: curve.dash, name: curve.name)
            for interval in curve.intervals { whisker(interval.rate, interval.ends, curve.role) }
        }
        label(curves)
        key(curves)
    }

    // MARK: Axes

    private func x(_ rate: Double) -> Double {
        Self.left + (Self.right - Self.left) * (1 - log10(max(rate, smallest)) / log10(smallest))
    }

    private func y(_ rate: Double) -> Double {
        Self.bottom - (Self.bottom - Self.top) * (1 - log10(max(rate, smallest)) / log10(smallest))
    }

    private mutating func axes() {
        drawing.line(from: Self.left, Self.bottom, to: Self.right, Self.bottom, .axis)
        drawing.line(from: Self.left, Self.top, to: Self.left, Self.bottom, .axis)
        for (rate, text) in [(1e-5, "0.001"), (1e-4, "0.01"), (1e-3, "0.1"), (1e-2, "1"), (0.1, "10"), (1, "100 %")]
        where rate >= smallest * 0.999 {
            drawing.line(from: x(rate), Self.bottom, to: x(rate), Self.bottom + 4, .axis)
            drawing.line(from: Self.left - 4, y(rate), to: Self.left, y(rate), .axis)
            drawing.text(text, x(rate), Self.bottom + 17, .axis, anchor: rate == 1 ? .end : .middle)
            drawing.text(rate == 1 ? "100" : text, Self.left - 7, y(rate) + 4, .axis, anchor: .end)
        }
        drawing.text("true-positive rate: members found, %", 2, 11, .axis)
        drawing.text("false-positive rate: others taken for members", Self.right, Self.bottom + 34, .axis, anchor: .end)
        drawing.line(
            [Point(x: x(smallest), y: y(smallest)), Point(x: x(1), y: y(1))], .axis, dash: .dotted, name: "guessing")
        let middle = smallest.squareRoot()
        drawing.text("guessing", x(middle) + 8, y(middle) + 12, .axis)
    }

    private mutating func whisker(_ rate: Double, _ ends: [Double], _ role: Drawing.Role) {
        guard rate >= smallest * 0.999, ends.count == 2, ends[1] > smallest else { return }
        let (place, low, high) = (x(rate), y(ends[0]), y(ends[1]))
        drawing.line(from: place, low, to: place, high, role)
        for end in [low, high] { drawing.line(from: place - 3, end, to: place + 3, end, role) }
    }

    // MARK: Curves

    /// A curve without what is smaller than half a unit; as all steps go either up or sideways, it is a staircase. It
    /// starts at the highest rate with at most one false positive, the left end of the axis.
    private func path(_ curve: ReportCurve) -> [Point] {
        let start = curve.points.lastIndex { $0.falsePositiveRate <= smallest } ?? 0
        var points: [Point] = []
        for rates in curve.points[start...] {
            let point = Point(x: x(rates.falsePositiveRate), y: y(rates.truePositiveRate))
            if let last = points.last, abs(point.x - last.x) < 0.5 && abs(point.y - last.y) < 0.5 { continue }
            points.append(point)
        }
        return points + [Point(x: x(1), y: y(1))]
    }

    /// Names the curves of the key below the axes, the strongest first, each beside a piece of its line.
    private mutating func key(_ curves: [Curve]) {
        for curve in curves.reversed() {
            guard let text = curve.key else { continue }
            let y = drawing.height + 10
            drawing.line(
                [Point(x: Self.left, y: y - 4), Point(x: Self.left + 30, y: y - 4)], curve.role, width: curve.width,
                dash: curve.dash)
            drawing.text(text, Self.left + 38, y, curve.role)
            drawing.height += 15
        }
    }

    /// Puts each name beside its curve, where it covers nothing and no other curve is nearer.
    private mutating func label(_ curves: [Curve]) {
        let size = 11.0
        let middle = smallest.squareRoot()
        var taken = [Box(x: x(middle) + 8, y: y(middle) + 2, width: 50, height: 14)]
        let dense = curves.map { $0.points.dense() }
        for (index, curve) in curves.enumerated() where curve.isLabelled {
            let width = Drawing.textWidth(curve.name, size: size)
            var best: (cost: Double, box: Box)?
            for point in dense[index].spread(30) {
                for (dx, dy) in [
                    (-width - 5, -3.0), (-width - 5, 9), (5, 13.0), (5, -5), (-width / 2, -9), (-width / 2, 18),
                ] {
                    let box = Box(x: point.x + dx, y: point.y + dy - 10, width: width, height: 13)
                    guard box.isInside(Self.left + 3, Self.top - 6, Self.right + 4, Self.bottom - 3) else { continue }
                    let gaps = dense.map { $0.map(box.distance).min() ?? .infinity }
                    let others = gaps.indices.filter { $0 != index }.map { gaps[$0] }.min() ?? .infinity
                    let cost =
                        (gaps[index] < 2 ? 30 : 2 * gaps[index]) + (others < 2 ? 60 : 0)
                        + min(3 * max(0, gaps[index] + 6 - others), 40) + (taken.contains { $0.meets(box) } ? 1_000 : 0)
                        + box.crossing(
                            diagonalFrom: Point(x: Self.left, y: Self.bottom), to: Point(x: Self.right, y: Self.top))
                    if cost < best?.cost ?? .infinity { best = (cost, box) }
                }
            }
            guard let box = best?.box else { continue }
            taken.append(box)
            drawing.text(curve.name, box.x, box.y + 10, curve.role, size: size)
        }
    }
}

/// Where a name stands.
private struct Box {
    let x: Double
    let y: Double
    let width: Double
    let height: Double

    /// How far a point is; zero inside.
    func distance(_ point: Point) -> Double {
        let dx = max(x - point.x, 0, point.x - x - width)
        let dy = max(y - point.y, 0, point.y - y - height)
        return (dx * dx + dy * dy).squareRoot()
    }

    /// A cost for lying on a line: 10 if it runs through the box.
    func crossing(diagonalFrom start: Point, to end: Point) -> Double {
        let hits = (0...60).contains { step in
            let share = Double(step) / 60
            return distance(Point(x: start.x + share * (end.x - start.x), y: start.y + share * (end.y - start.y))) < 1
        }
        return hits ? 10 : 0
    }

    func meets(_ other: Box) -> Bool {
        x < other.x + other.width && other.x < x + width && y < other.y + other.height && other.y < y + height
    }

    func isInside(_ left: Double, _ top: Double, _ right: Double, _ bottom: Double) -> Bool {
        x >= left && y >= top && x + width <= right && y + height <= bottom
    }
}

extension [Point] {
    /// The same line with points at most 4 units apart.
    fileprivate func dense() -> [Point] {
        zip(self, dropFirst()).flatMap { start, end -> [Point] in
            let steps = Int(Swift.max(abs(end.x - start.x), abs(end.y - start.y)) / 4) + 1
            return (0..<steps).map { step in
                let share = Double(step) / Double(steps)
                return Point(x: start.x + share * (end.x - start.x), y: start.y + share * (end.y - start.y))
            }
        }
    }

    /// So many of the points, evenly over their horizontal extent.
    fileprivate func spread(_ count: Int) -> [Point] {
        guard let first, let last, last.x > first.x else { return self }
        return (0...count).compactMap { step in
            let x = first.x + (last.x - first.x) * Double(step) / Double(count)
            return self.min { abs($0.x - x) < abs($1.x - x) }
        }
    }
}

extension AttackAccess {
    /// What the attacker can reach, in words.
    var title: String {
        switch self {
        case .sampling: "sampling"
        case .predictions: "predictions"
        case .weights: "weights"
        case .training: "training"
        }
    }
}
