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
            let gradients = vector.gradientVector
            for (index, entry) in vector.entries.enumerated() {
                let (buffer, start) = gradients.buffer(holding: entry.offset..<entry.offset + entry.count)
                squares[index] += buffer.squaredNorm(of: start..<start + entry.count)
            }
            gradients.add(all, to: sum)
        }
        let count = Double(timesteps.count)
        let whole = vector.entries.map { entry in
            Float(sum.squaredNorm(of: entry.offset..<entry.offset + entry.count) / (count * count))
        }
        return whole + squares.map { Float($0 / count) }
    }
}

/// GSA: Pang et al., PoPETs 2025 (arXiv 2308.06405), section 4: a classifier that learns members from the squared norms of
/// the gradients, one feature for each parameter tensor W:
///
///     GSA1: |d (1 / T sum_t L_t) / dW|^2      GSA2: 1 / T sum_t |d L_t / dW|^2
///
/// at T = 10 equidistant timesteps; the classifier here is a logistic regression on their logarithms. 10 forward and 10
/// backward passes, 30 evaluations, for both together; those that a shadow model makes about its own images are not counted.
///
/// The paper's attacker learns from shadow models. Norms differ from model to model, so that each model's features are
/// standardised: those of a shadow over its own images, those of the release over the calibration half, whose membership is
/// not used. The variant `-calibrated` learns from the calibration half instead: an attacker who knows the membership of
/// some images of the very run, rather than one who trains models.
package struct GradientNorms: MembershipAttack {
    /// Which of the paper's two ways to average over timesteps.
    package enum Average: Int, Sendable {
        /// The gradient of the mean loss.
        case loss = 1
        /// The mean of the gradients' squared norms.
        case gradients
    }

    /// Whose images the classifier learns from.
    package enum Reference: Sendable, CaseIterable {
        /// Those of shadow models.
        case shadows
        /// The calibration half.
        case calibration
    }

    private let average: Average
    private let reference: Reference
    private let gradients: GradientMeasurement
    package var measurement: any AttackMeasurement { gradients }
    package var access: AttackAccess { reference == .shadows ? .training : .weights }
    package var shadowImages: ShadowModel.Images? { reference == .shadows ? .own : nil }
    package var isFitted: Bool { reference == .calibration }
    package var name: String { "gsa\(average.rawValue)" + (reference == .shadows ? "" : "-calibrated") }
    package var title: String {
        "GSA\(average.rawValue), fitted to "
            + (reference == .shadows ? "shadow models" : "the calibration half") + " (arXiv 2308.06405)"
    }

    init(_ average: Average, from reference: Reference, _ schedule: NoiseSchedule, tensors: Int) {
        self.average = average
        self.reference = reference
        gradients = GradientMeasurement(schedule, tensors: tensors)
    }

    package func scores(_ table: MeasurementTable, _ population: Population) -> [ScoredSetting] {
        let own = features(table)
        switch reference {
        case .calibration:
            return setting(
                LogisticRegression.fit(own, labels: population.isMember, rows: population.calibration), own)
        case .shadows:
            var (known, labels) = ([[Double]](), [Bool]())
            for shadow in population.shadows {
                guard let table = shadow.table(of: gradients, on: .own) else { continue }
                let features = features(table)
                known += Standardization(features, rows: Array(features.indices))(features)
                labels += shadow.isMember
            }
            precondition(!known.isEmpty, "no shadow model was asked for its gradients")
            return setting(
                LogisticRegression.fit(known, labels: labels, rows: Array(known.indices)),
                Standardization(own, rows: population.calibration)(own))
        }
    }

    private func features(_ table: MeasurementTable) -> [[Double]] {
        let start = average == .loss ? 0 : gradients.tensors
        return (0..<table.count).map { row in
            table.row(row, start..<start + gradients.tensors).map { log(Double($0) + 1e-30) }
        }
    }

    private func setting(_ regression: LogisticRegression, _ features: [[Double]]) -> [ScoredSetting] {
        [
            ScoredSetting(
                settings: ["ridge": "\(regression.ridge)"], evaluations: Double(gradients.evaluations),
                scores: features.map(regression.score))
        ]
    }
}
