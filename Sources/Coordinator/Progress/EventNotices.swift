import Foundation
import Jobs

/// Tells the user, while a run goes on, what its event log says about files that could not be written.
///
/// A failure that lasts is told once, and told again when it is over.
package struct EventNotices {
    private struct Event: Decodable {
        var kind: String
        var what: String?
        var reason: String?
        var model: String?
        var step: Int?
    }

    private let path: String
    private var offset: Int
    private var failing: Set<String> = []

    /// Begins at the log's present end.
    package init(path: String) {
        self.path = path
        var status = stat()
        offset = stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    /// What is new since the last call, in sentences.
    package mutating func take() -> [String] {
        wholeLines().compactMap { line in
            (try? JSONDecoder().decode(Event.self, from: line)).flatMap { notice(of: $0) }
        }
    }

    private mutating func notice(of event: Event) -> String? {
        switch event.kind {
        case EventLog.Kind.writeFailed.rawValue:
            guard let what = event.what, failing.insert(what).inserted else { return nil }
            return
                "cannot write: \(printable(what)): \(printable(event.reason ?? "no reason given")). Training goes on, "
                + "what was saved before stays, and the next save tries again"
        case EventLog.Kind.checkpoint.rawValue:
            guard let model = event.model, let step = event.step, failing.remove("checkpoint of \(model)") != nil else {
                return nil
            }
            return "checkpoint of \(printable(model)): saved again, at step \(step)"
        default: return nil
        }
    }

    /// The lines that have been finished since the last call.
    private mutating func wholeLines() -> [Data] {
        guard let file = FileHandle(forReadingAtPath: path) else { return [] }
        defer { try? file.close() }
        guard (try? file.seek(toOffset: UInt64(offset))) != nil, let bytes = try? file.readToEnd(),
            let end = bytes.lastIndex(of: UInt8(ascii: "\n"))
        else { return [] }
        offset += end - bytes.startIndex + 1
        return bytes[..<end].split(separator: UInt8(ascii: "\n")).map { Data($0) }
    }
}
