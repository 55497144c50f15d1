import Diffusion

/// The distance between an image and the mean of the variations that a release makes of it.
///
/// z = sqrt(abar_t) x + sigma_t eps; DDIM denoises z from t over t / 2 to 0; the mean of `draws` results is subtracted
/// from x. Kept is the squared L2 norm after some numbers of draws. Two evaluations for each draw and timestep.
struct ReDiffuseMeasurement: AttackMeasurement {
    let name = "rediffuse"
    /// For each start t the timesteps that are visited, noisiest first; the last is 0.
    let ladders: [[Int]]
    let draws = 10
    let kept = [1, 10]

    init(_ schedule: NoiseSchedule) {
        let nominal = NominalTimesteps(schedule)
        ladders = nominal([100, 200]).filter { $0 >= 2 }.map { [$0, $0 / 2, 0] }
    }

    var evaluations: Int { ladders.count * draws * 2 }
    func width(imageSize: Int) -> Int { ladders.count * kept.count }

    func measure(_ batch: CandidateBatch, of model: AttackedModel) -> [Float] {
        let schedule = model.diffusion.schedule
        var rows = RowBuilder(count: batch.count)
        for (index, ladder) in ladders.enumerated() {
            var sum = [Float](repeating: 0, count: batch.images.count)
            for draw in 0..<draws {
                let noise = batch.normal(.rediffuse, draw: index * draws + draw)
                var x = batch.noised(schedule, at: ladder[0], with: noise)
                for (position, (timestep, next)) in zip(ladder, ladder.dropFirst()).enumerated() {
                    let predicted = model.noise(in: x, at: timestep, of: batch, query: position)
                    let ratio = schedule.signal(at: next) / schedule.signal(at: timestep)
                    x = combine(
                        ratio, x, schedule.deviation(at: next) - ratio * schedule.deviation(at: timestep), predicted)
                }
                sum = combine(1, sum, 1, x)
                if kept.contains(draw + 1) {
                    let residual = combine(1, batch.images, -1 / Double(draw + 1), sum)
                    rows.append(powerSums(residual, count: batch.count, power: 2))
                }
            }
        }
        return rows.values
    }
}

/// ReDiffuse: Li et al. (arXiv 2405.20771), algorithm 1, with the L2 distance as D, as for DiT in the paper (for CIFAR
/// its D is a trained network). Needs only the variations that a release makes of an image; a variation is DDIM with two
/// steps through the release's own denoiser, whatever the job's sampler: against DualMD the models take turns, one step each.
/// 2 n evaluations for n variations.
package struct ReDiffuse: ThresholdAttack {
    package let name = "rediffuse"
    package let title = "ReDiffuse, L2 (arXiv 2405.20771)"
    package let access = AttackAccess.sampling
    private let distances: ReDiffuseMeasurement
    package var measurement: any AttackMeasurement { distances }

    package init(_ schedule: NoiseSchedule) { distances = ReDiffuseMeasurement(schedule) }

    var thresholds: [ThresholdSetting] {
        distances.ladders.enumerated().flatMap { index, ladder in
            distances.kept.enumerated().map { position, draws in
                ThresholdSetting(
                    column: index * distances.kept.count + position,
                    settings: ["timestep": "\(ladder[0])", "variations": "\(draws)"], evaluations: 2 * draws)
            }
        }
    }
}
