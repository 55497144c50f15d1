import Checkpoints
import Datasets
import Jobs

/// A hash that binds a public report to the run's seed without telling it: the seed and the data reveal the split. Made on
/// one rank.
///
/// The owner proves the seed with the salt, which the private report holds: the hash is SHA-256 of `SALT SEED`. Reports of one run
/// are alike to the byte, so the salt is not drawn but derived, from what a release does not hold: the checkpoint files that the
/// released weights come from, which have the optimizer's state too, the job and the data. Who lacks one of these cannot try
/// out seeds.
struct SeedCommitment {
    /// 64 hexadecimal digits; private.
    let salt: String
    /// SHA-256 of the salt, a space and the seed in decimal digits.
    let hash: String

    /// Commits to a run's seed.
    ///
    /// - Throws: What reading the run's manifests throws.
    init(_ session: Session) throws {
        let job = session.job
        let models = job.defence == .dualMD ? job.taughtModels : [job.student ?? job.taughtModels[0]]
        let checkpoints = try models.map { try session.store.newestManifest(model: $0.name)?.sha256 ?? "" }
        salt = hexadecimalSHA256(
            "seed salt 1 | \(checkpoints.joined(separator: " ")) | \(job.hash) | \(session.catalogue.hash)")
        hash = hexadecimalSHA256("\(salt) \(job.seed)")
    }
}
