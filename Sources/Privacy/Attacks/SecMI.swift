import Diffusion

/// The t-errors of SecMI along one deterministic inversion, and the residual image at one timestep.
///
/// x_0 = x; x_(i+1) = phi(x_i), DDIM from t_i to t_(i+1); the t-error at t_i is | psi(phi(x_i)) - x_i |^2. Since
/// psi(phi(x)) - x = (sqrt(abar_t / abar_t+) sigma_t+ - sigma_t) (e_t - e_t+), where e_t = eps_theta(x_i, t_i) and
/// e_t+ = eps_theta(x_(i+1), t_(i+1)), each evaluation serves the inversion and two errors: the errors at all timesteps
/// of a chain take one evaluation more than the chain has steps, and nothing cancels.
struct SecMIMeasurement: ResidualMeasurement {
    let name = "secmi"
    /// t_0 = 0, t_1, ...
    let chain: [Int]
    /// Positions in the chain whose errors are kept.
    let positions: [Int]
    /// Position of the residual image.
    let imagePosition: Int

    init(_ schedule: NoiseSchedule) {
        let nominal = NominalTimesteps(schedule)
        let chain = Set([0] + nominal(Array(stride(from: 10, through: 160, by: 10)))).sorted()
        self.chain = chain
        positions = Array(min(3, chain.count - 2)..<chain.count - 1)
        let published = nominal(90)
        imagePosition = positions.min { abs(chain[$0] - published) < abs(chain[$1] - published) } ?? 0
    }

    var evaluations: Int { chain.count }

    var residuals: [Residual] {
        positions.map { Residual(settings: ["timestep": "\(chain[$0])"], evaluations: $0 + 2) }
    }

    /// Where the residual image begins in a row.
    var imageStart: Int { positions.count * ResidualNorms.width }

    func width(imageSize: Int) -> Int { imageStart + imageSize }

    func measure(_ batch: CandidateBatch, of model: AttackedModel) -> [Float] {
        let schedule = model.diffusion.schedule
        let norms = ResidualNorms(power: 2, shape: batch.shape)
        var rows = RowBuilder(count: batch.count)
        var image: [[Float]] = []
        var x = batch.images
        var predicted = model.noise(in: x, at: chain[0], of: batch, query: 0)
        for (position, (timestep, next)) in zip(chain, chain.dropFirst()).enumerated() {
            let ratio = schedule.signal(at: next) / schedule.signal(at: timestep)
            let factor = schedule.deviation(at: next) - ratio * schedule.deviation(at: timestep)
            x = combine(ratio, x, factor, predicted)
            let following = model.noise(in: x, at: next, of: batch, query: position + 1)
            if positions.contains(position) {
                // psi(phi(x)) - x = factor / ratio (e_t - e_t+)
                let residual = combine(factor / ratio, predicted, -factor / ratio, following)
                rows.append(norms(residual, count: batch.count))
                if position == imagePosition {
                    image = (0..<batch.count).map { index in
                        residual[index * batch.size..<(index + 1) * batch.size].map { abs($0) }
                    }
                }
            }
            predicted = following
        }
        rows.append(image)
        return rows.values
    }
}

/// SecMI, the statistic: Duan et al., ICML 2023 (arXiv 2302.01316), equations 8 to 10. Score -t-error. With intervals of
/// 10 steps, 2 + t / 10 evaluations; the authors' setting "t = 100" takes its error at 90.
package struct SecMI: ResidualAttack {
    package let name = "secmi"
    package let title = "SecMI, statistic (arXiv 2302.01316)"
    package let access = AttackAccess.predictions
    let residuals: SecMIMeasurement

    package init(_ schedule: NoiseSchedule) { residuals = SecMIMeasurement(schedule) }
}
