/// Numbers as the report shows them: no more digits than the intervals bear.
package enum FigureText {
    /// A number with a fixed count of decimals.
    static func decimal(_ value: Double, _ places: Int) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return value.isNaN ? "–" : value > 0 ? "∞" : "−∞" }
        let factor = (0..<places).reduce(1) { product, _ in product * 10 }
        let scaled = Int((abs(value) * Double(factor)).rounded())
        let sign = value < 0 && scaled > 0 ? "−" : ""
        guard places > 0 else { return sign + String(scaled) }
        let fraction = String(scaled % factor)
        return sign + "\(scaled / factor)." + String(repeating: "0", count: places - fraction.count) + fraction
    }

    /// A share as a percentage: with one decimal below 10 %, or with a fixed count of decimals.
    static func percent(_ share: Double, _ places: Int? = nil) -> String {
        decimal(100 * share, places ?? (abs(share) < 0.0995 ? 1 : 0)) + "\u{A0}%"
    }

    /// A bound that was set as a round percentage: `5 %`.
    static func bound(_ share: Double) -> String { percent(share, 0) }

    /// An interval as `0.89–0.93`.
    static func interval(_ ends: [Double], _ places: Int) -> String {
        ends.map { decimal($0, places) }.joined(separator: "–")
    }

    /// An interval of shares as `4.1–7.2 %`.
    static func percentInterval(_ ends: [Double]) -> String {
        let places = (ends.max() ?? 0) < 0.0995 ? 1 : 0
        return ends.map { decimal(100 * $0, places) }.joined(separator: "–") + "\u{A0}%"
    }

    /// An interval of shares as percentages without their sign, `4.1–7.2`, for beside a figure that has it.
    static func bareInterval(_ ends: [Double]) -> String { interval(ends.map { 100 * $0 }, 1) }

    /// A title without what it has in brackets: `PIA, models in turn` of `PIA (arXiv 2305.18355), models in turn`.
    package static func short(_ title: String) -> String {
        var (rest, short) = (title[...], "")
        while let opening = rest.firstRange(of: " ("), let closing = rest[opening.upperBound...].firstIndex(of: ")") {
            short += rest[..<opening.lowerBound]
            rest = rest[rest.index(after: closing)...]
        }
        return short + rest
    }

    /// A short title for a narrow place.
    static func label(_ title: String) -> String {
        let short = short(title)
        return short.count > 34 ? short.prefix(31) + "..." : short
    }

    /// A count with commas between thousands.
    static func count(_ count: Int) -> String {
        let digits = Array(String(count))
        return digits.indices.map { (digits.count - $0) % 3 == 0 && $0 > 0 ? ",\(digits[$0])" : "\(digits[$0])" }
            .joined()
    }

    /// A quantity with three significant digits or so: distances, evaluations.
    static func quantity(_ value: Double) -> String {
        let size = abs(value)
        if size == size.rounded() && size < 1e15 { return decimal(value, 0) }
        return decimal(value, size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3)
    }

    /// Names as an enumeration: `a, b and c`.
    static func list(_ names: [String]) -> String {
        guard let last = names.last, names.count > 1 else { return names.first ?? "" }
        return names.dropLast().joined(separator: ", ") + " and " + last
    }
}
