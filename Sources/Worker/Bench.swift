import Checkpoints
import Communication
import Datasets
import Diffusion
import Jobs
import Tensor

/// Times training steps or forward passes of a reference network, as bench/torch_unet.py does for PyTorch. Training steps
/// take their images the way a run does: from bytes in memory, in the order of a seed, mirrored, with timesteps and noise
/// of their own; only the images themselves are random.
struct Bench {
    var network: ReferenceNetwork
    /// Images of one rank and step.
    var batch: Int
    /// Images of one lane; one lane per rank unless told otherwise.
    var imagesPerLane: Int
    var isForwardOnly: Bool
    var steps: Int
    var warmup: Int
    /// Whether to tell where the time of a training step goes.
    var breaksDown = false
    /// A folder into which a checkpoint is saved in the middle of the timed steps.
    var checkpointFolder: String?
    /// Whether gradients travel during the backward pass; nil for the rule that training follows.
    var overlaps: Bool?
    /// Whether activations within blocks are computed again.
    var recomputesBlocks = false

    /// The line that both sides print.
    struct Result: Encodable {
        var peer = "diptych"
        var what: String
        var model: String
        var ranks: Int
        var batchPerRank: Int
        /// What the kernels compute with.
        var instructions: InstructionSet
        var medianStepSeconds: Double
        var slowestStepSeconds: Double
        var imagesPerSecond: Double
        /// Memory before the network is made, and the most ever held; of the rank that has most.
        var startRSSGBPerRank: Double
        var peakRSSGBPerRank: Double
        /// Mean seconds of a timed step by part, averaged over the ranks.
        var breakdown: [String: Double]?

        private enum CodingKeys: String, CodingKey {
            case peer, what, model, ranks, instructions
            case batchPerRank = "batch_per_rank"
            case medianStepSeconds = "median_step_seconds"
            case slowestStepSeconds = "slowest_step_seconds"
            case startRSSGBPerRank = "start_rss_gb_per_rank"
            case imagesPerSecond = "images_per_second"
            case peakRSSGBPerRank = "peak_rss_gb_per_rank"
            case breakdown = "breakdown_seconds"
            // What the peer's script says of itself; these have one value here.
            case bf16, compile
            case channelsLast = "channels_last"
        }

        func encode(to encoder: any Encoder) throws {
            var values = encoder.container(keyedBy: CodingKeys.self)
            try values.encode(peer, forKey: .peer)
            try values.encode(what, forKey: .what)
            try values.encode(model, forKey: .model)
            try values.encode(ranks, forKey: .ranks)
            try values.encode(batchPerRank, forKey: .batchPerRank)
            try values.encode(instructions, forKey: .instructions)
            try values.encode(false, forKey: .bf16)
            try values.encode(false, forKey: .channelsLast)
            try values.encode(false, forKey: .compile)
            try values.encode(medianStepSeconds, forKey: .medianStepSeconds)
            try values.encode(slowestStepSeconds, forKey: .slowestStepSeconds)
            try values.encode(startRSSGBPerRank, forKey: .startRSSGBPerRank)
            try values.encode(imagesPerSecond, forKey: .imagesPerSecond)
            try values.encode(peakRSSGBPerRank, forKey: .peakRSSGBPerRank)
            try values.encodeIfPresent(breakdown, forKey: .breakdown)
        }
    }

    /// Runs on all ranks. Collective.
    func run(on world: any Communicator) throws -> Result {
        let memoryAtStart = try world.allMax(gigabytes(ProcessMemory.resident))
        let times = breaksDown && !isForwardOnly ? StepTimes() : nil
        var before: [Double] = []
        let seconds =
            isForwardOnly
            ? try timeForward(world)
            : try timeTraining(world, times) { before = StepTimes.Part.allCases.map { times?[$0] ?? 0 } }
        let timed = seconds.dropFirst(warmup)
        return Result(
            what: isForwardOnly ? "forward" : "train", model: network.rawValue, ranks: world.size, batchPerRank: batch,
            instructions: .ofKernels, medianStepSeconds: median(timed), slowestStepSeconds: timed.max() ?? 0,
            imagesPerSecond: Double(world.size * batch) / median(timed), startRSSGBPerRank: memoryAtStart,
            peakRSSGBPerRank: try world.allMax(gigabytes(ProcessMemory.peak)),
            breakdown: try times.map { try breakdown($0, since: before, of: timed.reduce(0, +), world) })
    }

    private func median(_ values: ArraySlice<Double>) -> Double {
        let sorted = values.sorted()
        return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }

    /// Seconds of a step by part, averaged over ranks; what no part has measured is `other`.
    private func breakdown(
        _ times: StepTimes, since before: [Double], of total: Double, _ world: any Communicator
    ) throws -> [String: Double] {
        var mine = zip(StepTimes.Part.allCases, before).map { (times[$0] - $1) / Double(steps) }
        let other = StepTimes.Part.allCases.firstIndex(of: .other) ?? 0
        mine[other] += total / Double(steps) - mine.reduce(0, +)
        let all = try world.allGather(mine)
        let means = mine.indices.map { part in all.reduce(0) { $0 + $1[part] } / Double(all.count) }
        return Dictionary(uniqueKeysWithValues: zip(StepTimes.Part.allCases.map(\.rawValue), means))
    }

