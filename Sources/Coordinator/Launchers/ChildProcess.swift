import Foundation
import Jobs

/// A program running in a session of its own, so that the terminal's Ctrl-C reaches only the coordinator.
package final class ChildProcess {
    /// How a process ended.
    package enum End: Hashable {
        /// It ended with a code.
        case exited(Int32)
        /// A signal ended it.
        case signaled(Int32)
    }

    /// Its process number, which is also its session's.
    let process: pid_t
    /// What it writes to standard output, until it is at its end.
    let output: LineReader
    /// What it writes to standard error, until it is at its end.
    let error: LineReader
    private(set) var end: End?

    /// Starts a program; standard input is empty.
    ///
    /// - Parameters:
    ///   - invocation: Program, arguments and environment.
    ///   - inherited: An open file that the program is to hold too.
    /// - Throws: `DiptychFailure` with code 74.
    init(_ invocation: Invocation, inherited: Int32? = nil) throws {
        let outputPipe = try Self.pipe()
        let errorPipe = try Self.pipe()
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, outputPipe.write, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, errorPipe.write, STDERR_FILENO)
        if let inherited { posix_spawn_file_actions_adddup2(&actions, inherited, inherited) }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        let flags = Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF) | Self.newSession
        posix_spawnattr_setflags(&attributes, Int16(flags))
        var process = pid_t()
        let environment = invocation.environment.map { "\($0.key)=\($0.value)" }
        let status = Self.withCStrings([invocation.executable] + invocation.arguments) { arguments in
            Self.withCStrings(environment) { environment in
                posix_spawn(&process, invocation.executable, &actions, &attributes, arguments, environment)
            }
        }
        close(outputPipe.write)
        close(errorPipe.write)
        output = LineReader(outputPipe.read)
        error = LineReader(errorPipe.read)
        self.process = process
        guard status == 0 else {
            throw SystemCallError(invocation.executable, "start", number: status).failure
        }
    }

    /// glibc's POSIX_SPAWN_SETSID, whose macro is hidden from Swift.
    private static let newSession: Int32 = 0x80

    private static func pipe() throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        guard Foundation.pipe(&ends) == 0 else { throw SystemCallError("pipe", "create").failure }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    private static func withCStrings<Result>(
        _ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        var pointers = strings.map { strdup($0) } + [nil]
        defer { pointers.forEach { free($0) } }
        return pointers.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { preconditionFailure("a list with an end is not empty") }
            return body(base)
        }
    }

    /// Waits for output or for time to pass.
    ///
    /// - Parameter milliseconds: The longest wait.
    func wait(milliseconds: Int32) {
        var files = [output, error].filter { !$0.isAtEnd }.map {
            pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0)
        }
        poll(&files, nfds_t(files.count), milliseconds)
    }

    /// Whether it has ended; collects its status once.
    func hasEnded() -> Bool {
        if end != nil { return true }
        var status: Int32 = 0
        guard waitpid(process, &status, WNOHANG) == process else { return false }
        let signal = status & 0x7F
        end = signal == 0 ? .exited(status >> 8 & 0xFF) : .signaled(signal)
        return true
    }

    /// Sends it a signal, unless it has ended.
    func send(_ signal: Int32) {
        if !hasEnded() { kill(process, signal) }
    }

    /// The live processes of its session on this machine, itself included.
    func sessionMembers() -> [pid_t] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.filter { candidate in
            guard let status = ProcessStatus(of: candidate) else { return false }
            return status.session == process && status.state != "Z"
        }
    }

    /// Ends every process of its session on this machine at once.
    func killSession() {
        for member in sessionMembers() { kill(member, SIGKILL) }
    }
}

/// Lines from a pipe, as they come.
package final class LineReader {
    /// The pipe's reading end.
    let descriptor: Int32
    /// Whether the writer has closed its end.
    package private(set) var isAtEnd = false
    /// Bytes that have come.
    private(set) var count = 0
    private var pending: [UInt8] = []
    /// Bytes that are taken at once: a writer that never pauses must not keep the reader from its clock.
    private static let piece = 4 << 20

    /// Reads from a pipe, and closes it when done.
    package init(_ descriptor: Int32) {
        self.descriptor = descriptor
        var flags = fcntl(descriptor, F_GETFL)
        flags |= O_NONBLOCK
        _ = fcntl(descriptor, F_SETFL, flags)
    }

    deinit { close(descriptor) }

    /// The whole lines that have come since, and at the end what is left.
    package func lines() -> [String] {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let before = count
        while !isAtEnd, count - before < Self.piece {
            let taken = read(descriptor, &buffer, buffer.count)
            if taken > 0 {
                pending.append(contentsOf: buffer[..<taken])
                count += taken
            } else if taken == 0 {
                isAtEnd = true
            } else if errno != EINTR {
                isAtEnd = errno != EAGAIN
                break
            }
        }
        var pieces = pending.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let rest = pieces.popLast() ?? []
        pending = isAtEnd ? [] : Array(rest)
        if isAtEnd, !rest.isEmpty { pieces.append(rest) }
        return pieces.map { String(decoding: $0, as: UTF8.self) }
    }
}
