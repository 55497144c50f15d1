import Diffusion
import Foundation

/// SecMI NNs: Duan et al., ICML 2023 (arXiv 2302.01316), section 4.3: a network that learns members from the residual image
/// |psi(phi(x_t)) - x_t| at t = 90, squared error to 0 and 1, 15 epochs.
///
/// The paper's network is a ResNet-18 trained on the first 20 % of both sides; here it is the small ``ResidualNetwork``,
/// trained on the calibration half. 11 evaluations.
package struct SecMINetworks: MembershipAttack {
    package let name = "secmi-nns"
    package let title = "SecMI, small network on the residual (arXiv 2302.01316)"
    package let access = AttackAccess.predictions
    package let isFitted = true
    private let residuals: SecMIMeasurement
    package var measurement: any AttackMeasurement { residuals }

    package init(_ schedule: NoiseSchedule) { residuals = SecMIMeasurement(schedule) }

    package func scores(_ table: MeasurementTable, _ population: Population) -> [ScoredSetting] {
        let columns = residuals.imageStart..<table.width
        // Residuals are small; the network is given them with a mean square of 1 over the calibration images.
        let square = population.calibration.reduce(0.0) { sum, row in
            sum + table.row(row, columns).reduce(0) { $0 + Double($1) * Double($1) }
        }
        let values = Double(max(1, population.calibration.count * columns.count))
        let factor = Float(1 / max((square / values).squareRoot(), 1e-20))
        let scaled = (0..<table.count).map { row in table.row(row, columns).map { $0 * factor } }
        let network = ResidualNetwork(shape: population.shape, outputs: 1)
        network.train({ scaled[$0][...] }, rows: population.calibration, epochs: 15, seed: population.seed) {
            row, output in
            [2 * ((output.first ?? 0) - (population.isMember[row] ? 1 : 0))]
        }
        let timestep = residuals.chain[residuals.imagePosition]
        return [
            ScoredSetting(
                settings: ["timestep": "\(timestep)"], evaluations: Double(residuals.imagePosition + 2),
                scores: network.predict({ scaled[$0][...] }, count: table.count).map { $0[0] })
        ]
    }
}

/// Quantile regression: Tang et al., ICML 2024 (arXiv 2312.05140): how small the t-error of an image is, for an image like
/// this. A network learns quantiles of the t-error of images that are *not* members, given the image; the score is the
/// predicted quantile minus the image's own t-error, both as logarithms.
///
/// One ``ResidualNetwork`` for the quantiles 0.05, 0.2 and 0.5 (pinball loss, 15 epochs on the held-out images of the
/// calibration half), where the paper has a vote of several. 11 evaluations, those of SecMI at t = 90.
package struct QuantileRegression: MembershipAttack {
    package let name = "quantile"
    package let title = "Quantile regression of the t-error (arXiv 2312.05140)"
    package let access = AttackAccess.predictions
    package let isFitted = true
    private static let quantiles: [Float] = [0.05, 0.2, 0.5]
    private let residuals: SecMIMeasurement
    package var measurement: any AttackMeasurement { residuals }

    package init(_ schedule: NoiseSchedule) { residuals = SecMIMeasurement(schedule) }

    package func scores(_ table: MeasurementTable, _ population: Population) -> [ScoredSetting] {
        let place = residuals.positions.firstIndex(of: residuals.imagePosition) ?? 0
        let errors = table.column(place * ResidualNorms.width).map { log($0 + 1e-30) }
        let others = population.calibration.filter { !population.isMember[$0] }
        let mean = others.reduce(0) { $0 + errors[$1] } / Double(max(1, others.count))
        let size = population.shape.reduce(1, *)
        let images = { (row: Int) in population.images[row * size..<(row + 1) * size] }
        let network = ResidualNetwork(shape: population.shape, outputs: Self.quantiles.count)
        network.train(images, rows: others, epochs: 15, seed: population.seed) { row, outputs in
            // d/dq of the pinball loss max(a (y - q), (a - 1) (y - q)).
            zip(Self.quantiles, outputs).map { quantile, output in
                Float(errors[row] - mean) > output ? -quantile : 1 - quantile
            }
        }
        let predicted = network.predict(images, count: table.count)
        return Self.quantiles.enumerated().map { index, quantile in
            ScoredSetting(
                settings: ["quantile": "\(quantile)", "timestep": "\(residuals.chain[residuals.imagePosition])"],
                evaluations: Double(residuals.imagePosition + 2),
                scores: (0..<table.count).map { predicted[$0][index] + mean - errors[$0] })
        }
    }
}
