import Communication

/// Prints, as a line of JSON, the seconds of a reduce-scatter and of an all-gather of `floats` floats, one lane per rank,
/// and of a plain copy of as much memory as a rank receives in either; medians, the slowest rank counts.
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
    let others = 0..<shards.count - shards[world.rank].count
    let reduction = OrderedReduceScatter(communicator: world, plan: plan)
    var rounds: [[Double]] = []
    for round in 0..<9 {
        let mine = [
            try seconds(on: world) { weights[others].copy(from: sum[others]) },
            try seconds(on: world) {
                try reduction.begin(sums: [sum], into: weights[shards[world.rank]])
                try reduction.release([0..<shards.count])
                try reduction.finish()
            },
            try seconds(on: world) { try world.allGather(shards, in: weights) },
        ]
        let all = try world.allGather(mine)
        // The first rounds touch memory and connect.
        if round > 1 { rounds.append(mine.indices.map { part in all.map { $0[part] }.max() ?? 0 }) }
    }
    let medians = (0..<3).map { part in rounds.map { $0[part] }.sorted()[rounds.count / 2] }
    let bytes = shards.bytesSentGathering(by: 0)
    guard world.rank == 0 else { return }
    print(
        #"{"floats": \#(shards.count), "ranks": \#(world.size), "bytes": \#(bytes), "copy_seconds": \#(medians[0]), "#
            + #""reduce_scatter_seconds": \#(medians[1]), "all_gather_seconds": \#(medians[2])}"#)
}

/// How long `body` takes when all ranks begin it together.
private func seconds(on world: MPICommunicator, _ body: () throws -> Void) throws -> Double {
    try world.barrier()
    return try ContinuousClock().measure(body) / .seconds(1)
}
