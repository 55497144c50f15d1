import Checkpoints
import Communication
import Diffusion
import Jobs
import Tensor

extension ParameterVector {
    /// The places of the parameters, as checkpoints name them.
    var checkpointEntries: [Checkpoint.Entry] {
        entries.map { Checkpoint.Entry(name: $0.name, shape: $0.shape, offset: $0.offset, count: $0.count) }
    }
}

extension Session {
    /// The search for the newest valid checkpoint of a model; those passed over are noted in the event log. Called on
    /// one rank.
    ///
    /// - Parameter entries: The parameters that it must have.
    /// - Throws: Also when there are checkpoints, but none that is valid: a run does not silently begin anew.
    func newestCheckpoint(of model: TrainedModel, entries: [Checkpoint.Entry]) throws -> CheckpointSearch {
        let search = try store.newest(model: model.name, jobHash: job.hash, entries: entries)
        for skipped in search.skipped {
            note(
                .checkpointSkipped,
                [
                    "model": .string(model.name), "path": .string(skipped.path), "step": .integer(skipped.step),
                    "steps_lost": .integer(skipped.step - (search.checkpoint?.step ?? 0)),
                    "reason": .string(skipped.reason),
                ])
        }
        if search.checkpoint == nil, let first = search.skipped.first {
            throw DiptychFailure(
                .badData,
                "no checkpoint of \(model.name) can be used; the newest: \(first.reason). Put a good copy back, or remove "
                    + "\(directory.checkpoints(of: model.name)) to train \(model.name) from its first step")
        }
        return search
    }

    /// A trained model for prediction on every rank, read by rank 0 from its newest checkpoint. Collective.
    ///
    /// - Parameters:
    ///   - model: The model.
    ///   - kind: Which of its weights.
    ///   - mustBeFinished: Whether all its steps must be done.
    /// - Throws: When the model has no valid checkpoint, or not that of its last step.
    package func frozenNetwork(
        of model: TrainedModel, weights kind: WeightKind, mustBeFinished: Bool = false
    ) throws -> UNet2D {
        let network = UNet2D(self.network)
        let parameters = ParameterVector(network)
        try world.onRoot {
            let folder = directory.checkpoints(of: model.name)
            guard let checkpoint = try newestCheckpoint(of: model, entries: parameters.checkpointEntries).checkpoint
            else {
                throw DiptychFailure(.badData, "\(model.name) has no checkpoint in \(folder)")
            }
            let steps = job.options(of: model).steps
            guard checkpoint.step == steps || !mustBeFinished else {
                throw DiptychFailure(
                    .badData,
                    "the newest valid checkpoint of \(model.name) in \(folder) is of step \(checkpoint.step), not of its "
                        + "last step, \(steps); run again to train the rest")
            }
            try checkpoint.read(kind == .raw ? .weights : .ema) { parameters.values.copy(from: $1, at: $0) }
        }
        try world.broadcast(
            Shards(paddedCount: parameters.paddedCount, ranks: world.size), in: FloatRegion(parameters.values))
        parameters.valuesChanged()
        return network
    }

    /// What a name on the command line stands for: one model, or `dual` for the teachers in turn. Collective.
    ///
    /// - Parameters:
    ///   - name: The name.
    ///   - weights: Which of the model's weights.
    ///   - guidanceScale: How far classifier-free guidance goes; 1 for none.
    /// - Throws: `DiptychFailure` with code 64 that lists the names there are, or says that the model cannot be guided.
    func denoiser(named name: String, weights: WeightKind, guidanceScale: Double) throws -> any Denoiser {
        guard guidanceScale == 1 || network.nullClass != nil else {
            throw world.shared(
                DiptychFailure(
                    .usage,
                    "the models of this run have no guidance: they were trained without `model.class_dropout`, so the "
                        + "guidance scale must be 1, found \(guidanceScale)"),
                "looking for the model")
        }
        func denoiser(of model: TrainedModel) throws -> any Denoiser {
            let plain = ModelDenoiser(try frozenNetwork(of: model, weights: weights))
            guard guidanceScale != 1, let nullClass = network.nullClass else { return plain }
            return GuidedDenoiser(plain, nullClass: nullClass, scale: guidanceScale)
        }
        if name == "dual", job.taughtModels.count > 1 {
            return AlternatingDenoiser(try job.taughtModels.map(denoiser))
        }
        guard let model = job.models.first(where: { $0.name == name }) else {
            let names = job.models.map(\.name) + (job.taughtModels.count > 1 ? ["dual"] : [])
            throw world.shared(
                DiptychFailure(
                    .usage, "there is no model \(name) in this run; there are \(names.joined(separator: ", "))"),
                "looking for the model")
        }
        return try denoiser(of: model)
    }

    /// Adds the hashes of every model's newest weights. Called on one rank.
    func addHashes(to outcome: inout Outcome) throws {
        for model in job.models {
            guard let manifest = try store.newestManifest(model: model.name) else { continue }
            outcome.weightsSHA256[model.name] = manifest.weightsHash
            outcome.emaSHA256[model.name] = manifest.emaHash
        }
    }

    /// Throws unless the checkpoints still to be written will find room on the disk. Collective.
    ///
    /// - Parameter freeBytes: The bytes free in the file system of a folder.
    /// - Throws: `DiptychFailure` with code 74.
    package func requireSpace(
        freeBytes: (_ folder: String) throws -> Int = CheckpointEstimate.freeBytes
    ) throws {
        try world.onRoot {
            let parameters = UNet2D(network).parameters
            let estimate = CheckpointEstimate(
                parameters: parameters.reduce(0) { $0 + $1.count }, tensors: parameters.count)
            let steps = try job.models.map { ($0, try directory.checkpointSteps(of: $0.name)) }
            let saved = Dictionary(uniqueKeysWithValues: steps)
            let needed = try job.diskBytes(of: estimate, taken: job.takenTeachers(in: directory)) { model in
                let steps = saved[model] ?? []
                return steps.last.map { $0 >= job.options(of: model).steps } == true ? nil : steps.count
            }
            let free = try freeBytes(directory.checkpoints)
            guard free >= needed else {
                throw DiptychFailure(
                    .inputOutput,
                    "\(directory.checkpoints) has room for \(megabytes(free)), but the checkpoints of this run may need "
                        + "\(megabytes(needed)) more: free some space, lower checkpoint.keep, or give another --run")
            }
        }
    }
}

/// A size, rounded up.
func megabytes(_ bytes: Int) -> String { "\((bytes + 999_999) / 1_000_000) MB" }
