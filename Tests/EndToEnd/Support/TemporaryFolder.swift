import Foundation

/// A folder of a test's own, removed with this object.
///
/// Its path is short, because Open MPI puts Unix sockets below `$TMPDIR`.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/diptych-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw TestFailure("cannot create a folder in /tmp") }
        path = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
        try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: false)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// What the programs get as `$TMPDIR`; they are to leave it empty.
    var scratch: String { path + "/t" }

    /// A path inside.
    func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Writes a file inside and returns its path.
    func write(_ text: String, to name: String) throws -> String {
        try text.write(toFile: file(name), atomically: false, encoding: .utf8)
        return file(name)
    }

    /// Writes a file inside and returns its path.
    func write(_ bytes: Data, to name: String) throws -> String {
        try bytes.write(to: URL(fileURLWithPath: file(name)))
        return file(name)
    }
}
