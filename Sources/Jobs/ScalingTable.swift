/// The tables of docs/scaling.md.
package enum ScalingTable {
    /// The network of google/ddpm-cifar10-32, 16 images per rank and step in one lane, 1.3 s of computing.
    package static let ddpmCIFAR10 = ScalingModel.Load(
        parameters: 35_746_307, secondsPerImage: 1.3 / 16, imagesPerLane: 16, lateShare: 0.035)

    /// A network of 860 million weights, as the U-Net of Stable Diffusion 1.4, one image per rank and step. Assumed: 339
    /// billion multiply-adds forwards, three times as many in training, the 450 GFLOP/s of a `ddpm-cifar10` step, the late share.
    package static let large = ScalingModel.Load(
        parameters: 860_000_000, secondsPerImage: 3 * 2 * 339e9 / 450e9, imagesPerLane: 1, lateShare: 0.005)

    /// Efficiency by rank count, network and ranks per host.
    package static var efficiency: [String] {
        let clusters = [10.0, 100].flatMap { gigabits in
            [1, 16].map { ranks in
                (
                    title: "\(Int(gigabits)) Gbit/s, \(ranks == 1 ? "1 rank" : "\(ranks) ranks") a host",
                    cluster: ScalingModel.Cluster(network: .network(gigabits: gigabits), ranksPerHost: ranks)
                )
            }
        }
        let loads = [("`ddpm-cifar10`", ddpmCIFAR10), ("860 M", large)]
        let titles = loads.flatMap { name, _ in clusters.map { "\(name), \($0.title)" } }
        return table(
            ["ranks"] + titles,
            powersOfTwo(to: 1024).map { ranks in
                ["\(ranks)"]
                    + loads.flatMap { _, load in
                        clusters.map {
                            percent(ScalingModel(load, on: $0.cluster).efficiency(lanes: ranks, ranks: ranks))
                        }
                    }
            })
    }

    /// What helps where ranks share a slow link: `ddpm-cifar10`, 256 ranks, 16 a host, 10 Gbit/s.
    package static var remedies: [String] { remedies(for: ddpmCIFAR10, gigabits: 10) }

    /// The same for the large network at 100 Gbit/s.
    package static var remediesForLarge: [String] { remedies(for: large, gigabits: 100) }

    private static func remedies(for load: ScalingModel.Load, gigabits: Double) -> [String] {
        let model = ScalingModel(
            load, on: ScalingModel.Cluster(network: .network(gigabits: gigabits), ranksPerHost: 16))
        return table(
            ["images per rank and step", "lanes per rank", "seconds per step", "efficiency"],
            [1, 2, 4, 8, 16].map {
                [
                    "\(load.imagesPerLane * $0)", "\($0)", tenths(model.step(lanes: 256 * $0, ranks: 256).total),
                    percent(model.efficiency(lanes: 256 * $0, ranks: 256)),
                ]
            })
    }

    /// What lanes that do not divide evenly cost: `ddpm-cifar10`, 64 lanes, one rank a host, 10 Gbit/s.
    package static var unevenLanes: [String] {
        let model = ScalingModel(ddpmCIFAR10, on: ScalingModel.Cluster(network: .network(gigabits: 10)))
        return table(
            ["ranks", "lanes per rank", "extra bytes", "seconds per step", "efficiency"],
            [8, 12, 16, 24, 32, 48, 64].map { ranks in
                let lanes = Placement.deal(64, among: ranks)
                let most = lanes[0].count
                let least = lanes[ranks - 1].count
                let padded = (ddpmCIFAR10.parameters + MemoryPlan.block - 1) / MemoryPlan.block * MemoryPlan.block
                let volume = ExchangeVolume(lanes: lanes, of: 64, padded: padded)
                return [
                    "\(ranks)", most == least ? "\(most)" : "\(least) or \(most)",
                    percent(Double(volume.extra) / Double(volume.total - volume.extra)),
                    tenths(model.step(lanes: 64, ranks: ranks).total),
                    percent(model.efficiency(lanes: 64, ranks: ranks)),
                ]
            })
    }

    private static func powersOfTwo(to limit: Int) -> [Int] {
        Array(sequence(first: 2) { $0 < limit ? 2 * $0 : nil })
    }

    private static func percent(_ share: Double) -> String { "\(Int((100 * share).rounded())) %" }

    private static func tenths(_ seconds: Double) -> String {
        let tenths = Int((10 * seconds).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    private static func table(_ titles: [String], _ rows: [[String]]) -> [String] {
        ([titles, titles.map { _ in "---" }] + rows).map { row in
            "| " + row.joined(separator: " | ") + " |"
        }
    }
}
