import Diffusion
import Foundation
import Jobs
import Privacy
import Tensor

/// A model, or several in turn, as the audit attacks it.
struct AuditedView {
    /// `baseline`, `student`, `teacher-0`, ..., or `dual`.
    let name: String
    /// What attackers query.
    let model: AttackedModel
    /// Hash of the weights, the forward process and the network: with the measurement, what scores depend on.
    let hash: String
    /// The part that the model was trained on, where it is one of several teachers; nil otherwise.
    let part: Int?
    /// Number of parameter tensors, where gradients can be taken.
    var tensors: Int? { model.weights?.parameters.entries.count }
}

extension Session {
    /// What a run releases, and for DualMD each of its models too. Collective.
    ///
    /// - Parameter weights: Which of the models' weights.
    func auditedViews(weights: WeightKind) throws -> [AuditedView] {
        guard job.defence == .dualMD else {
            let name = job.student ?? job.taughtModels[0]
            return [try view(of: name, part: nil, weights: weights)]
        }
        let teachers = try job.taughtModels.enumerated().map { part, model in
            try view(of: model, part: part, weights: weights)
        }
        let dual = AuditedView(
            name: "dual",
            model: AttackedModel(
                denoiser: AlternatingDenoiser(teachers.map(\.model.denoiser)), diffusion: diffusion),
            hash: hexadecimalSHA256("dual " + teachers.map(\.hash).joined(separator: " ")), part: nil)
        return [dual] + teachers
    }

    private func view(of model: TrainedModel, part: Int?, weights: WeightKind) throws -> AuditedView {
        let network = try frozenNetwork(of: model, weights: weights, mustBeFinished: true)
        let attacked = AttackedModel(network, diffusion: diffusion)
        var hash = ""
        if let vector = attacked.weights?.parameters {
            hash = hexadecimalSHA256(bytes(of: vector.values[0..<vector.count]))
        }
        let process = "\(self.network) \(job.diffusion)"
        return AuditedView(
            name: model.name, model: attacked, hash: hexadecimalSHA256("\(hash) \(process)"), part: part)
    }
}
