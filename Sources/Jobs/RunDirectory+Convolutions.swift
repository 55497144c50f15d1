import Foundation
import Tensor

/// The run's own copy of the table of convolution algorithms: whatever becomes of the file that the job named, the run
/// goes on with the choices that it began with.
extension RunDirectory {
    /// The choices that a run's job has made; nil when it leaves all of them to the rule.
    ///
    /// - Throws: `DiptychFailure`: 74 when the copy cannot be read, 64 when it is no longer what it must be.
    package func convolutionTable(of job: Job) throws -> ConvolutionTable? {
        try job.numerics.convolutions.map { _ in try ConvolutionFile.load(path: convolutions, isCopy: true).table }
    }

    /// Copies the file that a new run's job names, if it is what it must be.
    func copyConvolutions(of job: Job) throws {
        guard let path = job.numerics.convolutions else { return }
        _ = try ConvolutionFile.load(path: path)
        do throws(SystemCallError) {
            try FileBytes.replace(convolutions, with: FileBytes.readNamed(path, limit: ConvolutionFile.largestFile))
        } catch {
            throw error.failure
        }
    }

    /// Refuses choices other than those that the run began with.
    ///
    /// The file that the job names may be gone, measured anew with the same outcome, or at another path.
    func checkConvolutions(of job: Job, older: Job, freeName: String) throws {
        let advice =
            "To go on, name what the run began with; to train with what the job says now, give it a directory of its own: "
            + "--run \(freeName)"
        func refusal(_ text: String) -> DiptychFailure {
            DiptychFailure(.usage, "`numerics.convolutions`: \(text). \(advice)")
        }
        switch (older.numerics.convolutions, job.numerics.convolutions) {
        case (nil, nil): return
        case (nil, let path?):
            throw refusal(
                "the run in \(printable(self.path)) began without a file of convolution algorithms, the job now names "
                    + printable(path))
        case (let old?, nil):
            throw refusal(
                "the run in \(printable(self.path)) began with the convolution algorithms of \(printable(old)) (its copy: "
                    + "\(printable(convolutions))), the job now names none")
        case (let old?, let path?):
            let copy = try ConvolutionFile.load(path: convolutions, isCopy: true)
            if path == old, access(path, F_OK) != 0 { return }
            let named = try ConvolutionFile.load(path: path)
            guard named.sha256 == copy.sha256 else {
                throw refusal(
                    "\(printable(path)) makes other choices than the run in \(printable(self.path)) began with (its copy: "
                        + "\(printable(convolutions))): \(Self.difference(from: copy, to: named))")
            }
        }
    }

    /// How many choices differ, and the first of them.
    private static func difference(from old: ConvolutionFile, to new: ConvolutionFile) -> String {
        let (before, after) = (old.table.algorithms, new.table.algorithms)
        var seen: Set<DirectedConvolution> = []
        let changed = (old.entries + new.entries).map(\.convolution).filter {
            before[$0] != after[$0] && seen.insert($0).inserted
        }
        guard let first = changed.first else { return "the files differ" }
        func word(_ algorithm: ConvolutionAlgorithm?) -> String { algorithm?.rawValue ?? "(absent)" }
        return "\(changed.count) differ\(changed.count == 1 ? "s" : ""), the first: "
            + "{\(ConvolutionFile.description(of: first))}: \(word(before[first])) -> \(word(after[first]))"
    }
}
