import Checkpoints
import Communication
import Jobs
import Tensor

/// Brings one model's state, spread over the ranks of its group, into checkpoints and back.
///
/// The group's first rank reads and writes files; the shards of the moments and of the moving average travel to and from
/// it. Writing goes on in the background, from a copy on disk.
package final class ModelArchive {
    private let session: Session
    private let model: TrainedModel
    private let trainer: Trainer
    private let group: any Communicator
    private let writer: CheckpointWriter?
    private let entries: [Checkpoint.Entry]
    /// How long the checkpoints that are being written have taken so far, by step.
    private var clocks: [Int: Stopwatch] = [:]

    /// The archive of a model in training.
    package init(session: Session, model: TrainedModel, trainer: Trainer) {
        self.session = session
        self.model = model
        self.trainer = trainer
        group = trainer.group
        writer = group.rank == 0 ? CheckpointWriter(store: session.store, keeping: session.job.checkpoint.keep) : nil
        entries = trainer.parameters.checkpointEntries
    }

    private var shards: Shards { trainer.plan.shards }

    // MARK: Reading

    /// Loads the newest valid checkpoint into the model; if there is none, that of the run which the job takes its teachers
    /// from. Collective.
    ///
    /// - Returns: The number of updates it holds; 0 if there is none.
    package func restore() throws -> Int {
        var found: SavedCheckpoint?
        let step = try group.onRoot {
            // A folder that cannot be written shows now and not after the first hours.
            try session.store.prepareForWriting(model: model.name)
            let search = try session.newestCheckpoint(of: model, entries: entries)
            found = search.checkpoint
            if let found {
                session.note(
                    .resumed,
                    [
                        "model": .string(model.name), "step": .integer(found.step),
                        "steps_lost": .integer(search.stepsLost),
                    ])
            } else {
                found = try session.takeTeacher(model, entries: entries)
            }
            return found?.step ?? 0
        }
        guard step > 0 else { return 0 }
        let optimizer = trainer.optimizer
        try scatter(.ema, of: found, into: optimizer.movingAverage)
        try scatter(.firstMoment, of: found, into: optimizer.firstMoment)
        try scatter(.secondMoment, of: found, into: optimizer.secondMoment)
        // Last: the other vectors have come through the weights' memory.
        try read(.weights, of: found)
        try group.broadcast(shards, in: FloatRegion(trainer.parameters.values))
        trainer.parameters.valuesChanged()
        return step
    }

    /// Reads a vector into the memory of the first rank's weights: a rank that trains has none left for another. The padding
    /// stays zero. Collective, so that nobody waits for what cannot be read.
    private func read(_ vector: Checkpoint.Vector, of checkpoint: SavedCheckpoint?) throws {
        let values = trainer.parameters.values
        try group.onRoot {
            if let checkpoint { try checkpoint.read(vector) { values.copy(from: $1, at: $0) } }
        }
    }

    /// Deals a vector out to everybody's shards. Collective.
    ///
    /// - Parameter checkpoint: What it is read from; nil but on the group's first rank.
    private func scatter(
        _ vector: Checkpoint.Vector, of checkpoint: SavedCheckpoint?, into shard: FloatBuffer
    ) throws {
        try read(vector, of: checkpoint)
        let exchange = try group.makeExchange(for: "restore \(model.name)")
        if checkpoint != nil {
            let whole = trainer.parameters.values
            for peer in 1..<max(1, group.size) where !shards[peer].isEmpty {
                _ = try exchange.send(FloatRegion(whole)[shards[peer]], to: peer)
            }
            shard.copy(from: whole, range: shards[0], at: 0)
        } else if shard.count > 0 {
            _ = try exchange.receive(into: FloatRegion(shard), from: 0)
        }
        try exchange.wait()
    }

    // MARK: Writing

    /// Begins to make room for the copies of the state, where steps will be done. After ``restore()``: what killed processes
    /// left in the model's folder is removed then, by one thread alone. No collective.
    package func makeRoom() {
        writer?.makeRoom(model: model.name, parameters: trainer.parameters.count)
    }

    /// Gathers the state on the first rank and begins to write it. Collective.
    ///
    /// An earlier checkpoint that could not be written does not stop training, unless the job says so: the old ones stay,
    /// and the event log says so.
    ///
    /// - Parameter isLast: Whether no other follows. Then one before that has failed does not matter, whatever the job says.
    /// - Throws: On every rank, when the state holds a number that is not finite: it is never saved. With
    ///   `checkpoint.on_failure: end` also when the checkpoint before could not be written.
    package func save(step: Int, isLast: Bool = false) throws {
        // At most one copy of the state waits to be written.
        if endsOnFailure, !isLast { try finish() } else { settle() }
        clocks[step] = Stopwatch()
        let staged = writer?.stage(
            model: model.name, phase: model.phase.rawValue, step: step, jobHash: session.job.hash, entries: entries)
        try trainer.stage(into: staged)
        try group.onRoot {
            if let staged { try writer?.save(staged) }
        }
    }

    /// Notes the checkpoints that have been written and verified since the last call. No collective.
    package func noteSaved() {
        for manifest in writer?.takeSaved() ?? [] {
            session.note(
                .checkpoint,
                [
                    "model": .string(manifest.model), "step": .integer(manifest.step), "bytes": .integer(manifest.size),
                    "sha256": .string(manifest.sha256),
                    "seconds": .number(clocks.removeValue(forKey: manifest.step)?.seconds ?? 0),
                ])
        }
    }

    private var endsOnFailure: Bool { session.job.checkpoint.onFailure == .end }

    /// Whether a checkpoint could not be written and the job wants to end then. Does not wait; false but on the first rank.
    package var mustEnd: Bool { endsOnFailure && writer?.hasFailed == true }

    /// Waits for the checkpoint on its way, and notes what became of it. No collective.
    ///
    /// - Parameter endsRun: Whether the run is about to end with another error.
    package func settle(endsRun: Bool = false) {
        do {
            try writer?.finish()
        } catch {
            session.noteFailure("checkpoint of \(model.name)", error, endsRun: endsRun)
        }
        noteSaved()
    }

    /// Waits until the checkpoint on its way is written. Collective.
    ///
    /// - Throws: On every rank, when it could not be.
    package func finish() throws {
        try group.onRoot {
            defer { noteSaved() }
            do {
                try writer?.finish()
            } catch {
                session.noteFailure("checkpoint of \(model.name)", error, endsRun: true)
                throw error
            }
        }
    }
}
