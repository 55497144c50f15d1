import Diffusion
import Foundation
import Tensor

/// Quantile regression: Tang et al., ICML 2024 (arXiv 2312.05140): how small the t-error of an image is, for an image like
/// this. Networks learn quantiles of the t-error of images that are *not* members, given the image; each, a weak attacker, has
/// learnt from another bootstrap of them and says member where the t-error is below its quantile, and the majority is believed.
///
/// The score is the median over the attackers of the predicted quantile, less the image's own t-error, both as logarithms: it
/// exceeds c exactly where the majority says member when all their quantiles are lowered by c.
///
/// Seven attackers, each a ``ResidualNetwork`` for the quantiles 0.05, 0.2 and 0.5: pinball loss, AdamW with learning rate 1e-3
/// that falls linearly over the second half and weight decay 5e-4, 15 epochs in batches of 32 over a bootstrap of the held-out
/// images of the calibration half. Number, networks and quantiles are ours. 11 evaluations, those of SecMI at t = 90.
package struct QuantileRegression: TrainedAttack {
    package let name = "quantile"
    package let title = "Quantile regression of the t-error, vote of 7 (arXiv 2312.05140)"
    package let access = AttackAccess.predictions
    /// Odd, so that there is a majority.
    package let networks = 7
    package var outputs: Int { Self.quantiles.count }
    package let trainingCost = 0.5
    private static let quantiles: [Float] = [0.05, 0.2, 0.5]
    private let residuals: SecMIMeasurement
    private let randomness: @Sendable (_ seed: UInt64) -> TrainingRandomness
    package var measurement: any AttackMeasurement { residuals }

    /// - Parameters:
    ///   - schedule: The release's forward process.
    ///   - randomness: First weights, bootstraps and orders, from the job's seed.
    package init(
        _ schedule: NoiseSchedule,
        randomness: @escaping @Sendable (UInt64) -> TrainingRandomness = { TrainingRandomness(seed: $0, first: 2) }
    ) {
        residuals = SecMIMeasurement(schedule)
        self.randomness = randomness
    }

    /// The logarithm of each image's t-error, less their mean over the calibration half's held-out images.
    private func errors(_ table: MeasurementTable, _ others: [Int]) -> [Double] {
        let place = residuals.positions.firstIndex(of: residuals.imagePosition) ?? 0
        let errors = table.column(place * ResidualNorms.width).map { log($0 + 1e-30) }
        let mean = others.reduce(0) { $0 + errors[$1] } / Double(max(1, others.count))
        return errors.map { $0 - mean }
    }

    private func others(_ population: Population) -> [Int] {
        population.calibration.filter { !population.isMember[$0] }
    }

    package func answers(of network: Int, _ table: MeasurementTable, _ population: Population) -> [Float] {
        let others = others(population)
        let errors = errors(table, others)
        let size = population.shape.reduce(1, *)
        let images = ImageRows(count: table.count, shape: population.shape) { row in
            population.images[row * size..<(row + 1) * size]
        }
        let random = randomness(population.seed)
        let attacker = ResidualNetwork(shape: population.shape, outputs: outputs)
        let parameters = ParameterVector(attacker)
        random.initialize(parameters, attacker.parameters, network)
        let adam = Adam(weightDecay: 5e-4, decoupled: true)
        let moments = (FloatBuffer(count: parameters.paddedCount), FloatBuffer(count: parameters.paddedCount))
        let training = NetworkTraining(epochs: 15, batch: 32) { parameters, step, steps in
            let rate = LearningRateSchedule(learningRate: 1e-3, decaySteps: steps / 2, steps: steps)
            adam.update(
                values: parameters.values, gradients: parameters.gradients, firstMoment: moments.0,
                secondMoment: moments.1, ema: nil, range: 0..<parameters.paddedCount, step: step,
                learningRate: rate.learningRate(at: step))
        }
        training.train(
            attacker, of: parameters, on: images, rows: random.bootstrap(others.count, network).map { others[$0] },
            order: { random.order(others.count, network, $0) }
        ) { row, outputs in
            // d/dq of the pinball loss max(a (y - q), (a - 1) (y - q)).
            zip(Self.quantiles, outputs).map { quantile, output in
                Float(errors[row]) > output ? -quantile : 1 - quantile
            }
        }
        return attacker.answers(to: images)
    }

    package func scores(
        from answers: [[Float]], _ table: MeasurementTable, _ population: Population
    ) -> [ScoredSetting] {
        let errors = errors(table, others(population))
        return Self.quantiles.enumerated().map { index, quantile in
            ScoredSetting(
                settings: ["quantile": "\(quantile)", "timestep": "\(residuals.chain[residuals.imagePosition])"],
                evaluations: Double(residuals.imagePosition + 2),
                scores: errors.indices.map { row in
                    let predicted = answers.map { Double($0[row * outputs + index]) }.sorted()
                    return predicted[predicted.count / 2] - errors[row]
                })
        }
    }
}
