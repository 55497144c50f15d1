import Checkpoints
import Communication
import Datasets
import Diffusion
import Jobs
import Tensor

/// What all phases of a run work with: the ranks, the directory, the job, the data, the logs.
final class Session {
    let world: any Communicator
    let directory: RunDirectory
    let job: Job
    let store: CheckpointStore
    let events: EventLog
    let catalogue: Catalogue
    let network: UNetConfiguration
    let diffusion: GaussianDiffusion

    /// Opens a prepared run on all ranks. Collective.
    ///
    /// Every rank reads the data; their hash must be the same on all, and so must the numerics profile.
    init(world: any Communicator, directory: RunDirectory) throws {
        self.world = world
        self.directory = directory
        job = try world.onEveryRank("reading the job") { try directory.readJob() }
        try world.requireAgreement(on: job.hash, named: "the job's hash")
        store = CheckpointStore(
            directory: directory.checkpoints, storage: .compressed(level: job.checkpoint.compressionLevel))
        let rank = world.rank
        events = try world.onEveryRank("opening the event log") {
            try EventLog(path: directory.events, rank: rank)
        }
        try Session.compareProfiles(world)
        let source = job.source
        catalogue = try world.onEveryRank("reading the images") { try Catalogue.load(source) }
        try world.requireAgreement(on: catalogue.hash.description, named: "the hash of the images")
        network = job.network(of: catalogue)
        try network.validate()
        diffusion = job.gaussianDiffusion
    }

    /// Ranks that would compute other bits than rank 0 are named, with what differs.
    private static func compareProfiles(_ world: any Communicator) throws {
        let profiles = try world.allGather(NumericsProfile.current())
        for (rank, profile) in profiles.enumerated() {
            let differences = profile.differences(from: profiles[0])
            guard differences.isEmpty else {
                throw DiptychFailure(
                    .usage,
                    "rank \(rank) would not compute the same bits as rank 0: \(differences.joined(separator: "; ")). "
                        + "Run on nodes of one kind, with the same libraries")
            }
        }
    }

    /// Runs something whose failure must not end a training run, such as a log on a full disk; the event log keeps it.
    func tolerate(_ what: String, _ body: () throws -> Void) {
        do {
            try body()
        } catch {
            events.append(.writeFailed, ["what": .string(what), "reason": .string("\(error)")])
        }
    }

    /// This rank's sign of life.
    func beat(_ task: TrainingTask, step: Int, loss: Double?, imagesPerSecond: Double) {
        beat(
            phase: task.model.phase, model: task.model.name, step: step, total: task.options.steps, loss: loss,
            imagesPerSecond: imagesPerSecond)
    }

    /// This rank's sign of life.
    func beat(
        phase: Phase, model: String = "", step: Int = 0, total: Int = 0, loss: Double? = nil,
        imagesPerSecond: Double = 0
    ) {
        Heartbeat(
            rank: world.rank, phase: phase, model: model, step: step, totalSteps: total, loss: loss,
            imagesPerSecond: imagesPerSecond
        ).write(to: directory)
    }

    /// The newest valid checkpoint of a model; those passed over are noted in the event log. Called on one rank.
    ///
    /// - Parameter entries: The parameters that it must have.
    /// - Throws: Also when there are checkpoints, but none that is valid: a run does not silently begin anew.
    func newestCheckpoint(of model: TrainedModel, entries: [Checkpoint.Entry]? = nil) throws -> Checkpoint? {
        let search = try store.newest(model: model.name, jobHash: job.hash, entries: entries)
        for skipped in search.skipped {
            events.append(
                .checkpointSkipped, ["path": .string(skipped.path), "reason": .string(skipped.reason)])
        }
        if search.checkpoint == nil, let first = search.skipped.first {
            throw DiptychFailure(
                .badData,
                "no checkpoint of \(model.name) can be used; the newest: \(first.reason). Put a good copy back, or remove "
                    + "\(directory.checkpoints(of: model.name)) to train \(model.name) from its first step")
        }
        if let checkpoint = search.checkpoint {
            events.append(.resumed, ["model": .string(model.name), "step": .integer(checkpoint.step)])
        }
        return search.checkpoint
    }
}
