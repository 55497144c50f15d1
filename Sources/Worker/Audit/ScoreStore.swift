import Checkpoints
import Foundation
import Jobs

/// What an audit has measured so far, in `RUN/audit/scores`: one file for each chunk of each measurement, so that an audit
/// that was ended goes on where it stood. Used on one rank.
///
/// A file is named by a hash of everything its bytes depend on (weights, images, measurement), so it is never reused for
/// something else, and ends with the SHA-256 of what precedes: a damaged one counts as missing.
package struct ScoreStore {
    private let folder: String

    /// The store of a run.
    package init(_ directory: RunDirectory) {
        folder = directory.audit + "/scores"
    }

    /// Creates the run's folder for audits, if it is missing.
    func create() throws {
        do {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw DiptychFailure(
                .inputOutput, "cannot create the folder \(folder) for the audit: \(error.localizedDescription)")
        }
    }

    private func path(_ key: String, _ chunk: Int) -> String { "\(folder)/\(key.prefix(32))-\(chunk)" }

    /// The bytes of a chunk; nil if it is missing, or not whole.
    package func read(_ key: String, chunk: Int, count: Int) -> [UInt8]? {
        guard let data = try? FileBytes.read(path(key, chunk), limit: count + 64), data.count == count + 64 else {
            return nil
        }
        let bytes = [UInt8](data.prefix(count))
        return Array(hexadecimalSHA256(bytes).utf8) == Array(data.suffix(64)) ? bytes : nil
    }

    /// Keeps a chunk.
    func write(_ bytes: [UInt8], _ key: String, chunk: Int) throws {
        try create()
        try AtomicFile.write(bytes + Array(hexadecimalSHA256(bytes).utf8), to: path(key, chunk))
    }
}

/// Floats as bytes.
func bytes(of values: [Float]) -> [UInt8] {
    values.withUnsafeBytes { Array($0) }
}

/// Floats from bytes.
package func floats(in bytes: [UInt8]) -> [Float] {
    bytes.withUnsafeBytes { all in
        (0..<all.count / 4).map { all.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }
}
