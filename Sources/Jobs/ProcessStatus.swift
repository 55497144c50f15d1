import Foundation

/// What this process holds in memory: proc_pid_status(5).
package enum ProcessMemory {
    /// Bytes in memory now; nil where the kernel does not say.
    package static var resident: Int? { bytes("VmRSS:") }
    /// The most bytes that were ever in memory.
    package static var peak: Int? { bytes("VmHWM:") }

    private static func bytes(_ name: String) -> Int? {
        guard let bytes = try? FileBytes.read("/proc/self/status", limit: 1 << 16) else { return nil }
        let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix(name) }
        return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }.map { 1024 * $0 }
    }
}

/// What the kernel says of a process of this machine: proc_pid_stat(5).
package struct ProcessStatus {
    /// `R` for one that runs, `T` for one that was stopped by a signal, `D` for one that waits for a device, `Z` for one
    /// that has ended and is still listed until its parent has asked for its code, ...
    package let state: Character
    /// Number of its session.
    package let session: pid_t

    /// Reads the status of a process; nil if there is none.
    package init?(of process: pid_t) {
        guard let bytes = try? FileBytes.read("/proc/\(process)/stat", limit: 4096) else { return nil }
        // pid (name, which may hold anything) state parent group session ...
        let text = String(decoding: bytes, as: UTF8.self)
        guard let close = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: close)...].split(separator: " ")
        guard fields.count > 3, let state = fields[0].first, let session = pid_t(fields[3]) else { return nil }
        self.state = state
        self.session = session
    }
}
