import Foundation

/// What a rank says on standard error because the run's directory does not take it, as on a disk that is full or read-only:
/// who started the ranks reads that line by line, and so knows it all the same.
public enum SpokenNote: Hashable, Sendable {
    /// A line of the log of events, without its end.
    case event(String)
    /// A sign of life.
    case heartbeat(Heartbeat)

    private static let eventPrefix = "diptych-event: "
    private static let heartbeatPrefix = "diptych-heartbeat: "

    /// The note as one line, without its end; nil for a heartbeat that cannot be put into words.
    public var line: String? {
        switch self {
        case .event(let text): Self.eventPrefix + text
        case .heartbeat(let beat): beat.encoded.map { Self.heartbeatPrefix + String(decoding: $0, as: UTF8.self) }
        }
    }

    /// Reads a line; nil when it is none of these notes.
    public init?(line: String) {
        if line.hasPrefix(Self.eventPrefix) {
            self = .event(String(line.dropFirst(Self.eventPrefix.count)))
        } else if line.hasPrefix(Self.heartbeatPrefix) {
            let text = Data(line.dropFirst(Self.heartbeatPrefix.count).utf8)
            guard let beat = try? JSONDecoder().decode(Heartbeat.self, from: text) else { return nil }
            self = .heartbeat(beat)
        } else {
            return nil
        }
    }
}
