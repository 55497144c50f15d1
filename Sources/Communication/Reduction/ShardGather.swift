/// Gathers the shards of a flat vector into the full vector on every rank, in place.
///
/// Each rank sends its own shard to every other: to its successor first, while it receives from its predecessor.
public final class ShardGather {
    private let exchange: any FloatExchange

    /// Begins to gather; every rank begins in the same order. Does not wait.
    ///
    /// - Parameters:
    ///   - communicator: The ranks that share the vector.
    ///   - shards: Who owns which part.
    ///   - vector: The whole vector; this rank's own shard is sent, the others are overwritten. It must not be touched
    ///     until `finish`.
    /// - Precondition: The shards are for as many ranks as the communicator has, and `vector` has their length.
    public init(communicator: any Communicator, shards: Shards, vector: FloatRegion) throws {
        precondition(
            shards.ranks == communicator.size,
            "the shards are for \(shards.ranks) ranks, the communicator has \(communicator.size)")
        precondition(vector.count == shards.count, "the vector has \(shards.count) floats, not \(vector.count)")
        exchange = try communicator.makeExchange(for: "allGather of shards")
        let (rank, size) = (communicator.rank, communicator.size)
        for distance in 1..<max(1, size) {
            let source = (rank + size - distance) % size
            let destination = (rank + distance) % size
            if !shards[source].isEmpty {
                _ = try exchange.receive(into: vector[shards[source]], from: source)
            }
            if !shards[rank].isEmpty {
                _ = try exchange.send(vector[shards[rank]], to: destination)
            }
        }
    }

    /// Moves data along without waiting.
    ///
    /// - Returns: Whether everything is done, so that `finish` will not wait.
    @discardableResult
    public func progress() throws -> Bool {
        try exchange.progress()
        return exchange.pending == 0
    }

    /// Waits until the whole vector is there and the own shard has been sent.
    public func finish() throws { try exchange.wait() }
}

extension Communicator {
    /// Adds the ranks' lane sums in the order of the lane tree: an `OrderedReduceScatter` from begin to end. Collective.
    ///
    /// - Parameters:
    ///   - plan: Who holds which lanes and which shard.
    ///   - sums: The sums over this rank's complete subtrees, each as long as the whole vector. The own shard of them
    ///     is undefined afterwards.
    ///   - destination: Receives this rank's shard of the total.
    public func reduceScatter(
        _ plan: ReductionPlan, sums: [any FloatVector], into destination: any FloatVector
    ) throws {
        let reduction = OrderedReduceScatter(communicator: self, plan: plan)
        try reduction.begin(sums: sums, into: destination)
        try reduction.release([0..<plan.shards.count])
        try reduction.finish()
    }

    /// Gathers the shards of `vector` into the full vector on every rank, in place: a `ShardGather` from begin to end.
    /// Collective.
    public func allGather(_ shards: Shards, in vector: FloatRegion) throws {
        try ShardGather(communicator: self, shards: shards, vector: vector).finish()
    }
}
