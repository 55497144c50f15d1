import Foundation

/// A live process, as /proc shows it.
struct LiveProcess: Hashable {
    let number: pid_t
    /// The last component of the program's path.
    let name: String
    /// Which rank it is, as Open MPI tells it; nil for what is none.
    let rank: Int?

    /// Every live process whose environment holds an assignment.
    ///
    /// What a program starts inherits its environment, also in other sessions and groups, so a value that is used once
    /// finds everything that one test has started.
    static func all(having assignment: String) -> [LiveProcess] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.compactMap { number in
            guard let environment = FileManager.default.contents(atPath: "/proc/\(number)/environ"),
                environment.split(separator: 0).contains(where: { $0.elementsEqual(assignment.utf8) }),
                let command = FileManager.default.contents(atPath: "/proc/\(number)/cmdline"),
                let program = command.split(separator: 0).first
            else { return nil }
            let path = String(decoding: program, as: UTF8.self)
            let variable = "OMPI_COMM_WORLD_RANK="
            let rank = environment.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
                .first { $0.hasPrefix(variable) }
            return LiveProcess(
                number: number, name: (path as NSString).lastPathComponent,
                rank: rank.flatMap { Int($0.dropFirst(variable.count)) })
        }
    }

    func send(_ signal: Int32) { kill(number, signal) }

    /// Whether each of its threads is halted. Before that, a signal that comes after SIGSTOP may still be taken.
    var isHalted: Bool {
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(number)/task")) ?? []
        return !threads.isEmpty
            && threads.allSatisfy { thread in
                let bytes = FileManager.default.contents(atPath: "/proc/\(number)/task/\(thread)/status") ?? Data()
                return String(decoding: bytes, as: UTF8.self).contains("\nState:\tT")
            }
    }

    /// Whether a signal has been sent to it that it has not taken yet, as when it is halted.
    func hasPending(_ signal: Int32) -> Bool {
        let bytes = FileManager.default.contents(atPath: "/proc/\(number)/status") ?? Data()
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        return lines.contains { line in
            guard line.hasPrefix("ShdPnd:"), let digits = line.split(separator: "\t").last else { return false }
            return UInt64(digits, radix: 16).map { $0 >> UInt64(signal - 1) & 1 == 1 } ?? false
        }
    }
}
