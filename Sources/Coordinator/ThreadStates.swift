import Foundation
import Jobs

/// What the threads of a process of this machine do, as the kernel tells: in which state they are, which system call they
/// are in, and where in the kernel they wait. For ranks that hang; a rank that is stuck can be asked nothing itself.
package enum ThreadStates {
    /// Threads of a process that are told of.
    private static let most = 64

    /// One line for each thread; none when there is no such process, or it is another user's.
    ///
    /// Only what can be read without waiting for the process is read: its command line and its memory cannot.
    package static func lines(of process: pid_t) -> [String] {
        let folder = "/proc/\(process)/task"
        let threads = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).compactMap { Int($0) }
        return threads.sorted().prefix(most).compactMap { line(of: $0, in: folder) }
    }

    private static func line(of thread: Int, in folder: String) -> String? {
        func read(_ name: String) -> String {
            let bytes = (try? FileBytes.read("\(folder)/\(thread)/\(name)", limit: 65_536)) ?? Data()
            return String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        }
        let state = read("status").split(separator: "\n").first { $0.hasPrefix("State:") }
        guard let state else { return nil }
        let words = state.dropFirst("State:".count).trimmingCharacters(in: .whitespaces)
        var line = "thread \(thread) \(read("comm")): \(words)"
        // A number, -1 outside of any, or "running"; what follows are its arguments.
        if let call = read("syscall").split(separator: " ").first.flatMap({ Int($0) }), call >= 0 {
            line += ", system call \(call)"
        }
        let place = read("wchan")
        if !place.isEmpty, place != "0" { line += ", in \(place)" }
        // Root alone may see it: `[<0>] futex_wait+0x1/0x2`.
        let stack = read("stack").split(separator: "\n").compactMap {
            $0.split(separator: " ").last?.split(separator: "+").first
        }
        if !stack.isEmpty { line += ", kernel stack " + stack.joined(separator: " < ") }
        return printable(line)
    }
}
