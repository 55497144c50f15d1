/// Adds the ranks' lane sums in the order of the lane tree and leaves on each rank its shard of the total.
///
/// Each rank holds, for its lanes, one full-length flat vector per complete subtree. The owner of a shard receives the
/// other ranks' sums for that shard and adds everything up in the order of the tree, never in the order of arrival: the
/// bits are those of a serial evaluation, on any number of ranks.
///
/// Shards are cut into pieces, of which a few are under way at a time; in each, a rank sends to its successors and
/// receives from its predecessors one after the other, so that all ranks are busy. Made once and used in every step.
public final class OrderedReduceScatter {
    /// Who holds what.
    public let plan: ReductionPlan

    private let communicator: any Communicator
    private let additions: [LaneTree.Addition]
    /// Memory for received sums, one row for each piece under way.
    private let temporary: FloatRegion
    private let pieceFloats: [Int]
    private var operation: Operation?

    /// A reduction over the ranks of `communicator`.
    ///
    /// - Precondition: The plan is for as many ranks as the communicator has.
    public init(communicator: any Communicator, plan: ReductionPlan) {
        precondition(
            plan.ranks == communicator.size,
            "the plan is for \(plan.ranks) ranks, the communicator has \(communicator.size)")
        self.communicator = communicator
        self.plan = plan
        additions = plan.additions
        pieceFloats = (0..<plan.ranks).map { plan.pieceFloats(receivingAt: $0) }
        temporary = FloatRegion(zeros: plan.temporaryBytes(at: communicator.rank) / MemoryLayout<Float>.stride)
    }

    /// Whether a reduction has been begun and not finished.
    public var isUnderWay: Bool { operation != nil }

    /// Begins a reduction; every rank begins its reductions in the same order. Does not wait.
    ///
    /// - Parameters:
    ///   - sums: The sums over this rank's complete subtrees, in the order of `plan.subtrees`; each as long as the
    ///     whole vector. They must not change until `finish`, after which this rank's own shard of them is undefined.
    ///   - destination: Receives this rank's shard of the total: as long as the shard, and either apart from the sums
    ///     or exactly the own shard of one of them.
    ///   - range: The part of the vector to reduce; nil for all of it. Elsewhere the destination stays as it is.
    /// - Precondition: No reduction of this object is under way, and the lengths are right.
    public func begin(sums: [FloatRegion], into destination: FloatRegion, range: Range<Int>? = nil) throws {
        precondition(operation == nil, "a reduction is under way already")
        let own = plan.subtrees[communicator.rank]
        precondition(sums.count == own.count, "\(own.count) sums, of the lanes \(own), are needed, not \(sums.count)")
        precondition(
            sums.allSatisfy { $0.count == plan.shards.count },
            "every sum has \(plan.shards.count) floats, not \(sums.map(\.count))")
        let shard = plan.shards[communicator.rank]
        precondition(
            destination.count == shard.count,
            "the destination has the shard's \(shard.count) floats, not \(destination.count)")
        let range = range ?? 0..<plan.shards.count
        let pieces = (0..<plan.ranks).map { cut(plan.shards[$0].clamped(to: range), into: pieceFloats[$0]) }
        operation = Operation(
            exchange: try communicator.makeExchange(for: "reduceScatter"), sums: sums, destination: destination,
            pieces: pieces)
        try postMore()
    }

    /// Moves data along without waiting, and adds up what has arrived.
    ///
    /// - Returns: Whether everything is done, so that `finish` will not wait.
    @discardableResult
    public func progress() throws -> Bool {
        guard let exchange = operation?.exchange else { return true }
        try exchange.progress()
        try settle()
        return operation?.isComplete ?? true
    }

    /// Waits until this rank's shard of the total is in the destination and all its sums have been sent. Every rank
    /// finishes its reductions in the same order.
    ///
    /// - Precondition: A reduction is under way.
    public func finish() throws {
        guard let exchange = operation?.exchange else { preconditionFailure("no reduction is under way") }
        defer { operation = nil }
        try settle()
        while let now = operation, !now.isComplete {
            try exchange.waitForSome()
            try settle()
        }
    }
}

extension OrderedReduceScatter {
    /// A reduction under way.
    private struct Operation {
        let exchange: any FloatExchange
        let sums: [FloatRegion]
        let destination: FloatRegion
        /// For each rank the pieces of its shard, as positions in the whole vector.
        let pieces: [[Range<Int>]]
        /// Rounds under way, the oldest first: round n is about everybody's n-th piece.
        var rounds: [Round] = []
        var nextRound = 0

