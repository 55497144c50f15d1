import Communication

/// Prints the time of a reduce-scatter and of an all-gather of `floats` floats, one lane per rank.
///
/// - Parameter piece: Floats of a shard handled at a time; nil for the usual number.
func measureBandwidth(on world: MPICommunicator, floats: Int, piece: Int?) throws {
    let blocks = (floats + Shards.blockSize - 1) / Shards.blockSize
    let shards = Shards(paddedCount: blocks * Shards.blockSize, ranks: world.size)
    var limits = ReductionPlan.Limits()
    if let piece { limits.pieceFloats = piece }
    let plan = ReductionPlan(lanes: world.size, shards: shards, limits: limits)
    let sum = FloatRegion([Float](repeating: 1, count: shards.count))
    let weights = FloatRegion(zeros: shards.count)
    let reduction = OrderedReduceScatter(communicator: world, plan: plan)
    let clock = ContinuousClock()
    for round in 0..<6 {
        try world.barrier()
        let start = clock.now
        try reduction.begin(sums: [sum], into: weights[shards[world.rank]])
        try reduction.finish()
        let middle = clock.now
        try world.allGather(shards, in: weights)
        let end = clock.now
        let times: [[Double]] = try world.allGather([seconds(middle - start), seconds(end - middle)])
        if world.rank == 0 && round > 0 {
            let (reduced, gathered) = (times.map { $0[0] }.max() ?? 0, times.map { $0[1] }.max() ?? 0)
            let bytes = Double(plan.bytesSent(by: 0) + shards.bytesSentGathering(by: 0))
            let milliseconds = ((reduced + gathered) * 1000).rounded()
            print(
                "\(shards.count) floats, \(world.size) ranks: reduce-scatter \((reduced * 1000).rounded()) ms,",
                "all-gather \((gathered * 1000).rounded()) ms, together \(milliseconds) ms,",
                "\((bytes / (reduced + gathered) / 1e7).rounded() / 100) GB/s sent per rank")
        }
    }
}

private func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
}
