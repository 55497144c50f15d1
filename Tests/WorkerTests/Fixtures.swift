import Communication
import Datasets
import Diffusion
import Foundation
import Jobs
import Tensor
import TestSupport
import Testing
import Worker

/// Runs `body` on so many ranks, each on a thread of its own that computes with one thread, as a worker does. Ranks that
/// hang end the process.
func onRanks<Value: Sendable>(
    _ count: Int, _ body: @escaping @Sendable (any Communicator) throws -> Value
) throws -> [Value] {
    try bounded {
        try InProcessCommunicator.run(ranks: count) { world in
            Threads.useOne()
            return try body(world)
        }
    }
}

/// What `body` throws, or nil.
func errorThrown(by body: () throws -> Void) -> (any Error)? {
    do {
        try body()
        return nil
    } catch {
        return error
    }
}

extension Tape {
    /// A loss that is still finite, but whose gradient leaves the range of floats on its way back.
    func withInfiniteGradient(_ loss: Tensor) -> Tensor { scale(scale(scale(loss, by: 1e-20), by: 1e20), by: 1e20) }
}

/// A folder with a small data set in it, removed when the test ends.
final class Workshop: Sendable {
    static let side = 8
    let path: String

    /// Writes random images with labels 0 to 3.
    init(images: Int = 64) throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("diptych-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try writeImages(count: images)
        try write(Workshop.idx([images], (0..<images).map { UInt8($0 % 4) }), to: "labels.idx")
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes the images, those of one stream of random numbers.
    func writeImages(count: Int, stream: Int = 0) throws {
        let source = RandomSource(seed: 5, purpose: .testing, model: stream)
        let pixels = (0..<count * Workshop.side * Workshop.side).map {
            UInt8(truncatingIfNeeded: source.word(step: 0, item: 0, element: $0))
        }
        try write(Workshop.idx([count, Workshop.side, Workshop.side], pixels), to: "images.idx")
    }

    /// Takes the images away from whoever reads them later.
    func hideImages() throws { try FileManager.default.removeItem(atPath: path + "/images.idx") }

    func write(_ bytes: [UInt8], to name: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: path + "/" + name))
    }

    /// A job that trains in an instant: 4 lanes in each phase.
    func job(_ change: (inout Job) -> Void = { _ in }) -> Job {
        var job = Job()
        job.name = "workshop"
        job.seed = 7
        job.defence = .distillMD
        job.data.images = path + "/images.idx"
        job.data.labels = path + "/labels.idx"
        job.data.members = 42
        job.data.heldOut = 8
        job.data.split.nearDuplicates = .ignore
        job.model.channels = [8, 16]
        job.model.attention = [false, true]
        job.model.layersPerBlock = 1
        job.model.normGroups = 4
        job.model.dropout = 0.1
        job.diffusion.timesteps = 50
        for options in [\Job.teach, \Job.distill] {
            job[keyPath: options].steps = 6
            job[keyPath: options].batch = 8
            job[keyPath: options].imagesPerLane = 2
            job[keyPath: options].learningRate = 1e-3
            job[keyPath: options].warmupSteps = 2
            job[keyPath: options].decaySteps = 3
            job[keyPath: options].emaDecay = 0.9
            job[keyPath: options].horizontalFlip = true
        }
        job.checkpoint.everySteps = 4
        job.checkpoint.everyMinutes = 0
        job.sample.count = 5
        job.sample.batch = 2
        job.sample.steps = 3
        change(&job)
        return job
    }

    /// Prepares a run directory, as the programs do.
    func run(_ name: String, _ job: Job) throws -> RunDirectory {
        try RunPreparation.open(job: job, run: path + "/" + name, extend: false).directory
    }

    /// The bytes of an IDX file of unsigned bytes.
    private static func idx(_ dimensions: [Int], _ elements: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = [0, 0, 8, UInt8(dimensions.count)]
        for dimension in dimensions {
            for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: dimension >> shift)) }
        }
        return bytes + elements
    }
}

extension RunDirectory {
    /// The bytes of a model's checkpoint; nil if there is none.
    func checkpoint(_ model: String, step: Int) -> Data? {
        let digits = String(step)
        let name = "step-" + String(repeating: "0", count: 8 - digits.count) + digits + ".h5"
        return FileManager.default.contents(atPath: "\(checkpoints(of: model))/\(name)")
    }

    /// The text of a model's log.
    func logText(_ model: String) -> String {
        String(decoding: FileManager.default.contents(atPath: log(of: model)) ?? Data(), as: UTF8.self)
    }

    /// The losses in a model's log.
    func losses(_ model: String) -> [Double] {
        logText(model).split(separator: "\n").compactMap { StepRecord(line: $0)?.loss }
    }

    /// The lines of the event log of one kind.
    func events(_ kind: EventLog.Kind) throws -> [[String: Any]] {
        let text = String(decoding: FileManager.default.contents(atPath: events) ?? Data(), as: UTF8.self)
        return try text.split(separator: "\n")
            .compactMap { try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] }
            .filter { $0["kind"] as? String == kind.rawValue }
    }
}

/// What one rank's trainer came to.
struct Trained: Sendable {
    var weights: [Float]
    /// This rank's shard of the moving average.
    var average: [Float]
    var results: [Trainer.StepResult]

    init(_ trainer: Trainer, _ results: [Trainer.StepResult]) {
        weights = trainer.parameters.values.scalars
        average = trainer.optimizer.movingAverage.scalars
        self.results = results
    }
}

/// A model and images for tests of the trainer alone.
enum Bench {
    static let imagesPerLane = 2
    static let diffusion = GaussianDiffusion(
        schedule: NoiseSchedule(.linear, timesteps: 100), prediction: .epsilon)

    static func configuration(dropout: Double = 0.1) -> UNetConfiguration {
        UNetConfiguration(
            height: 8, width: 8, inChannels: 1, outChannels: 1, channels: [16, 32], layersPerBlock: 1,
            attention: [false, true], normGroups: 4, dropout: dropout)
    }

    static func batch(_ items: [Int]) -> TrainingBatch {
        let source = RandomSource(seed: 2, purpose: .testing)
        let scalars = items.flatMap { item in source.uniform(count: 64, step: 0, item: item).map { 2 * $0 - 1 } }
        return TrainingBatch(images: Tensor(scalars, shape: [items.count, 1, 8, 8]), items: items)
    }

    static func loss(_ network: UNet2D, items: [Int], step: Int, _ tape: Tape) -> Tensor {
        NoisePrediction.loss(
            of: network, on: batch(items), diffusion: diffusion,
            address: TrainingAddress(seed: 9, model: 0, step: step), tape: tape)
    }

    static func settings(_ step: Int, flags: UInt8 = 0) -> StepSettings {
        StepSettings(step: step, learningRate: 1e-3, maxGradientNorm: 0.05, averageDecay: 0.5, flags: flags)
    }

    static func trainer(
        lanes: Int, on group: any Communicator, configuration: UNetConfiguration = configuration(),
        adam: Adam = Adam(), times: StepTimes? = nil
    ) -> Trainer {
        Trainer(configuration: configuration, adam: adam, group: group, laneCount: lanes, times: times) {
            $0.initialize(seed: 3, model: 0)
        }
    }

    /// Trains for some steps, lane l of every step on images 2 l and 2 l + 1.
    static func train(_ trainer: Trainer, steps: Range<Int>) throws -> [Trainer.StepResult] {
        try steps.map { step in
            try trainer.step(settings(step)) { lane, tape in
                loss(trainer.network, items: [2 * lane, 2 * lane + 1], step: step, tape)
            }
        }
    }
}
