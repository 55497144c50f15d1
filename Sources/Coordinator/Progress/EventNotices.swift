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
        var lines: Int?
        var endsRun: Bool?

        enum CodingKeys: String, CodingKey {
            case kind, what, reason, model, step, lines
            case endsRun = "ends_run"
        }
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
    package mutating func take() -> [String] { wholeLines().compactMap { notice(of: $0) } }

    /// What a line says, in a sentence, that a rank has spoken because the log did not take it; nil when it is no news.
    package mutating func hear(_ line: String) -> String? { notice(of: Data(line.utf8)) }

    private mutating func notice(of line: Data) -> String? {
        (try? JSONDecoder().decode(Event.self, from: line)).flatMap { notice(of: $0) }
    }

    private mutating func notice(of event: Event) -> String? {
        switch event.kind {
        case EventLog.Kind.writeFailed.rawValue:
            // What ends the run is told as its end.
            guard event.endsRun != true, let what = event.what, failing.insert(what).inserted else { return nil }
            return
                "cannot write: \(printable(what)): \(printable(event.reason ?? "no reason given")). Training goes on, "
                + "what was saved before stays, and the next save tries again"
        case EventLog.Kind.checkpoint.rawValue:
            guard let model = event.model, let step = event.step, failing.remove("checkpoint of \(model)") != nil else {
                return nil
            }
            return "checkpoint of \(printable(model)): saved again, at step \(step)"
        case EventLog.Kind.logIncomplete.rawValue:
            guard let model = event.model, let step = event.step, let lines = event.lines else { return nil }
            return
                "log of \(printable(model)): it has \(lines) lines, expected \(step), one for each step that is done. The "
                + "others were lost, as by a power cut or by hand, and cannot be made again; the checkpoint is whole and "
                + "training goes on from it"
        default: return nil
        }
    }

    /// The lines that have been finished since the last call.
    private mutating func wholeLines() -> [Data] {
        FileBytes.readLines(of: path, from: &offset).split(separator: UInt8(ascii: "\n")).map { Data($0) }
    }
}
