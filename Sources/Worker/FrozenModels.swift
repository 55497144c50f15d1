import Checkpoints
import Communication
import Diffusion
import Jobs
import Tensor

extension Session {
    /// A trained model for prediction on every rank, read by rank 0 from its newest checkpoint. Collective.
    ///
    /// - Throws: When the model has no valid checkpoint.
    func frozenNetwork(of model: TrainedModel, weights kind: WeightKind) throws -> UNet2D {
        let network = UNet2D(self.network)
        let parameters = ParameterVector(network)
        try world.onRoot {
            guard let checkpoint = try newestCheckpoint(of: model) else {
                throw DiptychFailure(
                    .badData, "\(model.name) has no valid checkpoint in \(directory.checkpoints(of: model.name))")
            }
            parameters.values.copy(from: kind == .raw ? checkpoint.weights : checkpoint.ema)
        }
        try world.broadcast(
            Shards(paddedCount: parameters.paddedCount, ranks: world.size), in: FloatRegion(parameters.values))
        parameters.valuesChanged()
        return network
    }

    /// What a name on the command line stands for: one model, or `dual` for the teachers in turn.
    ///
    /// - Throws: `DiptychFailure` with code 64 that lists the names there are.
    func denoiser(named name: String, weights: WeightKind) throws -> any Denoiser {
        if name == "dual", job.taughtModels.count > 1 {
            let teachers = try job.taughtModels.map { ModelDenoiser(try frozenNetwork(of: $0, weights: weights)) }
            return AlternatingDenoiser(teachers)
        }
        guard let model = job.models.first(where: { $0.name == name }) else {
            let names = job.models.map(\.name) + (job.taughtModels.count > 1 ? ["dual"] : [])
            throw DiptychFailure(
                .usage, "there is no model \(name) in this run; there are \(names.joined(separator: ", "))")
        }
        return ModelDenoiser(try frozenNetwork(of: model, weights: weights))
    }
}
