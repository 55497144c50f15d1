import Checkpoints
import Foundation
import Jobs
import Tensor

/// `profile.json`: the machine and the libraries that a run's bits belong to, recorded when it begins.
package enum RunProfile {
    /// Records the profile of a new run, or compares it with what an earlier execution recorded. Called on one rank.
    ///
    /// - Throws: `DiptychFailure` with code 64 if the run was begun where other bits are computed.
    package static func check(_ profile: NumericsProfile, in directory: RunDirectory) throws {
        let path = directory.path + "/profile.json"
        guard FileManager.default.fileExists(atPath: path) else {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return try AtomicFile.write([UInt8](encoder.encode(profile)), to: path)
        }
        let recorded = try? JSONDecoder().decode(NumericsProfile.self, from: Data(FileBytes.read(path)))
        let differences = recorded.map { profile.differences(from: $0) } ?? ["the record cannot be read"]
        guard differences.isEmpty else {
            throw DiptychFailure(
                .usage,
                "the run in \(directory.path) would go on with other bits than it began with: "
                    + "\(differences.joined(separator: "; ")) (here: this execution, there: the run's first). Go on with a "
                    + "machine and libraries of the first kind; or remove \(path) to accept results that cannot be repeated"
            )
        }
    }
}
