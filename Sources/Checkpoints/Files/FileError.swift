import Glibc

/// A system call on a file or folder that failed: which, on what, and why.
public struct FileError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was attempted, as a verb: "write", "rename".
    public let operation: String
    /// The file or folder.
    public let path: String
    /// The system's error number, `errno`; 0 when the failure is not the system's.
    public let number: Int32
    /// Why, in the system's words or ours.
    public let reason: String

    /// A failed system call.
    public init(_ operation: String, _ path: String, number: Int32) {
        self.operation = operation
        self.path = path
        self.number = number
        reason = String(cString: strerror(number))
    }

    /// A failure that has no error number.
    public init(_ operation: String, _ path: String, reason: String) {
        self.operation = operation
        self.path = path
        number = 0
        self.reason = reason
    }

    /// One line with everything.
    public var description: String {
        let advice =
            switch number {
            case ENOSPC, EDQUOT: "; free some space and run again"
            case EACCES where Self.readings.contains(operation): Self.advice(operation, number)
            case EACCES, EPERM, EROFS: "; the folder must be writable by you"
            default: Self.advice(operation, number)
            }
        let code = number == 0 ? "" : " (errno \(number))"
        return "cannot \(operation) \(path): \(reason)\(code)\(advice)"
    }

    private static let readings: Set<String> = ["open", "look at", "list", "read"]

    /// What to do when something that is there could not be read, as while a file server is away; empty for other failures.
    package static func advice(_ operation: String, _ number: Int32) -> String {
        guard readings.contains(operation) else { return "" }
        switch number {
        case EIO, ESTALE, EACCES, EPERM, ETIMEDOUT, ENOTCONN, EHOSTDOWN, EHOSTUNREACH, ENOMEM, EMFILE, ENFILE:
            return ". It cannot be read now, which may pass; the same command goes on when it can be read"
        default: return ""
        }
    }
}
