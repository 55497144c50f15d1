import Foundation

/// One execution of a run, from the start of its ranks to their end.
///
/// When a node is cut off, its ranks may live on while the run already goes on elsewhere. So the supervisor writes the
/// number of its execution into the run's directory, gives it to the ranks, and a rank with another number than the
/// directory's writes nothing any more.
public struct Execution: Hashable, Sendable {
    /// A number that no other execution has, as text.
    public let name: String

    /// Names an execution.
    public init(name: String) { self.name = name }

    /// Begins an execution; former ones may not write any more.
    ///
    /// - Throws: `SystemCallError`.
    public static func begin(in directory: RunDirectory) throws -> Execution {
        let execution = Execution(name: UUID().uuidString)
        try FileBytes.replace(directory.execution, with: Data((execution.name + "\n").utf8))
        return execution
    }

    /// Whether no later execution has begun.
    ///
    /// - Throws: `SystemCallError` when that cannot be told now: whoever is cut off may be cut off from this file, too, so
    ///   nothing may be written before it can be. No execution removes the file, so that it is missing tells nothing.
    public func isCurrent(in directory: RunDirectory) throws(SystemCallError) -> Bool {
        let bytes = try FileBytes.read(directory.execution, limit: 4096)
        return String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines) == name
    }
}
