import Datasets
import Diffusion
import Tensor

/// How far the denoised neighbours of an image lean towards it; one number for each part and timestep.
///
/// For an image x and a part q, y is the nearest member of q other than x. From y_t = sqrt(abar_t) y + sigma_t eps the model
/// predicts the image y_0; the lean is (y_0 - y) . (x - y) / |x - y|^2, averaged over the draws of eps. One evaluation for each
/// part, timestep and draw.
struct NeighbourMeasurement: AttackMeasurement {
    let name = "neighbours"
    let timesteps: [Int]
    let draws = 2
    /// The members of each part: their values, and their items.
    let parts: [NeighbourPart]

    var evaluations: Int { parts.count * timesteps.count * draws }
    func width(imageSize: Int) -> Int { parts.count * timesteps.count }

    func measure(_ batch: CandidateBatch, of model: AttackedModel) -> [Float] {
        let schedule = model.diffusion.schedule
        let zeros = [Float](repeating: 0, count: batch.images.count)
        var rows = RowBuilder(count: batch.count)
        for part in parts {
            let neighbours = (0..<batch.count).flatMap { image in
                part.nearest(to: batch.images[image * batch.size..<(image + 1) * batch.size], item: batch.items[image])
            }
            let way = combine(1, batch.images, -1, neighbours)
            let lengths = powerSums(way, count: batch.count, power: 2)
            for (index, timestep) in timesteps.enumerated() {
                var mean = zeros
                for draw in 0..<draws {
                    // All parts are asked with the same noise: their leans are compared.
                    let noise = batch.normal(.neighbours, draw: index * draws + draw)
                    let (signal, deviation) = (schedule.signal(at: timestep), schedule.deviation(at: timestep))
                    let noised = combine(signal, neighbours, deviation, noise)
                    let predicted = model.noise(in: noised, at: timestep, of: batch, query: draw)
                    let image = combine(1 / signal, noised, -deviation / signal, predicted)
                    mean = combine(1, mean, 1 / Double(draws), combine(1, image, -1, neighbours))
                }
                rows.append(
                    (0..<batch.count).map { image in
                        let range = image * batch.size..<(image + 1) * batch.size
                        return range.reduce(0.0) { $0 + Double(mean[$1]) * Double(way[$1]) }
                            / max(lengths[image], 1e-12)
                    })
            }
        }
        return rows.values
    }
}

/// The members of one part.
struct NeighbourPart: Sendable, CustomStringConvertible {
    let items: [Int]
    /// x_0 in [-1, 1], row-major.
    let values: [Float]

    /// The items stand for the images, whose hash is part of every key.
    var description: String { "\(items)" }

    /// The values of the nearest member that is not the image itself.
    func nearest(to image: ArraySlice<Float>, item: Int) -> ArraySlice<Float> {
        let query = Array(image)
        let size = query.count
        var best = (distance: Float.infinity, index: 0)
        for (index, other) in items.enumerated() where other != item {
            var sum: Float = 0
            let start = index * size
            for position in 0..<size {
                let difference = query[position] - values[start + position]
                sum += difference * difference
            }
            if sum < best.distance { best = (sum, index) }
        }
        return values[best.index * size..<(best.index + 1) * size]
    }
}

/// An attack on DistillMD by somebody who knows the split and all other training images: our own, since none was published.
///
/// The student's targets at an image x of one part come from teachers that never saw x. But the teacher that did sees noised
/// images of the other parts, and where one of those lies near x it may draw it towards x, which the student then imitates. So
/// the attack takes the nearest member of each part, and asks how far its denoised image leans towards x
/// (``NeighbourMeasurement``). Joined over parts: the greatest lean, their mean, or their spread.
///
/// 2 K evaluations for K parts, two noises for each part; 8 K for the four timesteps of the grid.
package struct NeighbourLean: MembershipAttack {
    package static let name = "neighbours"
    package var name: String { Self.name }
    package let title = "Lean of the nearest members of each part, knowing the split (ours)"
    package let access = AttackAccess.training
    private let leans: NeighbourMeasurement
    package var measurement: any AttackMeasurement { leans }

    /// - Parameters:
    ///   - schedule: The forward process.
    ///   - parts: The members of each part, catalogue indices.
    ///   - catalogue: The data set.
    package init(_ schedule: NoiseSchedule, parts: [[Int]], catalogue: Catalogue) {
        leans = NeighbourMeasurement(
            timesteps: NominalTimesteps(schedule)([100, 200, 300, 400]),
            parts: parts.map { NeighbourPart(items: $0, values: imageBatch(catalogue, indices: $0).scalars) })
    }

    /// For lists: as for two parts, without images.
    package init(_ schedule: NoiseSchedule) {
        leans = NeighbourMeasurement(
            timesteps: NominalTimesteps(schedule)([100, 200, 300, 400]),
            parts: Array(repeating: NeighbourPart(items: [], values: []), count: 2))
    }

    package func scores(_ table: MeasurementTable, _ population: Population) -> [ScoredSetting] {
        let count = leans.timesteps.count
        return leans.timesteps.enumerated().flatMap { index, timestep -> [ScoredSetting] in
            let columns = leans.parts.indices.map { table.column($0 * count + index) }
            func setting(_ name: String, _ join: ([Double]) -> Double) -> ScoredSetting {
                ScoredSetting(
                    settings: ["timestep": "\(timestep)", "join": name],
                    evaluations: Double(leans.parts.count * leans.draws),
                    scores: (0..<table.count).map { row in join(columns.map { $0[row] }) })
            }
            let all = [
                setting("greatest") { $0.max() ?? 0 }, setting("mean") { $0.reduce(0, +) / Double($0.count) },
                setting("spread") { ($0.max() ?? 0) - ($0.min() ?? 0) },
            ]
            return leans.parts.count > 1 ? all : [all[1]]
        }
    }
}
