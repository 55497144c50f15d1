import Diffusion

/// The size of the prediction for the clean, unscaled image: sum |eps_theta(x, t)|^4 for each timestep. One evaluation
/// each.
struct SimAMeasurement: AttackMeasurement {
    let name = "sima"
    let timesteps: [Int]

    init(_ schedule: NoiseSchedule) {
        timesteps = NominalTimesteps(schedule)([5, 10, 20, 30, 40, 60, 80, 100, 150, 200, 250, 300])
    }

    var evaluations: Int { timesteps.count }
    func width(imageSize: Int) -> Int { timesteps.count }

    func measure(_ batch: CandidateBatch, of model: AttackedModel) -> [Float] {
        var rows = RowBuilder(count: batch.count)
        for (query, timestep) in timesteps.enumerated() {
            let predicted = model.noise(in: batch.images, at: timestep, of: batch, query: query)
            rows.append(powerSums(predicted, count: batch.count, power: 4))
        }
        return rows.values
    }
}

/// SimA: Rao et al. (arXiv 2509.25003), equation 8. Score -|eps_theta(x, t)|_4^4: the prediction for a clean image points
/// to the local mean of the training images, which for a member is the image itself. One evaluation.
package struct SimA: ThresholdAttack {
    package let name = "sima"
    package let title = "SimA (arXiv 2509.25003)"
    package let access = AttackAccess.predictions
    private let sizes: SimAMeasurement
    package var measurement: any AttackMeasurement { sizes }

    package init(_ schedule: NoiseSchedule) { sizes = SimAMeasurement(schedule) }

    var thresholds: [ThresholdSetting] {
        sizes.timesteps.enumerated().map {
            ThresholdSetting(column: $0, settings: ["timestep": "\($1)"], evaluations: 1)
        }
    }
}

/// Mean over noises of |eps_theta(x_t, t)|_4, after 1, 2, ... draws of the noise; at each of some timesteps.
struct SimAMonteCarloMeasurement: AttackMeasurement {
    let name = "sima-mc"
    let timesteps: [Int]
    let draws = 10
    /// The numbers of draws whose mean is kept.
    let kept = [1, 3, 10]

    init(_ schedule: NoiseSchedule) {
        timesteps = NominalTimesteps(schedule)([50, 100, 200])
    }

    var evaluations: Int { timesteps.count * draws }
    func width(imageSize: Int) -> Int { timesteps.count * kept.count }

    func measure(_ batch: CandidateBatch, of model: AttackedModel) -> [Float] {
        var rows = RowBuilder(count: batch.count)
        for (index, timestep) in timesteps.enumerated() {
            var sums = [Double](repeating: 0, count: batch.count)
            for draw in 0..<draws {
                let number = index * draws + draw
                let noised = batch.noised(
                    model.diffusion.schedule, at: timestep, with: batch.normal(.sima, draw: number))
                let predicted = model.noise(in: noised, at: timestep, of: batch, query: number)
                for (image, sum) in powerSums(predicted, count: batch.count, power: 4).enumerated() {
                    sums[image] += sum.squareRoot().squareRoot()
                }
                if kept.contains(draw + 1) { rows.append(sums.map { $0 / Double(draw + 1) }) }
            }
        }
        return rows.values
    }
}

/// SimA-MC: Rao et al. (arXiv 2509.25003), section 4, the variant of SimA that asks about the noised image:
///
///     score = - 1 / n sum_k |eps_theta(sqrt(abar_t) x + sqrt(1 - abar_t) eps_k, t)|_4
///
/// n evaluations.
package struct SimAMonteCarlo: ThresholdAttack {
    package let name = "sima-mc"
    package let title = "SimA-MC (arXiv 2509.25003)"
    package let access = AttackAccess.predictions
    private let sizes: SimAMonteCarloMeasurement
    package var measurement: any AttackMeasurement { sizes }

    package init(_ schedule: NoiseSchedule) { sizes = SimAMonteCarloMeasurement(schedule) }

    var thresholds: [ThresholdSetting] {
        sizes.timesteps.enumerated().flatMap { index, timestep in
            sizes.kept.enumerated().map { position, noises in
                ThresholdSetting(
                    column: index * sizes.kept.count + position,
                    settings: ["timestep": "\(timestep)", "noises": "\(noises)"], evaluations: noises)
            }
        }
    }
}
