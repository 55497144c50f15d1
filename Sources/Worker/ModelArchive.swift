import Checkpoints
import Communication
import Jobs
import Tensor

/// Brings one model's state, spread over the ranks of its group, into checkpoints and back.
///
/// The group's first rank reads and writes files; the shards of the moments and of the moving average travel to and from
/// it. Writing goes on in the background, from a copy.
final class ModelArchive {
    private let session: Session
    private let model: TrainedModel
    private let trainer: Trainer
    private let writer: CheckpointWriter?
    private let entries: [Checkpoint.Entry]

    init(session: Session, model: TrainedModel, trainer: Trainer) {
        self.session = session
        self.model = model
        self.trainer = trainer
        writer = trainer.group.rank == 0 ? CheckpointWriter(store: session.store, keeping: session.job.checkpoint.keep) : nil
        entries = trainer.parameters.entries.map {
            Checkpoint.Entry(name: $0.name, shape: $0.shape, offset: $0.offset, count: $0.count)
        }
    }

    private var shards: Shards { trainer.plan.shards }

    /// Loads the newest valid checkpoint into the model. Collective.
    ///
    /// - Returns: The number of updates it holds; 0 if there is none.
    func restore() throws -> Int {
        var found: Checkpoint?
        let step = try trainer.group.onRoot {
            found = try session.newestCheckpoint(of: model, entries: entries)
            return found?.step ?? 0
        }
        guard step > 0 else { return 0 }
        let padding = [Float](repeating: 0, count: shards.count - trainer.parameters.count)
        let exchange = try trainer.group.makeExchange(for: "restore \(model.name)")
        let optimizer = trainer.optimizer
        var sent: [FloatRegion] = []
        for (vector, shard) in [
            (found?.ema, optimizer.movingAverage), (found?.firstMoment, optimizer.firstMoment),
            (found?.secondMoment, optimizer.secondMoment),
        ] {
            guard let vector else {
                _ = try exchange.receive(into: FloatRegion(shard), from: 0)
                continue
            }
            let whole = FloatRegion(vector + padding)
            FloatRegion(shard).copy(from: whole[optimizer.shard])
            for peer in 1..<max(1, trainer.group.size) where !shards[peer].isEmpty {
                _ = try exchange.send(whole[shards[peer]], to: peer)
            }
            sent.append(whole)
        }
        try exchange.wait()
        if let found { trainer.parameters.values.copy(from: found.weights) }
        try trainer.group.broadcast(shards, in: FloatRegion(trainer.parameters.values))
        trainer.parameters.valuesChanged()
        return step
    }

    /// Gathers the state on the first rank and begins to write it. Collective.
    ///
    /// A checkpoint that cannot be written does not stop training: the old ones stay, and the event log says so.
    func save(step: Int) throws {
        let count = trainer.parameters.count
        let optimizer = trainer.optimizer
        let exchange = try trainer.group.makeExchange(for: "save \(model.name)")
        var gathered: [[Float]] = []
        for shard in [optimizer.movingAverage, optimizer.firstMoment, optimizer.secondMoment] {
            guard trainer.group.rank == 0 else {
                if shard.count > 0 { _ = try exchange.send(FloatRegion(shard), to: 0) }
                continue
            }
            let whole = FloatRegion(zeros: shards.count)
            whole[optimizer.shard].copy(from: FloatRegion(shard))
            for peer in 1..<max(1, trainer.group.size) where !shards[peer].isEmpty {
                _ = try exchange.receive(into: whole[shards[peer]], from: peer)
            }
            try exchange.wait()
            gathered.append(Array(whole.scalars[..<count]))
        }
        try exchange.wait()
        guard let writer else { return }
        let checkpoint = Checkpoint(
            model: model.name, phase: model.phase.rawValue, step: step, jobHash: session.job.hash, ledger: "{}",
            entries: entries, weights: trainer.parameters.values[0..<count], ema: gathered[0],
            firstMoment: gathered[1], secondMoment: gathered[2])
        session.tolerate("checkpoint") { try writer.save(checkpoint) }
    }

    /// Waits until the last checkpoint is written. Collective.
    ///
    /// - Throws: On every rank, when the model's last state could not be saved.
    func finish() throws {
        try trainer.group.onRoot { try writer?.finish() }
    }
}
