import Foundation

/// A live process, as /proc shows it.
public struct LiveProcess: Hashable, Sendable {
    /// Its number.
    public let number: pid_t
    /// The last component of the program's path.
    public let name: String
    /// Which rank it is, as Open MPI tells it; nil for what is none.
    public let rank: Int?

    /// Every live process whose environment holds an assignment.
    ///
    /// What a program starts inherits its environment, also in other sessions and groups, so a value that is used once
    /// finds everything that one test has started.
    public static func all(having assignment: String) -> [LiveProcess] {
        all { environment, _ in environment.contains(assignment) }
    }

    /// Every live process of a program that was given an argument.
    public static func all(of program: String, given argument: String) -> [LiveProcess] {
        all { _, words in (words[0] as NSString).lastPathComponent == program && words.contains(argument) }
    }

    private static func all(where isWanted: ([String], [String]) -> Bool) -> [LiveProcess] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.compactMap { number in
            let (environment, words) = (texts(of: number, "environ"), texts(of: number, "cmdline"))
            guard let program = words.first, isWanted(environment, words) else { return nil }
            let variable = "OMPI_COMM_WORLD_RANK="
            let rank = environment.first { $0.hasPrefix(variable) }
            return LiveProcess(
                number: number, name: (program as NSString).lastPathComponent,
                rank: rank.flatMap { Int($0.dropFirst(variable.count)) })
        }
    }

    private static func texts(of number: pid_t, _ file: String) -> [String] {
        let bytes = FileManager.default.contents(atPath: "/proc/\(number)/\(file)") ?? Data()
        return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Sends it a signal.
    public func send(_ signal: Int32) { kill(number, signal) }

    /// Whether each of its threads is halted. Before that, a signal that comes after SIGSTOP may still be taken.
    public var isHalted: Bool {
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(number)/task")) ?? []
        return !threads.isEmpty
            && threads.allSatisfy { thread in
                let bytes = FileManager.default.contents(atPath: "/proc/\(number)/task/\(thread)/status") ?? Data()
                return String(decoding: bytes, as: UTF8.self).contains("\nState:\tT")
            }
    }

    /// Whether a signal has been sent to it that it has not taken yet, as when it is halted.
    public func hasPending(_ signal: Int32) -> Bool { isMember(signal, of: "ShdPnd:") }

    /// Whether it has a handler for a signal.
    public func handles(_ signal: Int32) -> Bool { isMember(signal, of: "SigCgt:") }

    private func isMember(_ signal: Int32, of set: String) -> Bool {
        let bytes = FileManager.default.contents(atPath: "/proc/\(number)/status") ?? Data()
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        return lines.contains { line in
            guard line.hasPrefix(set), let digits = line.split(separator: "\t").last else { return false }
            return UInt64(digits, radix: 16).map { $0 >> UInt64(signal - 1) & 1 == 1 } ?? false
        }
    }
}
