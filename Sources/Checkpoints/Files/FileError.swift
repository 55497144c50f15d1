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
            case EACCES, EPERM, EROFS: "; the folder must be writable by you"
            default: ""
            }
        let code = number == 0 ? "" : " (errno \(number))"
        return "cannot \(operation) \(path): \(reason)\(code)\(advice)"
    }
}
