extension Drawing {
    /// The figure as an inline SVG; the page's style sheet colours the roles.
    ///
    /// - Parameter description: What it shows, for those who cannot see it.
    func svg(_ description: String) -> HTML {
        """
        <svg role="img" aria-label="\(description)" viewBox="0 0 \(number(width)) \(number(height))" \
        width="\(number(width))" height="\(number(height))">\(elements.map(svg))</svg>
        """
    }

    private func svg(_ element: Element) -> HTML {
        switch element {
        case .line(let points, let role, let width, let dash, let name):
            let path = points.enumerated().map { index, point in
                (index == 0 ? "M" : "L") + number(point.x) + " " + number(point.y)
            }.joined()
            let dashes = dash.lengths.map(number).joined(separator: " ")
            let pattern: HTML = dash == .solid ? "" : " stroke-dasharray=\"\(dashes)\""
            let title: HTML = name.isEmpty ? "" : "<title>\(name)</title>"
            return
                "<path class=\"l \(role.rawValue)\" stroke-width=\"\(number(width))\"\(pattern) d=\"\(path)\">\(title)</path>"
        case .bar(let x, let y, let width, let height, let role):
            return """
                <rect class="f \(role.rawValue)" x="\(number(x))" y="\(number(y))" width="\(number(width))" \
                height="\(number(height))"/>
                """
        case .dot(let point, let radius, let role):
            return """
                <circle class="f \(role.rawValue)" cx="\(number(point.x))" cy="\(number(point.y))" r="\(number(radius))"/>
                """
        case .text(let text, let point, let anchor, let role, let size):
            return """
                <text class="t \(role.rawValue)" x="\(number(point.x))" y="\(number(point.y))" \
                text-anchor="\(anchor.rawValue)" font-size="\(number(size))">\(text)</text>
                """
        }
    }

    /// To a hundredth of a unit, without idle zeros.
    private func number(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        let sign = hundredths < 0 ? "-" : ""
        let (whole, rest) = abs(hundredths).quotientAndRemainder(dividingBy: 100)
        if rest == 0 { return "\(sign)\(whole)" }
        return rest % 10 == 0 ? "\(sign)\(whole).\(rest / 10)" : "\(sign)\(whole).\(rest < 10 ? "0" : "")\(rest)"
    }
}
