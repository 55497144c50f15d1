extension Communicator {
    /// Gives every rank the root's vector, in place: the root deals out the shards, then all gather them, so that no
    /// rank sends more than about the vector's length. Collective.
    public func broadcast(_ shards: Shards, in vector: FloatRegion, root: Int = 0) throws {
        try requirePeer(root, "broadcast", bytes: vector.count * MemoryLayout<Float>.stride)
        let exchange = try makeExchange(for: "broadcast")
        if rank == root {
            for peer in 0..<size where peer != root && !shards[peer].isEmpty {
                _ = try exchange.send(vector[shards[peer]], to: peer)
            }
        } else if !shards[rank].isEmpty {
            _ = try exchange.receive(into: vector[shards[rank]], from: root)
        }
        try exchange.wait()
        try allGather(shards, in: vector)
    }
}
