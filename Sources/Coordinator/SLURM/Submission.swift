import Foundation
import Jobs

/// What was given to SLURM for a run: `submission.json` in its directory.
package struct Submission: Codable, Hashable {
    /// The SLURM job, or the task of an array: `12`, `12_3`.
    package var job: String
    /// The cluster, where sbatch named one.
    package var cluster: String?
    /// The script.
    package var script: String
    /// SLURM's log of it.
    package var log: String
    /// Unix time in seconds.
    package var time: Double

    private enum CodingKeys: String, CodingKey {
        case cluster, script, log, time
        case job = "job_id"
    }

    /// Names a submission.
    package init(job: String, cluster: String? = nil, script: String, log: String, time: Double) {
        self.job = job
        self.cluster = cluster
        self.script = script
        self.log = log
        self.time = time
    }

    /// Reads what was submitted for a run; nil when nothing was.
    ///
    /// - Throws: `SystemCallError` when the file cannot be read now: the run may be with SLURM.
    package static func read(from directory: RunDirectory) throws(SystemCallError) -> Submission? {
        guard let bytes = try FileBytes.readIfThere(directory.submission, limit: 1 << 20) else { return nil }
        let submission = try? JSONDecoder().decode(Submission.self, from: bytes)
        // It becomes an argument of SLURM's commands, where a word like --me would mean something else.
        return submission?.job.wholeMatch(of: /[0-9]+(_[0-9]+)?/) == nil ? nil : submission
    }

    /// Writes it into a run's directory.
    ///
    /// - Throws: `SystemCallError`.
    package func write(to directory: RunDirectory) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try FileBytes.replace(directory.submission, with: encoder.encode(self))
    }

    /// Reads the answer of `sbatch --parsable`: `12` or `12;cluster`.
    package static func parse(sbatch lines: [String]) -> (job: String, cluster: String?)? {
        guard let line = lines.last(where: { !$0.isEmpty }) else { return nil }
        let parts = line.split(separator: ";", maxSplits: 1).map(String.init)
        guard let job = parts.first, Int(job) != nil else { return nil }
        return (job, parts.count > 1 ? parts[1] : nil)
    }
}
