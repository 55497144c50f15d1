import Checkpoints
import Communication
import Foundation
import Jobs
import Tensor

/// `profile.json`: the machine and the libraries that a run's bits belong to, recorded when it begins.
package enum RunProfile {
    /// Refuses ranks that would not compute the bits that rank 0 computes. Collective.
    ///
    /// - Throws: On every rank, with code 64 on the first: which rank differs, and in what.
    package static func compare(_ profile: NumericsProfile, on world: any Communicator) throws {
        let profiles = try world.allGather(profile)
        for (rank, other) in profiles.enumerated() {
            let differences = other.differences(from: profiles[0])
            guard differences.isEmpty else {
                let failure = DiptychFailure(
                    .usage,
                    "rank \(rank) would not compute the same bits as rank 0: \(differences.joined(separator: "; ")) (here: "
                        + "rank \(rank), there: rank 0). Run on nodes of one kind, with the same libraries; `numerics.instructions` keeps newer "
                        + "processors to what older ones have")
                throw world.shared(failure, "comparing the machines")
            }
        }
    }

    /// Records the profile of a new run, or compares it with what an earlier execution recorded. Called on one rank.
    ///
    /// - Throws: `DiptychFailure` with code 64 if the run was begun where other bits are computed, `SystemCallError` if the
    ///   record cannot be read.
    package static func check(_ profile: NumericsProfile, in directory: RunDirectory) throws {
        let path = path(in: directory)
        guard try FileBytes.exists(path) else {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return try AtomicFile.write([UInt8](encoder.encode(profile)), to: path)
        }
        let differences = try differences(of: profile, from: directory)
        guard differences.isEmpty else {
            throw DiptychFailure(
                .usage,
                "the run in \(directory.path) would go on with other bits than it began with: "
                    + "\(differences.joined(separator: "; ")) (here: this execution, there: the run's first). Go on with a "
                    + "machine and libraries of the first kind, and the same `numerics`; or remove \(path) to accept results that cannot be repeated"
            )
        }
    }

    /// What makes a machine compute other bits than a run has recorded.
    ///
    /// - Throws: `SystemCallError` if the record is there and cannot be read.
    static func differences(of profile: NumericsProfile, from directory: RunDirectory) throws -> [String] {
        let bytes = try FileBytes.readIfThere(path(in: directory), limit: RunDirectory.largestNote) ?? Data()
        let recorded = try? JSONDecoder().decode(NumericsProfile.self, from: bytes)
        return recorded.map { profile.differences(from: $0) } ?? [
            "the record \(path(in: directory)) is missing or damaged"
        ]
    }

    private static func path(in directory: RunDirectory) -> String { directory.path + "/profile.json" }
}
