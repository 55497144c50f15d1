import Foundation
import Jobs

/// Where a run's progress is shown.
package protocol ProgressDisplay: AnyObject {
    /// Takes note of where the ranks are; shows it when it is time.
    func update(_ beats: [Heartbeat], job: Job)
    /// Shows a message between two states of progress.
    func say(_ message: String)
    /// Leaves the last state standing.
    func finish()
}

/// Chooses how progress is shown on an open file.
package enum Terminal {
    /// What shows progress there: bars on a terminal that can move its cursor, else a line every 30 seconds.
    static func display(on descriptor: Int32, environment: [String: String]) -> any ProgressDisplay {
        let style = style(isTerminal: isatty(descriptor) == 1, environment: environment)
        let write: (String) -> Void = { Console.write($0, to: descriptor) }
        guard let style else { return ProgressLines(write: write) }
        return ProgressBars(renderer: ProgressRenderer(style: style), width: { width(of: descriptor) }, write: write)
    }

    /// What a terminal can show; nil for a file or a terminal that cannot move its cursor.
    package static func style(isTerminal: Bool, environment: [String: String]) -> ProgressRenderer.Style? {
        let term = environment["TERM"] ?? ""
        guard isTerminal, term != "dumb", !term.isEmpty else { return nil }
        let locale =
            [environment["LC_ALL"], environment["LC_CTYPE"], environment["LANG"]]
            .compactMap(\.self).first { !$0.isEmpty } ?? ""
        let isUnicode = locale.lowercased().contains("utf-8") || locale.lowercased().contains("utf8")
        return ProgressRenderer.Style(
            hasColour: (environment["NO_COLOR"] ?? "").isEmpty, hasUnicode: isUnicode)
    }

    /// Columns of a terminal; 80 when it does not say.
    static func width(of descriptor: Int32) -> Int {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }
}

/// Bars that are drawn over themselves.
package final class ProgressBars: ProgressDisplay {
    private let renderer: ProgressRenderer
    private let width: () -> Int
    private let write: (String) -> Void
    private var drawn = 0

    package init(renderer: ProgressRenderer, width: @escaping () -> Int, write: @escaping (String) -> Void) {
        self.renderer = renderer
        self.width = width
        self.write = write
    }

    package func update(_ beats: [Heartbeat], job: Job) {
        let lines = renderer.bars(ModelProgress.all(from: beats, job: job), width: width())
        guard !lines.isEmpty else { return }
        write(erasing + lines.map { $0 + "\n" }.joined())
        drawn = lines.count
    }

    package func say(_ message: String) {
        write(erasing + printableLines(message) + "\n")
        drawn = 0
    }

    package func finish() { drawn = 0 }

    /// Moves to the first bar and clears to the end of the screen.
    private var erasing: String { drawn > 0 ? "\u{1B}[\(drawn)A\r\u{1B}[J" : "" }
}

/// A line now and then, for files.
package final class ProgressLines: ProgressDisplay {
    private let renderer = ProgressRenderer(style: .init())
    private let interval: Double
    private let clock: () -> Double
    private let write: (String) -> Void
    private var last: Double?
    private var text = ""

    package init(
        interval: Double = 30, clock: @escaping () -> Double = { ProcessInfo.processInfo.systemUptime },
        write: @escaping (String) -> Void
    ) {
        self.interval = interval
        self.clock = clock
        self.write = write
    }

    package func update(_ beats: [Heartbeat], job: Job) {
        let models = ModelProgress.all(from: beats, job: job)
        let now = clock()
        guard !models.isEmpty else { return }
        let line = renderer.line(models)
        defer { text = line }
        if let last, now - last < interval { return }
        last = now
        write(line + "\n")
    }

    package func say(_ message: String) { write(printableLines(message) + "\n") }

    package func finish() {
        if !text.isEmpty { write(text + "\n") }
        text = ""
    }
}

/// Shows nothing.
final class NoProgress: ProgressDisplay {
    func update(_ beats: [Heartbeat], job: Job) {}
    func say(_ message: String) {}
    func finish() {}
}
