import Foundation
import Testing

/// A run's directory, read as a script would: by the documented names and formats alone.
struct RunFolder: Sendable {
    let path: String

    /// A file's bytes; nil when it is not there.
    func bytes(_ name: String) -> Data? { FileManager.default.contents(atPath: "\(path)/\(name)") }

    /// What its results depend on, as `profile.json` says.
    func profile() throws -> [String: Any] {
        let text = try #require(bytes("profile.json"))
        return try #require(JSONSerialization.jsonObject(with: text) as? [String: Any])
    }

    /// The number of steps that a model's log tells of.
    func steps(of model: String) -> Int { (bytes("logs/\(model).jsonl") ?? Data()).count { $0 == UInt8(ascii: "\n") } }

    /// The steps of a model's checkpoints that have a manifest, ascending.
    func checkpoints(of model: String) -> [Int] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(path)/checkpoints/\(model)")) ?? []
        return names.compactMap { name in
            name.hasPrefix("step-") && name.hasSuffix(".json") ? Int(name.dropFirst(5).dropLast(5)) : nil
        }.sorted()
    }

    /// A checkpoint's file.
    func checkpoint(of model: String, step: Int) -> String {
        let digits = String(step)
        return "\(path)/checkpoints/\(model)/step-\(String(repeating: "0", count: 8 - digits.count))\(digits).h5"
    }

    /// The lines of the event log, of one kind or of all.
    func events(_ kind: String? = nil) -> [[String: Any]] {
        let lines = (bytes("logs/events.jsonl") ?? Data()).split(separator: UInt8(ascii: "\n"))
        let events = lines.compactMap { try? JSONSerialization.jsonObject(with: $0) as? [String: Any] }
        return events.filter { kind == nil || $0["kind"] as? String == kind }
    }

    /// What the ranks say they are doing, by rank.
    var heartbeats: [Int: [String: Any]] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(path)/logs/heartbeats")) ?? []
        var beats: [Int: [String: Any]] = [:]
        for rank in names.compactMap({ Int($0) }) {
            guard let bytes = bytes("logs/heartbeats/\(rank)") else { continue }
            beats[rank] = (try? JSONSerialization.jsonObject(with: bytes)) as? [String: Any]
        }
        return beats
    }

    /// Everything that must never be lost, by path: job, split, checkpoints, logs of steps, samples.
    var treasures: [String: Data] {
        var found: [String: Data] = [:]
        let names = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
        for name in names {
            let isLog = name.hasPrefix("logs/") && name.hasSuffix(".jsonl") && name != "logs/events.jsonl"
            let isKept = ["job.yaml", "split.h5"].contains(name) || name.hasPrefix("checkpoints/")
            guard isLog || isKept || name.hasPrefix("samples/") else { continue }
            var isDirectory: ObjCBool = false
            guard FileManager.default.fileExists(atPath: "\(path)/\(name)", isDirectory: &isDirectory),
                !isDirectory.boolValue
            else { continue }
            found[name] = bytes(name)
        }
        return found
    }

    /// Changes one byte in the middle of a file.
    static func damage(_ path: String) throws {
        guard var bytes = FileManager.default.contents(atPath: path), !bytes.isEmpty else {
            throw TestFailure("\(path) cannot be damaged: it is not there or empty")
        }
        bytes[bytes.count / 2] ^= 0x10
        try bytes.write(to: URL(fileURLWithPath: path))
    }
}

/// What a finished run must have in common with every other run of its job: the hashes of all models, the logs of their
/// steps, the images.
struct RunResult: Equatable, Sendable {
    let weights: [String: String]
    let averages: [String: String]
    let logs: [String: Data]
    let samples: Data

    /// Reads the result of a run that ended with 0.
    init(_ end: ProgramRun.End, _ run: RunFolder) throws {
        guard end.code == Exit.done else {
            throw TestFailure("the run ended with \(end.code.map { "code \($0)" } ?? "a signal"):\n\(end.error)")
        }
        let json = try end.json
        try self.init(json, run)
    }

    /// Reads the result from an outcome or from the line of `run --json`.
    init(_ json: [String: Any], _ run: RunFolder) throws {
        weights = try #require(json["weights_sha256"] as? [String: String])
        averages = try #require(json["ema_sha256"] as? [String: String])
        var logs: [String: Data] = [:]
        for model in weights.keys { logs[model] = run.bytes("logs/\(model).jsonl") }
        self.logs = logs
        let grid = try #require(json["grid"] as? String)
        let array = String(grid.dropLast("png".count)) + "npz"
        samples = try #require(FileManager.default.contents(atPath: array))
    }
}

/// Expects a run to have come to the same bits as another, and says what differs.
func expectSame(
    _ result: RunResult, _ expected: RunResult, _ what: String, sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(result.weights == expected.weights, "\(what): weights", sourceLocation: sourceLocation)
    #expect(result.averages == expected.averages, "\(what): averages", sourceLocation: sourceLocation)
    let differing = expected.logs.keys.filter { result.logs[$0] != expected.logs[$0] }.sorted()
    #expect(differing.isEmpty, "\(what): logs of steps", sourceLocation: sourceLocation)
    #expect(result.samples == expected.samples, "\(what): samples", sourceLocation: sourceLocation)
}
