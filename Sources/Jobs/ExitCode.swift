/// How a program ends; the same numbers for both programs, stable, listed in docs/exit-codes.md.
public enum ExitCode: Int32, Codable, CaseIterable, Sendable {
    /// The work is done.
    case done = 0
    /// The command line or the job file is wrong; nothing was started.
    case usage = 64
    /// The data, a checkpoint or another file that was read is not what it must be.
    case badData = 65
    /// A mistake of this program.
    case internalError = 70
    /// A rank or a node was lost; the same command goes on from the last checkpoint.
    case rankLost = 71
    /// A file or directory could not be read or written.
    case inputOutput = 74
    /// Stopped on request after saving; the same command goes on.
    case stopped = 75
    /// Interrupted twice; ended at once, without waiting for anything to be saved.
    case interrupted = 130
}

/// A failure that ends a program: one message for the user, and the exit code that belongs to it.
public struct DiptychFailure: Error, Sendable, Hashable, CustomStringConvertible {
    /// The code the program ends with.
    public let code: ExitCode
    /// What failed, where, what was expected, what was found and what to do.
    public let message: String

    /// Makes a failure.
    ///
    /// - Parameters:
    ///   - code: The code the program ends with.
    ///   - message: One clear paragraph for the user, without the program's name.
    public init(_ code: ExitCode, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    public var description: String { message }
}
