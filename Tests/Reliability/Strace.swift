import Foundation
import Synchronization
import Testing

/// strace(1) as an instrument: it numbers the system calls of a program, and kills it or lets a call fail at any of them.
enum Strace {
    /// The calls that change or open files.
    static let calls = [
        "openat", "write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2", "unlink", "unlinkat",
        "ftruncate", "mkdir", "mkdirat",
    ]

    /// The calls by which files are found and read.
    static let readingCalls = ["openat", "getdents64", "newfstatat", "fstat", "read", "pread64"]

    /// Whether processes may be traced here; in some containers they may not.
    static let works: Bool = {
        guard let end = try? ReliabilityTests.run("strace", ["-qq", "-e", "trace=fsync", "true"]) else { return false }
        return end.code == 0
    }()

    /// One call of a program.
    struct Point: CustomStringConvertible {
        /// The call's name.
        var call: String
        /// Which of the calls of this name it is, from 1.
        var number: Int
        /// The call with its arguments, as strace prints it.
        var text: String

        var description: String { "\(call) number \(number): \(text.prefix(160))" }
    }

    /// The calls of a program's main thread from the first on that concerns a folder.
    ///
    /// - Parameters:
    ///   - calls: Which calls count.
    ///   - isStrict: Whether every one of them must concern the folder.
    static func points(
        in folder: String, of program: String, _ arguments: [String], calls: [String] = calls, isStrict: Bool = false
    ) throws -> [Point] {
        let scratch = try TemporaryFolder()
        let log = scratch.path + "/trace"
        let end = try ReliabilityTests.run(
            "strace",
            ["-qq", "-y", "-s", "0", "-e", "trace=\(calls.joined(separator: ","))", "-o", log, program] + arguments)
        guard end.code == 0 else { throw TestFailure("the program failed under strace: \(end.error)") }
        var counts: [String: Int] = [:]
        var points: [Point] = []
        for line in try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n") {
            guard let open = line.firstIndex(of: "("), calls.contains(String(line[..<open])) else { continue }
            let call = String(line[..<open])
            counts[call, default: 0] += 1
            // What comes before the folder is first touched is the loader's work.
            guard !points.isEmpty && !isStrict || line.contains(folder) else { continue }
            points.append(Point(call: call, number: counts[call] ?? 0, text: String(line)))
        }
        return points
    }

    /// Runs a program that is disturbed at one call.
    ///
    /// - Parameter fault: `signal=KILL`, `error=ENOSPC`.
    static func run(_ program: String, _ arguments: [String], at point: Point, fault: String) throws -> ProgramEnd {
        try ReliabilityTests.run(
            "strace",
            [
                "-qq", "-o", "/dev/null", "-e", "trace=\(point.call)", "-e",
                "inject=\(point.call):\(fault):when=\(point.number)", program,
            ] + arguments)
    }

    /// Runs a program that is halted after one call, and goes on when something else has been done.
    ///
    /// - Parameters:
    ///   - folder: What tells the program's process from others by its arguments.
    ///   - meanwhile: Runs while it is halted.
    static func run(
        _ program: String, _ arguments: [String], haltedAfter point: Point, in folder: String,
        _ meanwhile: () throws -> Void
    ) throws -> ProgramEnd {
        let scratch = try TemporaryFolder()
        let log = scratch.path + "/trace"
        let end = Mutex<Result<ProgramEnd, any Error>?>(nil)
        let words = [
            "-qq", "-o", log, "-e", "trace=\(point.call)", "-e",
            "inject=\(point.call):signal=STOP:when=\(point.number)",
            program,
        ]
        Thread.detachNewThread {
            let result = Result { try ReliabilityTests.run("strace", words + arguments) }
            end.withLock { $0 = result }
        }
        while true {
            let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
            if text.contains("--- stopped by SIGSTOP ---") { break }
            if let end = end.withLock(\.self) {
                throw TestFailure("it was not halted after \(point): \(try end.get())")
            }
            usleep(2000)
        }
        try meanwhile()
        let halted = try #require(process(program, in: folder), "the halted program is not to be found")
        kill(halted, SIGCONT)
        while true {
            if let end = end.withLock(\.self) { return try end.get() }
            usleep(2000)
        }
    }

    /// The process of a program that was given a folder.
    private static func process(_ program: String, in folder: String) -> pid_t? {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.first { number in
            let bytes = FileManager.default.contents(atPath: "/proc/\(number)/cmdline") ?? Data()
            let words = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            return words.first == program && words.contains(folder)
        }
    }
}
