import Diffusion

/// The training loss of an image at timesteps that divide 0..<T evenly, with one noise at each.
///
/// r = eps - eps_theta(sqrt(abar_t) x + sqrt(1 - abar_t) eps, t), at the middle of each of `strata` equal ranges of
/// timesteps. One evaluation each.
struct LossMeasurement: ResidualMeasurement {
    let name = "loss"
    let timesteps: [Int]

    /// - Parameter strata: How many timesteps; fewer if the schedule has fewer.
    init(_ schedule: NoiseSchedule, strata: Int = 20) {
        let count = min(strata, schedule.timesteps)
        timesteps = (0..<count).map { (2 * $0 + 1) * schedule.timesteps / (2 * count) }
    }

    var evaluations: Int { timesteps.count }

    var residuals: [Residual] {
        timesteps.map { Residual(settings: ["timestep": "\($0)"], evaluations: 1) }
    }

    func measure(_ batch: CandidateBatch, of model: AttackedModel) -> [Float] {
        let norms = ResidualNorms(power: 2, shape: batch.shape)
        var rows = RowBuilder(count: batch.count)
        for (draw, timestep) in timesteps.enumerated() {
            let noise = batch.normal(.loss, draw: draw)
            let noised = batch.noised(model.diffusion.schedule, at: timestep, with: noise)
            let predicted = model.noise(in: noised, at: timestep, of: batch, query: draw)
            rows.append(norms(combine(1, noise, -1, predicted), count: batch.count))
        }
        return rows.values
    }
}

/// The loss at one timestep: Matsumoto et al. (arXiv 2302.03262), equation 5. Score -|eps - eps_theta(x_t, t)|^2.
/// One evaluation.
package struct LossThreshold: ResidualAttack {
    package let name = "loss"
    package let title = "Loss threshold (arXiv 2302.03262)"
    package let access = AttackAccess.predictions
    let residuals: LossMeasurement

    package init(_ schedule: NoiseSchedule) { residuals = LossMeasurement(schedule) }
}

/// The loss averaged over timesteps: Matsumoto et al. (arXiv 2302.03262), section 4, where it is weaker than the loss at one:
///
///     score = - mean_t |eps_t - eps_theta(x_t, t)|^2
///
/// over the 20 timesteps of ``LossMeasurement`` instead of all. 20 evaluations, the same as those of ``LossThreshold``.
package struct AverageLoss: MembershipAttack {
    package let name = "loss-average"
    package let title = "Loss averaged over timesteps (arXiv 2302.03262)"
    package let access = AttackAccess.predictions
    private let residuals: LossMeasurement
    package var measurement: any AttackMeasurement { residuals }

    package init(_ schedule: NoiseSchedule) { residuals = LossMeasurement(schedule) }

    package func scores(_ table: MeasurementTable, _ population: Population) -> [ScoredSetting] {
        let columns = residuals.timesteps.indices.map { table.column($0 * ResidualNorms.width) }
        let scores = (0..<table.count).map { row in
            -columns.reduce(0) { $0 + $1[row] } / Double(columns.count)
        }
        return [ScoredSetting(settings: [:], evaluations: Double(columns.count), scores: scores)]
    }
}

/// The likelihood that the model gives to an image, as its variational bound: the likelihood attack of Hu and Pang
/// (arXiv 2301.09956, section 4.2) with the bound of Ho et al. (arXiv 2006.11239, equations 5 and 12) for the integral.
///
///     score = - sum_t w_t |eps - eps_theta(x_t, t)|^2
///     w_t = beta_t^2 / (2 sigma_t^2 alpha_t (1 - abar_t)),  sigma_t^2 = beta_t (1 - abar_(t-1)) / (1 - abar_t)
///
/// (sigma_0^2 = beta_0 at the first step). The sum over T steps is estimated by one step in the middle of each of 20
/// equal ranges; the term of the prior does not depend on the model and is the same for all images to within its size.
package struct LikelihoodBound: MembershipAttack {
    package let name = "likelihood"
    package let title = "Likelihood bound (arXiv 2301.09956)"
    package let access = AttackAccess.predictions
    private let residuals: LossMeasurement
    private let weights: [Double]
    package var measurement: any AttackMeasurement { residuals }

    package init(_ schedule: NoiseSchedule) {
        residuals = LossMeasurement(schedule)
        weights = residuals.timesteps.map { timestep in
            let (alpha, beta) = (schedule.alphas[timestep], schedule.betas[timestep])
            let remaining = 1 - schedule.cumulativeAlphas[timestep]
            let before = timestep == 0 ? remaining : 1 - schedule.cumulativeAlphas[timestep - 1]
            let variance = beta * before / remaining
            return beta * beta / (2 * variance * alpha * remaining)
        }
    }

    package func scores(_ table: MeasurementTable, _ population: Population) -> [ScoredSetting] {
        let columns = weights.indices.map { table.column($0 * ResidualNorms.width) }
        let scores = (0..<table.count).map { row in
            -zip(weights, columns).reduce(0) { $0 + $1.0 * $1.1[row] }
        }
        return [ScoredSetting(settings: [:], evaluations: Double(weights.count), scores: scores)]
    }
}
