import Checkpoints
import Datasets
import Diffusion
import Foundation
import Jobs
import Tensor

/// What a job would do: who computes what, and what it takes.
package struct Plan {
    /// Where a rate comes from.
    enum RateSource: Hashable {
        /// The user stated images per second of one rank.
        case stated
        /// The run's last execution measured it.
        case measured
        /// It is reckoned from multiply-adds at an assumed speed.
        case assumed

        var words: String {
            switch self {
            case .stated: "at the rate given with --images-per-second"
            case .measured: "at the rate that this run measured before"
            case .assumed:
                "assuming \(Int(Plan.assumedGigaflops)) GFLOP/s for each rank; a run that has begun knows its own rate, and "
                    + "--images-per-second states one"
            }
        }
    }

    /// What a training phase takes.
    struct PhaseTime {
        var phase: Phase
        var steps: Int
        var seconds: Double
        var imagesPerSecond: Double
        var source: RateSource
        /// One step of the largest group, communication included.
        var step: ScalingModel.Step
        /// The share of the ranks' time that is of use.
        var efficiency: Double
    }

    /// Floating-point operations that a rank is assumed to do in a second, in units of 10^9, when nothing was measured: a core
    /// with AVX-512 did 450 in a step of `ddpm-cifar10`, those that Winograd saves counted, with AVX2 about half.
    static let assumedGigaflops = 300.0

    let job: Job
    let placement: Placement
    let directory: RunDirectory
    let configuration: UNetConfiguration
    let cost: MemoryPlan.NetworkCost
    let memory: MemoryPlan
    let times: [PhaseTime]
    /// The teachers that come from another run.
    let taken: [TrainedModel]
    /// The algorithms of convolutions, if the job names a file of them.
    let convolutions: ConvolutionFile?
    /// Where the ranks are taken to run.
    let cluster: ScalingModel.Cluster
    /// Something the user should know about the data, if there is anything.
    let dataNote: String?

    /// Plans a job; reads the data when they are there, changes nothing.
    ///
    /// - Parameters:
    ///   - job: The job.
    ///   - placement: Its ranks.
    ///   - run: The run's directory, if given.
    ///   - rate: Training images per second of one rank, if the user states them.
    ///   - cluster: Where the ranks will run.
    /// - Throws: `DiptychFailure`: 64 for a network that cannot be built, too few images, a bad file of convolutions or other
    ///   teachers than those to be taken, 65 for damaged data or unfinished teachers, 74 for data that are not there.
    init(job: Job, placement: Placement, run: String?, rate: Double?, cluster: ScalingModel.Cluster) throws {
        convolutions = try job.numerics.convolutions.map { try ConvolutionFile.load(path: $0) }
        self.job = job
        self.cluster = cluster
        self.placement = placement
        directory = RunDirectory(run ?? "runs/\(job.name)")
        let (shape, classCount, note) = try Self.images(of: job)
        dataNote = note
        configuration = job.network(channels: shape[0], height: shape[1], width: shape[2], classCount: classCount)
        do {
            try configuration.validate()
        } catch {
            throw DiptychFailure(.usage, "the network of `model` does not fit images of \(shape): \(error)")
        }
        Threads.useOne()
        cost = MemoryPlan.NetworkCost(configuration, job: job)
        try TeacherSource.check(job, in: directory)
        taken = try job.takenTeachers(in: directory)
        memory = MemoryPlan(job: job, placement: placement, cost: cost, taken: taken)
        let trained = memory.phases.map(\.phase)
        times = Self.times(job: job, placement: placement, directory: directory, cost: cost, rate: rate, on: cluster)
            .filter { trained.contains($0.phase) }
    }

    /// The size of the job's images and its number of classes, from the data, or from `data.shape` without them.
    static func images(of job: Job) throws -> (shape: [Int], classCount: Int, note: String?) {
        let path = absolutePath(job.data.images)
        if access(path, F_OK) != 0, let shape = job.data.shape {
            return (shape, 1, "data: \(printable(path)) is not there; planned with `data.shape`")
        }
        let catalogue: Catalogue
        do {
            catalogue = try Catalogue.load(
                DataSource(
                    reader: job.data.reader, images: path, labels: job.data.labels.map { absolutePath($0) }))
        } catch let error as DatasetError {
            throw DiptychFailure(error.exitCode, "\(error)")
        }
        let shape = [catalogue.channels, catalogue.height, catalogue.width]
        if let stated = job.data.shape, stated != shape {
            throw DiptychFailure(
                .badData, "\(printable(path)): `data.shape` says \(stated), the images are \(shape)")
        }
        let needed = job.data.members + job.data.heldOut
        guard catalogue.count >= needed else {
            throw DiptychFailure(
                .usage,
                "\(printable(path)): `data.members` and `data.held_out` ask for \(needed) images, there are "
                    + "\(catalogue.count)")
        }
        return (shape, catalogue.classCount, nil)
    }

    // MARK: Time

    private static func times(
        job: Job, placement: Placement, directory: RunDirectory, cost: MemoryPlan.NetworkCost, rate: Double?,
        on cluster: ScalingModel.Cluster
    ) -> [PhaseTime] {
        func time(_ phase: Phase, _ options: Job.TrainingOptions, passes: Double, lanes: [[Range<Int>]], turns: Int)
            -> PhaseTime
        {
            let assumed = assumedGigaflops * 1e9 / (2 * passes * Double(cost.multiplyAddsPerImage))
            let measured = measuredRate(phase, directory)
            let perRank = rate.map { $0 * 3 / passes } ?? measured ?? assumed
            let most = lanes.flatMap { $0 }.map(\.count).max() ?? 1
            let step = Double(most * options.imagesPerLane) / perRank
            let model = ScalingModel(
                ScalingModel.Load(
                    parameters: cost.parameters, secondsPerImage: 1 / perRank, imagesPerLane: options.imagesPerLane),
                on: cluster)
            let ranks = lanes.map(\.count).max() ?? 1
            return PhaseTime(
                phase: phase, steps: options.steps, seconds: Double(turns * options.steps) * step,
                imagesPerSecond: Double(lanes.count * options.batch) / step,
                source: rate != nil ? .stated : measured != nil ? .measured : .assumed,
                step: model.step(lanes: options.lanes, ranks: ranks),
                efficiency: model.efficiency(lanes: options.lanes, ranks: ranks))
        }
        // A training step costs three forward passes: its own, and two for the gradients of inputs and of weights.
        var times = [
            time(
                .teach, job.teach, passes: 3, lanes: placement.groups.map(\.lanes),
                turns: placement.groups.map(\.models.count).max() ?? 1)
        ]
        if job.student != nil {
            let teachers = Double(job.taughtModels.count - 1)
            times.append(time(.distill, job.distill, passes: 3 + teachers, lanes: [placement.distillLanes], turns: 1))
        }
        return times
    }

    /// Images per second of one rank, as this run's last execution measured them; nil for none, and for a number that no
    /// machine reaches.
    package static func measuredRate(_ phase: Phase, _ directory: RunDirectory) -> Double? {
        struct Launched: Decodable {
            var kind: String
            var ranks: Int?
        }
        guard let report = ((try? Outcome.read(from: directory)) ?? nil)?.phases.last(where: { $0.name == phase }),
            report.imagesPerSecond > 0, let bytes = try? FileBytes.read(directory.events, limit: 64 << 20)
        else { return nil }
        let lines = bytes.split(separator: UInt8(ascii: "\n")).reversed()
        for line in lines {
            guard let event = try? JSONDecoder().decode(Launched.self, from: Data(line)) else { continue }
            if event.kind == EventLog.Kind.launched.rawValue, let ranks = event.ranks, ranks > 0 {
                let rate = report.imagesPerSecond / Double(ranks)
                return (1e-6...1e9).contains(rate) ? rate : nil
            }
        }
        return nil
    }
}
