import Diffusion
import Foundation
import Tensor

/// SecMI NNs: Duan et al., ICML 2023 (arXiv 2302.01316), section 4.3: a network that learns members from the residual image
/// at t = 90:
///
///     score = network(|psi(phi(x_t), t + 10) - x_t|)
///
/// with DDIM's step phi from t to t + 10, its step psi back, and x_t from the deterministic inversion (``SecMIMeasurement``).
///
/// As the authors' code has it: a ``ResNet18`` with one output, mean squared error to 1 for members and 0 for others, stochastic
/// gradient descent with learning rate 1e-3, momentum 0.9 and weight decay 5e-4, 15 epochs in batches of 128, no augmentation.
/// Otherwise than there it is trained on the calibration half, not on the first 20 %; the residuals are scaled to a mean square
/// of 1 over it; an epoch's batches are of equal size; and the last epoch counts. 11 evaluations.
package struct SecMINetworks: TrainedAttack {
    package let name = "secmi-nns"
    package let title = "SecMI, ResNet-18 on the residual (arXiv 2302.01316)"
    package let access = AttackAccess.predictions
    package let networks = 1
    package let outputs = 1
    package let trainingCost = 25.0
    private let residuals: SecMIMeasurement
    private let epochs: Int
    private let batch: Int
    private let randomness: @Sendable (_ seed: UInt64) -> TrainingRandomness
    package var measurement: any AttackMeasurement { residuals }

    /// - Parameters:
    ///   - schedule: The release's forward process.
    ///   - epochs: Passes over the calibration half.
    ///   - batch: The most images of a batch.
    ///   - randomness: First weights and orders, from the job's seed.
    package init(
        _ schedule: NoiseSchedule, epochs: Int = 15, batch: Int = 128,
        randomness: @escaping @Sendable (UInt64) -> TrainingRandomness = { TrainingRandomness(seed: $0, first: 1) }
    ) {
        residuals = SecMIMeasurement(schedule)
        self.epochs = epochs
        self.batch = batch
        self.randomness = randomness
    }

    package func answers(of network: Int, _ table: MeasurementTable, _ population: Population) -> [Float] {
        let columns = residuals.imageStart..<table.width
        // Residuals are small beside the norms' epsilon.
        let square = population.calibration.reduce(0.0) { sum, row in
            sum + table.row(row, columns).reduce(0) { $0 + Double($1) * Double($1) }
        }
        let values = Double(max(1, population.calibration.count * columns.count))
        let factor = Float(1 / max((square / values).squareRoot(), 1e-20))
        let images = ImageRows(count: table.count, shape: population.shape) { row in
            table.row(row, columns).map { $0 * factor }[...]
        }
        let random = randomness(population.seed)
        let classifier = ResNet18(channels: population.shape[0], outputs: outputs)
        let parameters = ParameterVector(classifier)
        random.initialize(parameters, classifier.parameters, network)
        let descent = MomentumDescent(momentum: 0.9, weightDecay: 5e-4)
        let velocities = FloatBuffer(count: parameters.paddedCount)
        let training = NetworkTraining(epochs: epochs, batch: batch) { parameters, _, _ in
            descent.update(
                values: parameters.values, gradients: parameters.gradients, velocities: velocities,
                range: 0..<parameters.paddedCount, learningRate: 1e-3)
        }
        training.train(
            classifier, of: parameters, on: images, rows: population.calibration,
            order: { random.order(population.calibration.count, network, $0) }
        ) { row, output in
            [2 * ((output.first ?? 0) - (population.isMember[row] ? 1 : 0))]
        }
        return classifier.answers(to: images)
    }

    package func scores(
        from answers: [[Float]], _ table: MeasurementTable, _ population: Population
    ) -> [ScoredSetting] {
        [
            ScoredSetting(
                settings: ["timestep": "\(residuals.chain[residuals.imagePosition])"],
                evaluations: Double(residuals.imagePosition + 2), scores: answers[0].map { Double($0) })
        ]
    }
}
