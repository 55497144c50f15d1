import Diffusion
import Foundation

/// Bias and crowding of the denoiser about an image, for each timestep and probe radius.
///
///     g = sqrt(abar_t) x,  e_0 = eps_theta(g, t),  e_k = eps_theta(g + gamma sigma_t z_k, t),  z_k in {-1, 1}^d
///     B = mean_k |e_k|_2,  V = mean_k z_k . (e_k - e_0) / (gamma sigma_t)
///
/// V is Hutchinson's estimate of the trace of the Jacobian. Kept are B^2 and V after some numbers of probes. One
/// evaluation for each timestep, and one for each probe of each radius.
struct DIMEMeasurement: AttackMeasurement {
    let name = "dime"
    let timesteps: [Int]
    /// gamma.
    let radii = [0.3, 1.0]
    let probes = 10
    let kept = [1, 10]

    init(_ schedule: NoiseSchedule) {
        timesteps = NominalTimesteps(schedule)([50, 100, 200])
    }

    var evaluations: Int { timesteps.count * (1 + radii.count * probes) }
    func width(imageSize: Int) -> Int { timesteps.count * radii.count * kept.count * 2 }

    func measure(_ batch: CandidateBatch, of model: AttackedModel) -> [Float] {
        var rows = RowBuilder(count: batch.count)
        let zeros = [Float](repeating: 0, count: batch.images.count)
        for (index, timestep) in timesteps.enumerated() {
            let center = batch.noised(model.diffusion.schedule, at: timestep, with: zeros)
            let start = model.noise(in: center, at: timestep, of: batch, query: 0)
            for (place, radius) in radii.enumerated() {
                let step = radius * model.diffusion.schedule.deviation(at: timestep)
                var bias = [Double](repeating: 0, count: batch.count)
                var trace = bias
                for probe in 0..<probes {
                    let signs = batch.signs(.dime, draw: (index * radii.count + place) * probes + probe)
                    let predicted = model.noise(
                        in: combine(1, center, step, signs), at: timestep, of: batch, query: probe + 1)
                    for image in 0..<batch.count {
                        let range = image * batch.size..<(image + 1) * batch.size
                        var (square, product) = (0.0, 0.0)
                        for index in range {
                            square += Double(predicted[index]) * Double(predicted[index])
                            product += Double(signs[index]) * Double(predicted[index] - start[index])
                        }
                        bias[image] += square.squareRoot()
                        trace[image] += product / step
                    }
                    if kept.contains(probe + 1) {
                        let count = Double(probe + 1)
                        rows.append(bias.map { ($0 / count) * ($0 / count) })
                        rows.append(trace.map { $0 / count })
                    }
                }
            }
        }
        return rows.values
    }
}

/// DIME: Do and Alabi, 2026. Score -(cos(phi) B^2 + sin(phi) V), with B^2 and V standardised over the calibration images;
/// timestep, radius, number of probes and phi are chosen by calibration. 1 + q evaluations for q probes.
///
/// The paper's grids are not known; these are ours: t = 50, 100, 200, gamma = 0.3, 1, q = 1, 10, phi in steps of 15
/// degrees from -75 to 90.
package struct DIME: MembershipAttack {
    package let name = "dime"
    package let title = "DIME (Do and Alabi 2026)"
    package let access = AttackAccess.predictions
    private let moments: DIMEMeasurement
    package var measurement: any AttackMeasurement { moments }

    package init(_ schedule: NoiseSchedule) { moments = DIMEMeasurement(schedule) }

    package func scores(_ table: MeasurementTable, _ population: Population) -> [ScoredSetting] {
        var settings: [ScoredSetting] = []
        var column = 0
        for timestep in moments.timesteps {
            for radius in moments.radii {
                for probes in moments.kept {
                    let bias = standardized(table.column(column), over: population.calibration)
                    let trace = standardized(table.column(column + 1), over: population.calibration)
                    column += 2
                    for degrees in stride(from: -75, through: 90, by: 15) {
                        let angle = Double(degrees) * .pi / 180
                        let (a, b) = (cos(angle), sin(angle))
                        settings.append(
                            ScoredSetting(
                                settings: [
                                    "timestep": "\(timestep)", "radius": "\(radius)", "probes": "\(probes)",
                                    "angle": "\(degrees)",
                                ], evaluations: Double(1 + probes),
                                scores: zip(bias, trace).map { -(a * $0 + b * $1) }))
                    }
                }
            }
        }
        return settings
    }
}

/// Values minus their mean over some rows, divided by their standard deviation over them.
func standardized(_ values: [Double], over rows: [Int]) -> [Double] {
    let count = Double(max(1, rows.count))
    let mean = rows.reduce(0) { $0 + values[$1] } / count
    let variance = rows.reduce(0) { $0 + (values[$1] - mean) * (values[$1] - mean) } / count
    let deviation = variance > 0 ? variance.squareRoot() : 1
    return values.map { ($0 - mean) / deviation }
}
