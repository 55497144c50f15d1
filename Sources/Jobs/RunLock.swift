import Foundation

/// The right to run in a run's directory, held by one process at a time and by what that process starts.
///
/// The lock is flock(2)'s, so it ends with the processes that hold it, however they end. The file says who they are.
public final class RunLock: Sendable {
    /// The open file; hand it to a child process and the child holds the lock too.
    public let descriptor: Int32
    private let path: String
    private let job: String

    /// Takes the lock.
    ///
    /// - Parameters:
    ///   - directory: The run's directory, which must exist.
    ///   - job: The job's name, for the message to those who come second.
    ///   - patience: Seconds to wait for a holder that is about to let go: ranks that save because their supervisor is
    ///     gone from this machine, a former execution of the same SLURM job, a command that is submitting the run.
    ///   - waiting: Called once, with the holder's description, when there is something to wait for.
    ///   - whileWaiting: Called often during the wait, which an error of its ends.
    /// - Throws: `DiptychFailure` with code 74 that names the holder; what `whileWaiting` throws.
    public init(
        _ directory: RunDirectory, job: String, patience: Double = 0, waiting: (String) -> Void = { _ in },
        whileWaiting: () throws -> Void = {}
    ) throws {
        path = directory.lock
        self.job = job
        do throws(SystemCallError) {
            descriptor = try FileBytes.open(path, flags: O_RDWR | O_CREAT)
        } catch {
            throw error.failure
        }
        let clock = ContinuousClock()
        let start = clock.now
        var isFirst = true
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            let number = errno
            let holder = Self.holder(path)
            guard number == EWOULDBLOCK else {
                // What was opened is closed by `deinit`: all properties have their values.
                throw SystemCallError(path, "flock", number: number).failure
            }
            try whileWaiting()
            let waited = clock.now - start
            // Commands that only look, as `diptych status --watch`, hold it for a moment.
            if waited < .milliseconds(500) {
                usleep(20_000)
                continue
            }
            guard Self.isPassing(holder), waited < .seconds(patience) else {
                throw DiptychFailure(
                    .inputOutput,
                    "\(printable(directory.path)) is in use by \(holder). Two runs cannot share a directory: wait for it "
                        + "to end, stop it with SIGTERM, or give another directory with --run. Only where you know that "
                        + "nothing of it lives on any node, as when a file server keeps the lock of a node that is gone: "
                        + "remove \(printable(path)) to force it")
            }
            if isFirst { waiting(holder) }
            isFirst = false
            usleep(200_000)
        }
        describe()
    }

    deinit { close(descriptor) }

    /// Writes into the lock's file who holds it.
    ///
    /// - Parameters:
    ///   - launcher: The process that runs the ranks, once there is one.
    ///   - isSubmitting: Whether the holder only submits the run to SLURM.
    public func describe(launcher: Int32? = nil, isSubmitting: Bool = false) {
        var text = "host \(ProcessInfo.processInfo.hostName) process \(getpid())"
        if let launcher { text += " launcher \(launcher)" }
        text += " job \"\(printable(job))\""
        if let job = Self.slurmJob { text += " slurm \(job)" }
        if isSubmitting { text += " submitting" }
        let bytes = Data((text + "\n").utf8)
        guard ftruncate(descriptor, 0) == 0 else { return }
        _ = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
    }

    /// The SLURM job that this process belongs to.
    private static var slurmJob: String? {
        ProcessInfo.processInfo.environment["SLURM_JOB_ID"].flatMap { Int($0) }.map { "\($0)" }
    }

    /// Whether a holder will let go by itself before long.
    private static func isPassing(_ holder: String) -> Bool {
        let words = holder.split(separator: " ").map(String.init)
        if words.last == "submitting" { return true }
        if let job = slurmJob, let place = words.firstIndex(of: "slurm"), words.dropFirst(place + 1).first == job {
            return !words.contains("\(getpid())")
        }
        return isOrphaned(holder)
    }

    /// Whether the process that took the lock is gone from this machine, so that only its ranks hold it.
    private static func isOrphaned(_ holder: String) -> Bool {
        let words = holder.split(separator: " ").map(String.init)
        guard words.count >= 4, words[0] == "host", words[1] == ProcessInfo.processInfo.hostName, words[2] == "process",
            let process = pid_t(words[3])
        else { return false }
        if kill(process, 0) != 0 { return errno == ESRCH }
        return ProcessStatus(of: process)?.state == "Z"
    }

    private static func holder(_ path: String) -> String {
        let bytes = (try? FileBytes.read(path, limit: 4096)) ?? Data()
        let text = printable(String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
        return text.isEmpty ? "another process" : text
    }
}

extension RunLock {
    /// Whether somebody holds a run's lock; never waits, never takes it.
    ///
    /// - Throws: `SystemCallError` when that cannot be told now: a run in work would be taken for one that has ended.
    public static func isHeld(_ directory: RunDirectory) throws(SystemCallError) -> Bool {
        let descriptor: Int32
        do throws(SystemCallError) {
            descriptor = try FileBytes.open(directory.lock, flags: O_RDONLY)
        } catch {
            guard !error.mayPass else { throw error }
            return false
        }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_SH | LOCK_NB) != 0
    }
}
