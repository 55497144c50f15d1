import Foundation
import TestSupport
import Testing

/// A program that a test has started: what it writes goes to files, and nothing that it started outlives this object.
final class ProgramRun {
    /// How a program ended.
    struct End {
        /// The exit code; nil when a signal ended it.
        let code: Int32?
        let output: String
        let error: String
        let seconds: Double
        /// The file that holds standard output.
        let outputFile: String

        /// The last line of standard output, as JSON.
        var json: [String: Any] {
            get throws {
                let line = output.split(separator: "\n").last ?? ""
                let value = try? JSONSerialization.jsonObject(with: Data(line.utf8))
                guard let object = value as? [String: Any] else {
                    throw TestFailure("the last line of standard output is no JSON object: \(line)\n\(error)")
                }
                return object
            }
        }
    }

    /// Seconds after which a program is killed and the test fails; many times what is needed on an idle machine.
    static let limit = 300.0

    private let process = Process()
    private let label: String
    private let started = Date()
    private let folder: TemporaryFolder
    private let mark = "DIPTYCH_TEST=\(UUID().uuidString)"
    private let files: (output: String, error: String)

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - folder: Where it works, and where its output goes.
    ///   - programs: The folder that holds the program; nil for the usual one.
    ///   - environment: Added to this process's environment.
    ///   - signals: Options of env(1) for the signals that the program is to find blocked or ignored: none of them unless a
    ///     test wants it, as in a shell. It would inherit what this thread blocks, and the threads of tests block all.
    init(
        _ program: Program, _ arguments: [String], in folder: TemporaryFolder, programs: String? = nil,
        environment: [String: String] = [:], signals: [String] = []
    ) throws {
        self.folder = folder
        label = "\(program.rawValue) \(arguments.joined(separator: " "))"
        let name = folder.file("output-\(UUID().uuidString)")
        files = (name, name + ".error")
        for file in [files.output, files.error] { try Data().write(to: URL(fileURLWithPath: file)) }
        let path = try programs.map { "\($0)/\(program.rawValue)" } ?? program.path
        // It replaces itself by the program, which so has its number.
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["--default-signal"] + signals + [path] + arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
        process.environment = Self.environment(mark: mark, folder: folder).merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle(forWritingAtPath: files.output)
        process.standardError = FileHandle(forWritingAtPath: files.error)
        try process.run()
    }

    deinit {
        killEverything()
        // Foundation's thread must have collected the process before the object goes.
        while process.isRunning { usleep(1000) }
    }

    private static func environment(mark: String, folder: TemporaryFolder) -> [String: String] {
        var environment = ProcessInfo.processInfo.environment
        for name in ["DIPTYCH_PROGRAMS", "DIPTYCH_PYTHON"] { environment[name] = nil }
        let assignment = mark.split(separator: "=")
        environment[String(assignment[0])] = String(assignment[1])
        environment["TMPDIR"] = folder.scratch
        if geteuid() == 0 {
            environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
            environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
        }
        return environment
    }

    /// Whether the program itself still runs.
    var isRunning: Bool { process.isRunning }

    /// What the program has written to standard output so far.
    var output: String { (try? String(contentsOfFile: files.output, encoding: .utf8)) ?? "" }

    /// What the program has written to standard error so far.
    var error: String { (try? String(contentsOfFile: files.error, encoding: .utf8)) ?? "" }

    /// The live processes of the program and of everything it has started.
    var processes: [LiveProcess] { LiveProcess.all(having: mark) }

    /// The live ranks, in order.
    var ranks: [LiveProcess] {
        processes.filter { $0.name == Program.worker.rawValue }.sorted { $0.rank ?? -1 < $1.rank ?? -1 }
    }

    /// Sends the program itself a signal.
    func send(_ signal: Int32) {
        if process.isRunning { kill(process.processIdentifier, signal) }
    }

    /// Ends the program and everything it has started, at once.
    func killEverything() {
        for _ in 0..<100 {
            let left = processes
            if left.isEmpty { return }
            for process in left { process.send(SIGKILL) }
            usleep(10_000)
        }
    }

    /// Waits for a condition while the program runs.
    func wait(until what: String, limit: Double = ProgramRun.limit, _ condition: () -> Bool) throws {
        let deadline = Date().addingTimeInterval(limit)
        while !condition() {
            guard process.isRunning else {
                throw TestFailure("\(label) ended before \(what):\n\(output)\n\(error)")
            }
            guard Date() < deadline else {
                killEverything()
                throw TestFailure("\(label): not within \(limit) s: \(what)\n\(output)\n\(error)")
            }
            usleep(2000)
        }
    }

    /// Waits for the program's end, and expects that nothing it started lives on.
    @discardableResult
    func end(limit: Double = ProgramRun.limit, sourceLocation: SourceLocation = #_sourceLocation) throws -> End {
        let end = try endOfProgram(limit: limit)
        let deadline = Date().addingTimeInterval(10)
        while !processes.isEmpty, Date() < deadline { usleep(10_000) }
        let left = processes
        if !left.isEmpty {
            Issue.record("\(label) left processes behind: \(left)", sourceLocation: sourceLocation)
            killEverything()
        }
        return end
    }

    /// Waits for the end of the program itself, whatever becomes of what it started.
    func endOfProgram(limit: Double = ProgramRun.limit) throws -> End {
        let deadline = Date().addingTimeInterval(limit)
        while process.isRunning {
            guard Date() < deadline else {
                killEverything()
                throw TestFailure("\(label) did not end within \(limit) s:\n\(output)\n\(error)")
            }
            usleep(2000)
        }
        return End(
            code: process.terminationReason == .exit ? process.terminationStatus : nil, output: output, error: error,
            seconds: Date().timeIntervalSince(started), outputFile: files.output)
    }
}

/// Runs a program to its end.
@discardableResult
func run(
    _ program: Program, _ arguments: [String], in folder: TemporaryFolder, environment: [String: String] = [:],
    sourceLocation: SourceLocation = #_sourceLocation
) throws -> ProgramRun.End {
    try ProgramRun(program, arguments, in: folder, environment: environment).end(sourceLocation: sourceLocation)
}
