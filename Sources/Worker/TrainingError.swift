/// Training that cannot go on. Thrown on every rank of the group alike, before the weights were touched.
package enum TrainingError: Error, CustomStringConvertible {
    /// The first lane whose loss is not a finite number.
    case lossNotFinite(step: Int, lane: Int, loss: Double)
    /// The norm of the sum over lanes is not, although every lane's loss is.
    case gradientNotFinite(step: Int, norm: Double)
    /// These ranks of the group have computed the step with other weights than the rest; with no majority, all ranks.
    case replicasDiffer(step: Int, ranks: [Int])

    /// What happened, for a message that names the model.
    package var description: String {
        switch self {
        case .lossNotFinite(let step, let lane, let loss):
            "the loss of lane \(lane) at step \(step) is \(text(loss))"
        case .gradientNotFinite(let step, let norm):
            "the gradient's norm at step \(step) is \(text(norm)) although every lane's loss is finite"
        case .replicasDiffer(let step, let ranks):
            "ranks \(ranks) of the group have computed step \(step) with other weights than the rest"
        }
    }

    /// The sign of what is no number means nothing.
    private func text(_ value: Double) -> String { value.isNaN ? "nan" : "\(value)" }
}
