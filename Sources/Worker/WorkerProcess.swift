import Communication
import Foundation
import Jobs
import Tensor

/// One MPI process from its first call to its last: starts everything in the right order, and turns every failure into
/// a message, an outcome and an exit code.
struct WorkerProcess {
    /// Whether `diptych` watches: then the code is in outcome.json, and processes end with 0, since mpirun answers any
    /// other code with a banner and by killing the rest.
    let isSupervised: Bool

    /// Runs `body` on all ranks.
    ///
    /// - Parameters:
    ///   - directory: Where the outcome belongs; nil when the command has none. Looked at only after a failure.
    ///   - body: The work; returns the code to end with.
    /// - Returns: The code of this process.
    func run(directory: () -> RunDirectory?, _ body: (any Communicator) throws -> ExitCode) -> Int32 {
        umask(0o077)
        Threads.useOne()
        let world: MPICommunicator
        do {
            world = try MPICommunicator.start()
        } catch {
            Self.say("\(error)")
            return ExitCode.internalError.rawValue
        }
        do {
            let code = try body(world)
            try world.finalize()
            return isSupervised ? 0 : code.rawValue
        } catch {
            return end(world, with: error, directory: directory())
        }
    }

    /// Seconds in which the rank that failed first ends the job; far more than it takes.
    private static let patience: UInt32 = 20

    /// A rank that fails says what, where and which rank, leaves the outcome, and takes the job down.
    private func end(_ world: MPICommunicator, with error: any Error, directory: RunDirectory?) -> Int32 {
        // A rank that fails because of another leaves the word to that one, whose abort ends this process, too.
        if (error as? CommunicationError)?.isEcho == true { waitForTheFirst() }
        let failure = DiptychFailure(error)
        if let directory {
            // Another rank may have had the word before; what cannot be read may be its.
            if case .success(nil) = Result(catching: { try Outcome.read(from: directory) }) {
                try? Outcome(exit: failure.code, message: failure.message).write(to: directory)
            }
        }
        do {
            try world.abort(code: failure.code.rawValue, reason: failure.message) { Self.say($0) }
        } catch {
            return failure.code.rawValue
        }
    }

    /// Waits to be ended by the abort of the rank that failed first.
    private func waitForTheFirst() {
        // That abort comes as SIGTERM, which must end this rank now, not ask it to save: waking up, it would take the word.
        StopSignal.letTerminationEnd()
        var left = WorkerProcess.patience
        while left > 0 { left = sleep(left) }
    }

    /// Says a line on standard error, if that can be done at once: a reader that is gone or stuck holds up no training.
    static func speak(_ line: String) {
        var reader = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
        guard poll(&reader, 1, 0) == 1, reader.revents == Int16(POLLOUT) else { return }
        let bytes = Array((line + "\n").utf8)
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }

    /// Says on standard error what ends this process.
    static func say(_ message: String) {
        FileHandle.standardError.write(Data("diptych-worker: \(printableLines(message))\n".utf8))
    }
}
