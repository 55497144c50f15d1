import Communication
import Datasets
import Diffusion
import Foundation
import Jobs
import Privacy

/// Measures, chunk by chunk on all ranks, and keeps what is done.
///
/// A chunk is a fixed number of batches, dealt to the ranks; a batch has a fixed size. So the numbers do not depend on the
/// number of ranks, and an audit on other ranks goes on from the same files.
final class AuditMeasurements {
    /// Batches of a chunk: what is lost at most when an audit is killed.
    private static let chunk = 32

    private let session: Session
    private let items: [Int]
    private let batches: CandidateBatches
    private let store: ScoreStore
    private let progress: AuditProgress
    /// Whether nothing more is to be begun; rank 0 is asked.
    private let isOutOfTime: () -> Bool
    private let label: String

    /// How a measurement ended.
    enum End<Value> {
        /// It is whole: the value on rank 0, nil elsewhere.
        case whole(Value?)
        /// The time was over.
        case outOfTime
        /// Somebody asked to stop.
        case stopped

        /// The same end, its value taken by somebody where there is one.
        func then(_ take: (Value) -> Void) -> End<Void> {
            switch self {
            case .whole(let value): .whole(value.map(take))
            case .outOfTime: .outOfTime
            case .stopped: .stopped
            }
        }
    }

    /// Gathers what measuring needs.
    ///
    /// - Parameters:
    ///   - session: The ranks, and the run whose images and random numbers are used.
    ///   - items: The images that are asked about.
    ///   - store: Where numbers are kept.
    ///   - progress: Is told of every chunk.
    ///   - isOutOfTime: Whether nothing more is to be begun; asked on rank 0.
    ///   - label: What is measured, in words.
    init(
        session: Session, items: [Int], store: ScoreStore, progress: AuditProgress,
        isOutOfTime: @escaping () -> Bool, label: String
    ) {
        self.session = session
        self.items = items
        self.store = store
        self.progress = progress
        self.isOutOfTime = isOutOfTime
        self.label = label
        batches = CandidateBatches(
            items: items, catalogue: session.catalogue, isClassConditional: session.network.classCount != nil,
            randomness: AttackRandomness(seed: session.job.seed))
    }

    /// The numbers of all images. Collective.
    func table(of measurement: some AttackMeasurement, from view: AuditedView) throws -> End<MeasurementTable> {
        let width = measurement.width(imageSize: session.catalogue.images.bytesPerImage)
        let work = Work(
            key: hexadecimalSHA256(
                "audit 1 | \(view.hash) | \(measurement.key) | \(session.catalogue.hash) | \(session.job.seed) | \(items)"
            ),
            batches: batches.count, evaluations: measurement.evaluations * CandidateBatches.size,
            bytes: { [batches] range in
                4 * width
                    * (batches.rows(of: range.upperBound - 1).upperBound - batches.rows(of: range.lowerBound).lowerBound)
            },
            compute: { [batches] in bytes(of: batches.measure(measurement, $0, of: view.model)) })
        return try end(of: work) { [items] in MeasurementTable(count: items.count, width: width, values: floats(in: $0))
        }
    }

    /// Images that a release makes with its own sampler, as the job has it. Collective.
    func samples(count: Int, from view: AuditedView, weights: WeightKind) throws -> End<ImageSet> {
        let (job, images, network) = (session.job, session.catalogue.images, session.network)
        let denoiser = try session.denoiser(
            named: view.name, weights: weights, guidanceScale: job.sample.guidanceScale)
        let configuration = SamplingConfiguration(
            job.sample.sampler.sampler(eta: job.sample.eta), steps: job.sample.steps)
        let size = job.sample.batch
        let work = Work(
            key: hexadecimalSHA256("samples 1 | \(view.hash) | \(job.sample) | \(job.seed)"),
            batches: (count + size - 1) / size, evaluations: configuration.steps * size,
            bytes: { $0.count * size * images.bytesPerImage },
            compute: { [diffusion = session.diffusion] batch in
                let items = Array(batch * size..<(batch + 1) * size)
                let samples = SampleBatch(
                    items: items, labels: network.classCount.map { classes in items.map { $0 % classes } },
                    shape: [images.channels, images.height, images.width], seed: job.seed)
                let made = Diffusion.sample(samples, from: denoiser, diffusion: diffusion, configuration: configuration)
                { _ in }
                return try ImageSet(made).pixels
            })
        return try end(of: work) {
            ImageSet(
                count: count, channels: images.channels, height: images.height, width: images.width,
                pixels: Array($0.prefix(count * images.bytesPerImage)))
        }
    }

    /// Something that is computed batch by batch.
    private struct Work {
        /// A hash of everything that the bytes depend on.
        let key: String
        let batches: Int
        /// Network evaluations of one batch.
        let evaluations: Int
        /// Number of bytes of consecutive batches.
        let bytes: (Range<Int>) -> Int
        let compute: (Int) throws -> [UInt8]
    }

    private enum Verdict: String, Codable {
        case known
        case missing
        case outOfTime
    }

    private func end<Value>(of work: Work, _ value: ([UInt8]) -> Value) throws -> End<Value> {
        let world = session.world
        var whole: [UInt8] = []
        for (chunk, start) in stride(from: 0, to: work.batches, by: Self.chunk).enumerated() {
            let range = start..<min(start + Self.chunk, work.batches)
            let verdict = try world.onRoot { () -> Verdict in
                if let bytes = store.read(work.key, chunk: chunk, count: work.bytes(range)) {
                    whole += bytes
                    progress.add(
                        range.count * work.evaluations, of: label, done: range.upperBound, of: work.batches)
                    return .known
                }
                return isOutOfTime() ? .outOfTime : .missing
            }
            if verdict == .known { continue }
            if verdict == .outOfTime { return .outOfTime }
            let mine = contiguousRanges(count: range.count, among: world.size)[world.rank]
            let (own, isStopping) = try world.together("measuring \(label)") { () -> ([UInt8], Bool) in
                var own: [UInt8] = []
                for batch in mine {
                    if session.isStopRequested() { return (own, true) }
                    own += try work.compute(start + batch)
                }
                return (own, false)
            }
            if try world.anyTrue(isStopping) { return .stopped }
            let all = try world.allGather(own)
            try world.onRoot {
                let bytes = all.flatMap { $0 }
                try store.write(bytes, work.key, chunk: chunk)
                whole += bytes
                progress.add(
                    range.count * work.evaluations, of: label, done: range.upperBound, of: work.batches,
                    isNew: true)
            }
        }
        return .whole(world.rank == 0 ? value(whole) : nil)
    }
}