        var roundCount: Int { pieces.map(\.count).max() ?? 0 }
        var isComplete: Bool { rounds.isEmpty && nextRound == roundCount }
    }

    private struct Round {
        /// The own piece, if the own shard has that many.
        let piece: Range<Int>?
        /// All ranks' sums of that piece, in the order of the tree; from rank 0 on.
        var sums: [FloatRegion] = []
        var receives: [FloatTransfer] = []
        var sends: [FloatTransfer] = []
        var isAdded = false
    }

    private func cut(_ range: Range<Int>, into floats: Int) -> [Range<Int>] {
        stride(from: range.lowerBound, to: range.upperBound, by: floats).map {
            $0..<min($0 + floats, range.upperBound)
        }
    }

    /// Begins rounds until as many are under way as the limits allow.
    private func postMore() throws {
        while let now = operation, now.rounds.count < plan.limits.piecesInFlight, now.nextRound < now.roundCount {
            let round = try post(now.nextRound, of: now)
            operation?.rounds.append(round)
            operation?.nextRound += 1
        }
    }

    private func post(_ number: Int, of operation: Operation) throws -> Round {
        let rank = communicator.rank
        func piece(of rank: Int) -> Range<Int>? {
            number < operation.pieces[rank].count ? operation.pieces[rank][number] : nil
        }
        var round = Round(piece: piece(of: rank))
        if let own = round.piece { round.sums = rows(of: own, round: number, sums: operation.sums) }
        for distance in 1..<max(1, plan.ranks) {
            let source = (rank + plan.ranks - distance) % plan.ranks
            let destination = (rank + distance) % plan.ranks
            if round.piece != nil {
                let first = plan.subtrees[..<source].reduce(0) { $0 + $1.count }
                for row in round.sums[first..<first + plan.subtrees[source].count] {
                    round.receives.append(try operation.exchange.receive(into: row, from: source))
                }
            }
            if let piece = piece(of: destination) {
                for sum in operation.sums {
                    round.sends.append(try operation.exchange.send(sum[piece], to: destination))
                }
            }
        }
        return round
    }

    /// Where the sums of one piece lie: this rank's own in place, the others' in a row of the temporary memory.
    private func rows(of piece: Range<Int>, round: Int, sums: [FloatRegion]) -> [FloatRegion] {
        let width = min(pieceFloats[communicator.rank], plan.shards[communicator.rank].count)
        let slots = temporary.count / width / plan.limits.piecesInFlight
        var next = round % plan.limits.piecesInFlight * slots * width
        return plan.subtrees.enumerated().flatMap { rank, subtrees in
            subtrees.indices.map { index in
                if rank == communicator.rank { return sums[index][piece] }
                defer { next += width }
                return temporary[next..<next + piece.count]
            }
        }
    }

    /// Adds up pieces whose sums are there, removes finished rounds and begins new ones.
    private func settle() throws {
        guard var now = operation else { return }
        for index in now.rounds.indices where !now.rounds[index].isAdded {
            guard now.rounds[index].receives.allSatisfy(\.isComplete) else { continue }
            if let piece = now.rounds[index].piece { add(now.rounds[index].sums, piece, into: now.destination) }
            now.rounds[index].isAdded = true
        }
        // In order, because a round takes over the memory of the one before it in the same place.
        while let oldest = now.rounds.first, oldest.isAdded, oldest.sends.allSatisfy(\.isComplete) {
            now.rounds.removeFirst()
        }
        operation = now
        try postMore()
    }

    /// Evaluates the tree over one piece, a stretch at a time so that intermediate sums stay in the cache.
    private func add(_ sums: [FloatRegion], _ piece: Range<Int>, into destination: FloatRegion) {
        let shard = plan.shards[communicator.rank]
        let target = destination[piece.lowerBound - shard.lowerBound..<piece.upperBound - shard.lowerBound]
        let stretch = 4096
        for start in stride(from: 0, to: piece.count, by: stretch) {
            let range = start..<min(start + stretch, piece.count)
            guard let last = additions.last else {
                target[range].copy(from: sums[0][range])
                continue
            }
            for addition in additions.dropLast() {
                sums[addition.target][range].add(sums[addition.source][range])
            }
            target[range].setSum(of: sums[last.target][range], and: sums[last.source][range])
        }
    }
}
