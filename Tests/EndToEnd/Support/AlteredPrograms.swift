import Foundation

/// The programs in a folder of their own, in which a rank, or `diptych`, first does something of a test's own.
final class AlteredPrograms {
    private let folder: TemporaryFolder

    /// The folder.
    var path: String { folder.path }

    /// Lays out the folder.
    ///
    /// - Parameters:
    ///   - rank: What `diptych-worker` does first, in bash; `$rank` is the rank, `$worker` the real program. It may replace
    ///     itself by the program.
    ///   - diptych: The same for `diptych` and `$diptych`.
    init(rank: String = ":", diptych: String? = nil) throws {
        folder = try TemporaryFolder()
        try Self.script(
            folder.file("diptych-worker"),
            "worker='\(try Program.worker.path)'; rank=${OMPI_COMM_WORLD_RANK:-none}\n\(rank)\nexec \"$worker\" \"$@\"")
        // A copy: the coordinator looks for the worker beside its own file.
        let own = folder.file(diptych == nil ? "diptych" : "real/diptych")
        if let diptych {
            try FileManager.default.createDirectory(atPath: folder.file("real"), withIntermediateDirectories: false)
            try Self.script(folder.file("diptych"), "diptych='\(own)'\n\(diptych)\nexec \"$diptych\" \"$@\"")
            try FileManager.default.createSymbolicLink(
                atPath: folder.file("real/diptych-worker"), withDestinationPath: "../diptych-worker")
        }
        try FileManager.default.copyItem(atPath: Program.diptych.path, toPath: own)
    }

    private static func script(_ path: String, _ body: String) throws {
        try ("#!/bin/bash\n" + body + "\n").write(toFile: path, atomically: false, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    }
}

/// Runs a program of the system's to its end.
///
/// - Returns: Its exit code, and what it wrote to standard output.
@discardableResult
func command(_ name: String, _ arguments: String...) throws -> (code: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [name] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    try process.run()
    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: output, as: UTF8.self))
}
