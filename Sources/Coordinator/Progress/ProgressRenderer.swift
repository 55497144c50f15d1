import Foundation
import Jobs

/// Turns progress into lines of text that fit a terminal. Pure.
package struct ProgressRenderer {
    /// What the terminal can show.
    package struct Style: Hashable {
        /// Whether colours may be used.
        package var hasColour = false
        /// Whether block characters may be used.
        package var hasUnicode = false

        /// A style.
        package init(hasColour: Bool = false, hasUnicode: Bool = false) {
            self.hasColour = hasColour
            self.hasUnicode = hasUnicode
        }
    }

    /// What the terminal can show.
    package let style: Style

    /// Draws in a style.
    package init(style: Style) { self.style = style }

    /// One line for each model, at most `width - 1` columns wide, so that none wraps.
    ///
    /// What matters least is left out first: the bar, the rate, the count of steps, the loss, the time left.
    package func bars(_ models: [ModelProgress], width: Int) -> [String] {
        let names = models.map { printable($0.model.isEmpty ? $0.phase.rawValue : $0.model) }
        let longest = names.map(\.count).max() ?? 0
        return zip(models, names).map { model, name in
            bar(model, name: name + String(repeating: " ", count: longest - name.count), room: max(1, width - 1))
        }
    }

    private func bar(_ model: ModelProgress, name: String, room: Int) -> String {
        guard model.totalSteps > 0 else { return String(name.prefix(room)) }
        let percent = Self.percent(model)
        let steps = "\(model.step)/\(model.totalSteps)"
        let loss = model.loss.map { "loss \(Self.digits($0))" }
        let rate = model.imagesPerSecond > 0 ? "\(Self.digits(model.imagesPerSecond)) images/s" : nil
        let left = model.secondsLeft.map { "\(Self.duration($0)) left" }
        let choices: [[String?]] = [
            [percent, steps, loss, rate, left], [percent, steps, loss, left], [percent, loss, left], [percent, left],
            [percent],
        ]
        let texts = choices.map { ([name] + $0.compactMap(\.self)).joined(separator: "  ") }
        guard let text = texts.first(where: { $0.count <= room }) else {
            let rest = room - percent.count - 1
            return rest > 0 ? "\(name.prefix(rest)) \(percent)" : String(percent.prefix(room))
        }
        let barRoom = min(40, room - text.count - 4)
        guard barRoom >= 8 else { return text }
        let head = name + "  "
        return head + picture(model.share, cells: barRoom) + "  " + text.dropFirst(head.count)
    }

    private func picture(_ share: Double, cells: Int) -> String {
        let done = min(cells, Int((share * Double(cells)).rounded(.down)))
        let (full, empty) = style.hasUnicode ? ("█", "░") : ("#", "-")
        let filled = String(repeating: full, count: done)
        let open = String(repeating: empty, count: cells - done)
        guard style.hasColour else { return "[" + filled + open + "]" }
        return "[\u{1B}[32m" + filled + "\u{1B}[0m\u{1B}[2m" + open + "\u{1B}[0m]"
    }

    /// One line for a file: all models, with everything that is known.
    package func line(_ models: [ModelProgress]) -> String {
        models.map { model in
            let name = printable(model.model.isEmpty ? model.phase.rawValue : "\(model.phase.rawValue) \(model.model)")
            guard model.totalSteps > 0 else { return name }
            var parts = ["\(name) \(model.step)/\(model.totalSteps) (\(Self.percent(model).trimmed))"]
            if let loss = model.loss { parts.append("loss \(Self.digits(loss))") }
            if model.imagesPerSecond > 0 { parts.append("\(Self.digits(model.imagesPerSecond)) images/s") }
            if let left = model.secondsLeft { parts.append("\(Self.duration(left)) left") }
            return parts.joined(separator: ", ")
        }.joined(separator: "; ")
    }

    private static func percent(_ model: ModelProgress) -> String {
        let text = "\(Int((model.share * 100).rounded(.down))) %"
        return String(repeating: " ", count: max(0, 5 - text.count)) + text
    }

    /// A number with three significant digits or all digits before the point.
    package static func digits(_ value: Double) -> String {
        guard value.isFinite else { return "?" }
        let size = abs(value)
        if size >= 100 { return String(format: "%.0f", value) }
        if size >= 10 { return String(format: "%.1f", value) }
        if size >= 1 { return String(format: "%.2f", value) }
        return size >= 0.001 || size == 0 ? String(format: "%.4f", value) : String(format: "%.2e", value)
    }

    /// A span of time in the two units that matter: `3 min 20 s`, `2 d 5 h`.
    package static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds < 3.2e9 else { return "more than 100 years" }
        let whole = Int(max(0, seconds).rounded())
        switch whole {
        case ..<60: return "\(whole) s"
        case ..<3600: return "\(whole / 60) min \(whole % 60) s"
        case ..<86_400: return "\(whole / 3600) h \(whole % 3600 / 60) min"
        default: return "\(whole / 86_400) d \(whole % 86_400 / 3600) h"
        }
    }
}

extension String {
    /// Without blanks at its ends.
    fileprivate var trimmed: String { trimmingCharacters(in: .whitespaces) }
}
