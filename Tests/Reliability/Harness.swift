import Checkpoints
import Foundation
import Testing

/// How thorough the tests are: `make test` takes samples where all would take long, `make torture` takes all.
enum Effort {
    /// Whether `DIPTYCH_TORTURE` is set.
    static let isTorture = !(ProcessInfo.processInfo.environment["DIPTYCH_TORTURE"] ?? "").isEmpty

    /// The errors that calls of a save fail with: `DIPTYCH_ERRORS`, or all in `make torture`, else one.
    static let errors: [String] = {
        let chosen = ProcessInfo.processInfo.environment["DIPTYCH_ERRORS"] ?? ""
        if !chosen.isEmpty { return chosen.split(separator: " ").map(String.init) }
        return isTorture ? ["ENOSPC", "EIO", "EROFS", "EACCES", "EDQUOT"] : ["ENOSPC"]
    }()

    /// Prints a figure that docs/reliability.md may quote.
    static func note(_ figure: String) { if isTorture { print("torture: \(figure)") } }
}

/// The suites of this target run inside this one, one after the other: they measure what a process does.
@Suite(.serialized)
enum Reliability {}

/// What `save-harness` says at its end.
struct HarnessReport: Decodable {
    var resumed: Int
    var failures: [String]
    var skipped: [String]
    var faults: [String]
    var weights: String
}

/// How a program ended.
struct ProgramEnd {
    /// The exit code; nil when a signal ended it.
    var code: Int32?
    var output: String
    var error: String

    var report: HarnessReport {
        get throws { try JSONDecoder().decode(HarnessReport.self, from: Data(output.utf8)) }
    }
}

/// Why a test cannot go on.
struct TestFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Starts a program and waits for its end, for a minute unless told otherwise.
///
/// - Parameter environment: Variables of its own, as `NAME=VALUE`.
func run(
    _ program: String, _ arguments: [String], seconds: Int = 60, environment: [String] = []
) throws -> ProgramEnd {
    let folder = try TemporaryFolder()
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    // Not what the threads of tests block, which is everything.
    process.arguments =
        ["--default-signal"] + environment + ["timeout", "--signal=KILL", "\(seconds)", program] + arguments
    let files = [folder.path + "/out", folder.path + "/error"]
    for file in files { try Data().write(to: URL(filePath: file)) }
    process.standardOutput = FileHandle(forWritingAtPath: files[0])
    process.standardError = FileHandle(forWritingAtPath: files[1])
    try process.run()
    process.waitUntilExit()
    let texts = try files.map { try String(contentsOfFile: $0, encoding: .utf8) }
    let isExit = process.terminationReason == .exit && process.terminationStatus < 128
    return ProgramEnd(code: isExit ? process.terminationStatus : nil, output: texts[0], error: texts[1])
}

/// A folder of a test's own, removed with this object.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/diptych-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw TestFailure("cannot create a folder in /tmp") }
        path = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// The program of Tests/SaveHarness, at one point of its training.
struct Harness {
    static let model = "teacher-0"
    /// Checkpoints that it keeps.
    static let kept = 2
    /// Whether checkpoints are built in memory, or written by libhdf5 into the temporary file.
    var isInMemory = true

    /// The program, or another one, built beside this test.
    static func program(_ name: String = "save-harness") throws -> String {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let folders = [own, CommandLine.arguments[0]].map { ($0 as NSString).deletingLastPathComponent }
        let found = folders.map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
        return try #require(found, "\(name) is not built beside the tests in \(folders)")
    }

    /// Its arguments.
    ///
    /// - Parameter acknowledged: A file that gets a line for each step whose save is said to be done.
    func arguments(_ folder: String, steps: Int, acknowledged: String? = nil) -> [String] {
        [folder, "\(steps)", "\(Self.kept)", isInMemory ? "\(256 << 20)" : "0"] + (acknowledged.map { [$0] } ?? [])
    }

    /// Trains to a step without disturbance.
    func train(_ folder: String, steps: Int) throws -> ProgramEnd {
        try run(Self.program(), arguments(folder, steps: steps))
    }

    /// The files of the model, by name, and the log of its steps.
    static func files(_ folder: String) throws -> [String: Data] {
        let directory = "\(folder)/\(model)"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        var files = try Dictionary(
            uniqueKeysWithValues: names.map { ($0, try Data(contentsOf: URL(filePath: "\(directory)/\($0)"))) })
        files[log] = FileManager.default.contents(atPath: "\(folder)/\(log)")
        return files
    }

    static let log = "steps.jsonl"
}