    /// - Parameter warm: Called when the steps begin that count.
    private func timeTraining(
        _ world: any Communicator, _ times: StepTimes?, warm: () -> Void
    ) throws -> [Double] {
        let lanes = world.size * batch / imagesPerLane
        let trainer = Trainer(
            configuration: network.configuration, adam: Adam(), group: world, laneCount: lanes, times: times
        ) {
            $0.initialize(seed: 0, model: 0)
        }
        trainer.bucketFloats =
            try overlaps.map { $0 ? Trainer.usualBucketFloats : nil } ?? Trainer.bucketFloats(for: world)
        trainer.recomputesBlocks = recomputesBlocks
        let data = BenchData(network.configuration, batch: world.size * batch)
        let writer = checkpointFolder.flatMap {
            world.rank == 0 ? CheckpointWriter(store: CheckpointStore(directory: $0), keeping: 1) : nil
        }
        writer?.makeRoom(model: "bench", parameters: trainer.parameters.count)
        let seconds = try (0..<warmup + steps).map { step in
            if step == warmup { warm() }
            let clock = Stopwatch()
            if checkpointFolder != nil, step == warmup + steps / 2 { try save(trainer, step: step, by: writer) }
            let settings = StepSettings(step: step, learningRate: 2e-4, maxGradientNorm: 1, averageDecay: 0.9999)
            let items = times.measure(.data) { data.order.batch(step) }
            _ = try trainer.step(settings) { lane, tape in
                let mine = Array(items[lane * imagesPerLane..<(lane + 1) * imagesPerLane])
                return data.loss(of: trainer.network, items: mine, step: step, on: tape)
            }
            return clock.seconds
        }
        try world.onRoot { try writer?.finish() }
        return seconds
    }

    /// Begins to save a checkpoint, as training does. Collective.
    private func save(_ trainer: Trainer, step: Int, by writer: CheckpointWriter?) throws {
        let staged = writer?.stage(
            model: "bench", phase: "bench", step: step, jobHash: "", entries: trainer.parameters.checkpointEntries)
        try trainer.stage(into: staged)
        if let staged { try writer?.save(staged) }
    }

    private func timeForward(_ world: any Communicator) throws -> [Double] {
        let model = UNet2D(network.configuration)
        ParameterVector(model).initialize(seed: 0, model: 0)
        let images = randomImages(count: imagesPerLane, item: world.rank)
        let timesteps = (0..<imagesPerLane).map { $0 * 997 % 1000 }
        return try (0..<warmup + steps).map { _ in
            try world.barrier()
            let clock = Stopwatch()
            for _ in 0..<batch / imagesPerLane {
                _ = model(images, timesteps: timesteps, on: Tape(recording: false))
            }
            try world.barrier()
            return clock.seconds
        }
    }

    private func randomImages(count: Int, item: Int) -> Tensor {
        let shape = [
            count, network.configuration.inChannels, network.configuration.height, network.configuration.width,
        ]
        let source = RandomSource(seed: 0, purpose: .testing)
        return Tensor(source.normal(count: shape.reduce(1, *), step: 0, item: item), shape: shape)
    }

    private func gigabytes(_ bytes: Int?) -> Double { (Double(bytes ?? 0) / 1e6).rounded() / 1e3 }
}

/// Random images in the place of a data set, few enough not to count in the memory of a rank.
private struct BenchData {
    private static let count = 1024

    let order: BatchOrder
    private let images: ImageSet
    private let diffusion = GaussianDiffusion(
        schedule: NoiseSchedule(.linear, timesteps: 1000), prediction: .epsilon)

    init(_ configuration: UNetConfiguration, batch: Int) {
        let (channels, height, width) = (configuration.inChannels, configuration.height, configuration.width)
        let source = RandomSource(seed: 0, purpose: .testing)
        let uniform = source.uniform(count: Self.count * channels * height * width, step: 0, item: 0)
        images = ImageSet(
            count: Self.count, channels: channels, height: height, width: width, pixels: uniform.map { UInt8(256 * $0) }
        )
        order = BatchOrder(part: Array(0..<Self.count), batch: batch, seed: 0, model: 0)
    }

    func loss(of network: UNet2D, items: [Int], step: Int, on tape: Tape) -> Tensor {
        let batch = tape.times.measure(.data) {
            TrainingBatch(
                images: imageBatch(images, indices: items, flip: HorizontalFlip(seed: 0, model: 0), step: step),
                items: items)
        }
        return NoisePrediction.loss(
            of: network, on: batch, diffusion: diffusion, address: TrainingAddress(seed: 0, model: 0, step: step),
            tape: tape)
    }
}

/// The networks that bench/torch_unet.py knows.
enum ReferenceNetwork: String, CaseIterable {
    case ddpmCIFAR10 = "ddpm-cifar10"
    case fashionMNIST = "fashion-mnist"

    var configuration: UNetConfiguration {
        switch self {
        case .ddpmCIFAR10: .ddpmCIFAR10
        case .fashionMNIST: .fashionMNIST
        }
    }
}
