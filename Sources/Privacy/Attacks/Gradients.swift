import Diffusion
import Foundation
import Tensor

/// Squared norms of the gradient of an image's loss, one for each parameter tensor; the features of GSA.
///
/// At ten timesteps that divide 0..<T evenly, with one noise at each, L_t = mean (target - network(x_t, t))^2. Kept are
/// |d (mean_t L_t) / dW|^2 of each tensor W (GSA1), then mean_t |d L_t / dW|^2 (GSA2). A forward and a backward pass for
/// each timestep, one image at a time.
package struct GradientMeasurement: AttackMeasurement {
    package let name = "gradients"
    let timesteps: [Int]
    /// Number of parameter tensors.
    let tensors: Int

    package init(_ schedule: NoiseSchedule, tensors: Int) {
        let count = min(10, schedule.timesteps)
        timesteps = (0..<count).map { (2 * $0 + 1) * schedule.timesteps / (2 * count) }
        self.tensors = tensors
    }

    package var evaluations: Int { 3 * timesteps.count }
    package func width(imageSize: Int) -> Int { 2 * tensors }

    package func measure(_ batch: CandidateBatch, of model: AttackedModel) -> [Float] {
        guard let weights = model.weights else { preconditionFailure("gradients need the weights of one network") }
        precondition(
            weights.parameters.entries.count == tensors,
            "the network has \(weights.parameters.entries.count) tensors, not \(tensors)")
        let noises = timesteps.indices.map { batch.normal(.gradients, draw: $0) }
        return (0..<batch.count).flatMap { features(image: $0, of: batch, noises: noises, model, weights) }
    }

    private func features(
        image: Int, of batch: CandidateBatch, noises: [[Float]], _ model: AttackedModel, _ weights: AttackedWeights
    ) -> [Float] {
        let range = image * batch.size..<(image + 1) * batch.size
        let shape = [1] + batch.shape
        let clean = Tensor(Array(batch.images[range]), shape: shape)
        let vector = weights.parameters
        let sum = FloatBuffer(count: vector.paddedCount)
        let all = 0..<vector.paddedCount
        sum.fill(all, with: 0)
        var squares = [Double](repeating: 0, count: tensors)
        let schedule = model.diffusion.schedule
        for (timestep, noise) in zip(timesteps, noises) {
            let epsilon = Tensor(Array(noise[range]), shape: shape)
            let noised = schedule.addNoise(clean, noise: epsilon, timesteps: [timestep])
            let target = model.diffusion.prediction.target(
                images: clean, noise: epsilon, timesteps: [timestep], schedule: schedule)
            let tape = Tape(recording: true)
            let output = weights.network(
                noised, timesteps: [timestep], labels: batch.labels.map { [$0[image]] }, on: tape)
            vector.clearGradients()
            tape.backward(from: tape.meanSquaredError(output, target))
            let gradients = vector.gradients
            for (index, entry) in vector.entries.enumerated() {
                squares[index] += gradients.squaredNorm(of: entry.offset..<entry.offset + entry.count)
            }
            sum.add(gradients, range: all)
        }
        let count = Double(timesteps.count)
        let whole = vector.entries.map { entry in
            Float(sum.squaredNorm(of: entry.offset..<entry.offset + entry.count) / (count * count))
        }
        return whole + squares.map { Float($0 / count) }
    }
}

/// GSA: Pang et al., PoPETs 2025 (arXiv 2308.06405), section 4, with the calibration half in place of shadow models: a
/// logistic regression on the logarithms of the gradients' squared norms, fitted to the calibration half. That is an
/// attacker who knows the membership of some images of the very run, rather than one who trains models of their own.
/// 10 forward and 10 backward passes.
package struct GradientNorms: MembershipAttack {
    /// Which of the paper's two ways to average over timesteps.
    package enum Average: Int, Sendable {
        /// The gradient of the mean loss.
        case loss = 1
        /// The mean of the gradients' squared norms.
        case gradients
    }

    private let average: Average
    private let gradients: GradientMeasurement
    package let access = AttackAccess.weights
    package var measurement: any AttackMeasurement { gradients }
    package var name: String { "gsa\(average.rawValue)-calibrated" }
    package var title: String { "GSA\(average.rawValue), fitted to the calibration half (arXiv 2308.06405)" }

    init(_ average: Average, _ schedule: NoiseSchedule, tensors: Int) {
        self.average = average
        gradients = GradientMeasurement(schedule, tensors: tensors)
    }

    package func scores(_ table: MeasurementTable, _ population: Population) -> [ScoredSetting] {
        let start = average == .loss ? 0 : gradients.tensors
        let features = (0..<table.count).map { row in
            table.row(row, start..<start + gradients.tensors).map { log(Double($0) + 1e-30) }
        }
        let regression = LogisticRegression.fit(
            features, labels: population.isMember, rows: population.calibration)
        return [
            ScoredSetting(
                settings: ["ridge": "\(regression.ridge)"], evaluations: Double(gradients.evaluations),
                scores: features.map(regression.score))
        ]
    }
}
