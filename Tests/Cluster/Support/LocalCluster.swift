import Foundation
import Testing

/// The real SLURM cluster of `cluster/local`, and what the tests do to it.
enum LocalCluster {
    /// Whether the tests of this target are wanted: they need root, and scripts/test-cluster.
    static let isWanted = ProcessInfo.processInfo.environment["DIPTYCH_TEST_CLUSTER"] == "yes"

    /// The folder of this repository.
    static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path(percentEncoded: false)

    /// Where temporary folders go, as absolute paths have it: without a slash at its end.
    static let temporary = URL(fileURLWithPath: NSTemporaryDirectory()).standardizedFileURL.path

    /// A command's end.
    struct Answer {
        var code: Int32
        var output: String
        var error: String

        /// The last line of standard output, as JSON.
        var json: [String: Any] {
            get throws {
                let line = output.split(separator: "\n").last ?? ""
                let value = try? JSONSerialization.jsonObject(with: Data(line.utf8))
                return try #require(value as? [String: Any], "no JSON object: \(line)\n\(error)")
            }
        }
    }

    /// `diptych` as built.
    static var program: String {
        get throws {
            let folder = ProcessInfo.processInfo.environment["DIPTYCH_PROGRAMS"]
            return try #require(folder, "DIPTYCH_PROGRAMS must name the folder of diptych and diptych-worker")
                + "/diptych"
        }
    }

    /// Runs a program to its end, for at most some seconds.
    static func run(
        _ words: [String], in folder: String = "/", environment: [String: String] = [:], seconds: Int = 240
    ) throws -> Answer {
        let process = Process()
        let place = FileManager.default.temporaryDirectory.appending(path: "diptych-\(UUID().uuidString)")
        let (output, error) = (place.appendingPathExtension("out"), place.appendingPathExtension("err"))
        for file in [output, error] { try Data().write(to: file) }
        defer { for file in [output, error] { try? FileManager.default.removeItem(at: file) } }
        process.executableURL = URL(filePath: "/usr/bin/timeout")
        process.arguments = ["--kill-after=5", "\(seconds)"] + words
        process.currentDirectoryURL = URL(filePath: folder)
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = try FileHandle(forWritingTo: error)
        try process.run()
        process.waitUntilExit()
        return Answer(
            code: process.terminationStatus, output: try String(contentsOf: output, encoding: .utf8),
            error: try String(contentsOf: error, encoding: .utf8))
    }

    /// Runs a command as on the login node.
    @discardableResult
    static func login(_ words: String...) throws -> Answer { try login(words: words) }

    /// Runs a command as on the login node.
    @discardableResult
    static func login(words: [String]) throws -> Answer { try run([repository + "cluster/local/login"] + words) }

    /// Runs `diptych` as on the login node.
    static func diptych(_ words: [String], environment: [String: String] = [:]) throws -> Answer {
        try run([repository + "cluster/local/login", program] + words, environment: environment)
    }

    /// Brings the cluster up, or what has died of it, and waits until nothing is in its queue.
    static func up() throws {
        let answer = try run([repository + "cluster/local/up"])
        try #require(answer.code == 0, "\(answer.error)")
        try login("scancel", "--user=\(NSUserName())")
        try wait(until: "the queue is empty and all nodes are idle", seconds: 60) {
            try login("squeue", "--noheader").output.isEmpty
                && login("sinfo", "--noheader", "--Node", "--partition=debug", "--format=%T").output
                    .split(separator: "\n") == ["idle", "idle", "idle"]
        }
    }

    /// Where its state lies.
    static var state: String {
        get throws {
            let configuration = try login("printenv", "SLURM_CONF").output.trimmingCharacters(
                in: .whitespacesAndNewlines)
            return (configuration as NSString).deletingLastPathComponent
        }
    }

    /// Ends a daemon at once: `slurmctld`, or `n2/slurmd`.
    static func kill(_ daemon: String) throws {
        let text = try String(contentsOfFile: "\(state)/\(daemon).pid", encoding: .utf8)
        let process = try #require(pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)))
        #expect(Glibc.kill(process, SIGKILL) == 0)
    }

    /// Runs a command in a node's view of the file system.
    static func onNode(_ node: Int, _ words: String...) throws {
        let text = try String(contentsOfFile: "\(state)/n\(node)/slurmd.pid", encoding: .utf8)
        let process = text.trimmingCharacters(in: .whitespacesAndNewlines)
        let answer = try run(["nsenter", "--mount", "--target", process] + words)
        try #require(answer.code == 0, "\(answer.error)")
    }

    /// Plugs a node's network cable in or out.
    static func connect(node: Int, _ isConnected: Bool) throws {
        let bridge = try "dip" + String((state as NSString).lastPathComponent.suffix(6))
        let answer = try run(["ip", "link", "set", "\(bridge)\(node)", isConnected ? "up" : "down"])
        try #require(answer.code == 0, "\(answer.error)")
    }

    /// Waits until slurmctld has written down what it knows now, which it does within five seconds of a change. One that
    /// has forgotten a job gives its number away again.
    static func waitForSavedState() {
        sleep(6)
    }

    /// Waits for a condition, which is looked at after each pause in microseconds.
    static func wait(
        until what: @autoclosure () -> String, seconds: Double = 120, pause: UInt32 = 50_000,
        _ condition: () throws -> Bool
    ) throws {
        let deadline = Date().addingTimeInterval(seconds)
        while try !condition() {
            try #require(Date() < deadline, "not within \(seconds) s: \(what())")
            usleep(pause)
        }
    }
}
