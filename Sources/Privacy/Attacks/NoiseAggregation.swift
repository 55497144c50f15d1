import Diffusion

/// The mean pairwise distance of the noises predicted after K small noises were mixed into an image; at each of some
/// small timesteps. K evaluations each.
struct NoiseAggregationMeasurement: AttackMeasurement {
    let name = "aggregation"
    let timesteps: [Int]
    let noises = 5

    init(_ schedule: NoiseSchedule) {
        timesteps = NominalTimesteps(schedule)([10, 30, 100])
    }

    var evaluations: Int { timesteps.count * noises }
    func width(imageSize: Int) -> Int { timesteps.count }

    func measure(_ batch: CandidateBatch, of model: AttackedModel) -> [Float] {
        var rows = RowBuilder(count: batch.count)
        for (index, timestep) in timesteps.enumerated() {
            let predictions = (0..<noises).map { number in
                let draw = index * noises + number
                let noised = batch.noised(
                    model.diffusion.schedule, at: timestep, with: batch.normal(.aggregation, draw: draw))
                return model.noise(in: noised, at: timestep, of: batch, query: draw)
            }
            var sums = [Double](repeating: 0, count: batch.count)
            for first in 0..<noises {
                for second in first + 1..<noises {
                    let difference = combine(1, predictions[first], -1, predictions[second])
                    for (image, square) in powerSums(difference, count: batch.count, power: 2).enumerated() {
                        sums[image] += square.squareRoot()
                    }
                }
            }
            rows.append(sums.map { $0 / Double(noises * (noises - 1) / 2) })
        }
        return rows.values
    }
}

/// Small-noise aggregation: Li et al., 2025 (arXiv 2510.21783), the attack of its method section, with its K = 5 noises:
///
///     score = - 2 / (K (K - 1)) sum_(i<j) |e_i - e_j|_2,  e_k = eps_theta(sqrt(abar_t) x + sqrt(1 - abar_t) eps_k, t)
///
/// About a member the predictions agree. K evaluations. The timesteps of the grid are ours.
package struct NoiseAggregation: ThresholdAttack {
    package let name = "aggregation"
    package let title = "Small-noise aggregation (arXiv 2510.21783)"
    package let access = AttackAccess.predictions
    private let distances: NoiseAggregationMeasurement
    package var measurement: any AttackMeasurement { distances }

    package init(_ schedule: NoiseSchedule) { distances = NoiseAggregationMeasurement(schedule) }

    var thresholds: [ThresholdSetting] {
        distances.timesteps.enumerated().map {
            ThresholdSetting(column: $0, settings: ["timestep": "\($1)"], evaluations: distances.noises)
        }
    }
}
