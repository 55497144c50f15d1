import Checkpoints
import Communication
import Tensor

extension Trainer {
    /// Floats that travel at a time.
    private static let pieceFloats = 1 << 20

    /// Copies the weights, their average and the moments to the group's first rank, from where a checkpoint is
    /// written. Collective.
    ///
    /// - Parameter staged: On the first rank what receives the state, elsewhere nil.
    package func stage(into staged: StagedCheckpoint?) throws {
        if let staged { parameters.values.withSpan { append($0, at: 0, to: staged) } }
        for shard in [optimizer.movingAverage, optimizer.firstMoment, optimizer.secondMoment] {
            try gather(shard, into: staged)
        }
    }

    /// Brings everybody's shards to the first rank, piece by piece. Collective.
    private func gather(_ shard: FloatBuffer, into staged: StagedCheckpoint?) throws {
        let exchange = try group.makeExchange(for: "stage a checkpoint")
        guard let staged else {
            for piece in pieces(of: group.rank) { _ = try exchange.send(FloatRegion(shard)[piece], to: 0) }
            return try exchange.wait()
        }
        shard.withSpan { append($0, at: 0, to: staged) }
        let buffer = FloatBuffer(count: min(Self.pieceFloats, plan.shards.count))
        for peer in 1..<max(1, group.size) {
            for piece in pieces(of: peer) {
                _ = try exchange.receive(into: FloatRegion(buffer)[0..<piece.count], from: peer)
                try exchange.wait()
                let start = plan.shards[peer].lowerBound + piece.lowerBound
                buffer.withSpan { append($0.extracting(0..<piece.count), at: start, to: staged) }
            }
        }
    }

    private func pieces(of rank: Int) -> [Range<Int>] {
        let count = plan.shards[rank].count
        return stride(from: 0, to: count, by: Self.pieceFloats).map { $0..<min($0 + Self.pieceFloats, count) }
    }

    /// Appends the part of a vector that begins at `start`, without the padding.
    private func append(_ floats: Span<Float>, at start: Int, to staged: StagedCheckpoint) {
        let rest = max(0, min(floats.count, parameters.count - start))
        staged.append(floats.extracting(0..<rest))
    }
}
