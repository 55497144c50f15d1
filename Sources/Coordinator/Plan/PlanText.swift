import Foundation

/// Quantities in words.
enum PlanText {
    /// Bytes in the unit that suits them: `1.50 GB` is 1,500,000,000 bytes.
    static func bytes(_ count: Int) -> String {
        var value = Double(count)
        for unit in ["bytes", "kB", "MB", "GB", "TB"] {
            if value < 999.5 || unit == "TB" {
                return unit == "bytes" ? "\(count) bytes" : "\(ProgressRenderer.digits(value)) \(unit)"
            }
            value /= 1000
        }
        return "\(count) bytes"
    }

    /// A count with separators: `35,746,307`.
    static func count(_ number: Int) -> String {
        let digits = String(number.magnitude)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return (number < 0 ? "-" : "") + text
    }

    /// Numbers as ranges: `0-3`, `5`.
    static func range(_ range: Range<Int>) -> String {
        range.isEmpty
            ? "none" : range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound - 1)"
    }
}
