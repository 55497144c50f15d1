import Diffusion

/// The residuals of the proximal initialization attack: e0 = eps_theta(x, 0), and for each timestep
/// r = e0 - eps_theta(sqrt(abar_t) x + sqrt(1 - abar_t) e0, t). One evaluation, and one for each timestep.
struct PIAMeasurement: ResidualMeasurement {
    let timesteps: [Int]
    /// Whether e0 is first scaled to the mean absolute value of normal numbers, sqrt(2 / pi).
    let isNormalized: Bool
    var name: String { isNormalized ? "pian" : "pia" }

    init(_ schedule: NoiseSchedule, isNormalized: Bool) {
        timesteps = NominalTimesteps(schedule)([50, 100, 150, 200, 250, 300, 400, 500])
        self.isNormalized = isNormalized
    }

    var evaluations: Int { 1 + timesteps.count }

    var residuals: [Residual] {
        timesteps.map { Residual(settings: ["timestep": "\($0)"], evaluations: 2) }
    }

    func measure(_ batch: CandidateBatch, of model: AttackedModel) -> [Float] {
        var start = model.noise(in: batch.images, at: 0, of: batch, query: 0)
        if isNormalized { normalize(&start, count: batch.count) }
        let norms = ResidualNorms(power: 4, shape: batch.shape)
        var rows = RowBuilder(count: batch.count)
        for timestep in timesteps {
            let noised = batch.noised(model.diffusion.schedule, at: timestep, with: start)
            // The second query, whichever timestep: with two models in turn it is the other one's.
            let predicted = model.noise(in: noised, at: timestep, of: batch, query: 1)
            rows.append(norms(combine(1, start, -1, predicted), count: batch.count))
        }
        return rows.values
    }

    private func normalize(_ values: inout [Float], count: Int) {
        let size = values.count / count
        for image in 0..<count {
            let range = image * size..<(image + 1) * size
            let mean = range.reduce(0.0) { $0 + Double(abs(values[$1])) } / Double(size)
            let factor = Float((2 / Double.pi).squareRoot() / max(mean, .leastNormalMagnitude))
            for index in range { values[index] *= factor }
        }
    }
}

/// PIA: Kong et al., ICLR 2024 (arXiv 2305.18355), equation 9 with p = 4. Score -sum |r|^4; the root would not change
/// the order. Two evaluations.
package struct PIA: ResidualAttack {
    package let name = "pia"
    package let title = "PIA (arXiv 2305.18355)"
    package let access = AttackAccess.predictions
    let residuals: PIAMeasurement

    package init(_ schedule: NoiseSchedule) { residuals = PIAMeasurement(schedule, isNormalized: false) }
}

/// PIAN: arXiv 2305.18355, equation 10, as the authors' code has it: e0 is scaled to the mean absolute value of normal
/// numbers; the printed equation is the inverse. Two evaluations.
package struct PIAN: ResidualAttack {
    package let name = "pian"
    package let title = "PIAN (arXiv 2305.18355)"
    package let access = AttackAccess.predictions
    let residuals: PIAMeasurement

    package init(_ schedule: NoiseSchedule) { residuals = PIAMeasurement(schedule, isNormalized: true) }
}
