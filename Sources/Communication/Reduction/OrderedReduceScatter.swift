/// Adds the ranks' lane sums in the order of the lane tree and leaves on each rank its shard of the total.
///
/// Each rank holds, for its lanes, one full-length flat vector per complete subtree. The owner of a shard receives the
/// other ranks' sums for that shard and adds everything up in the order of the tree, never in the order of arrival: the
/// bits are those of a serial evaluation, on any number of ranks.
///
/// The vector need not be there at once: parts of it are released as they become final, so that a backward pass goes on
/// while the first ones travel. Shards are cut into pieces. A rank offers its sums to all owners as soon as they are
/// released, to its successor first, and receives a few pieces of its own at a time: that bounds the memory, and no
/// owner waits for what another one has not received yet. Made once and used in every step.
public final class OrderedReduceScatter {
    /// Who holds what.
    public let plan: ReductionPlan

    private let communicator: any Communicator
    private let additions: [LaneTree.Addition]
    /// Memory for received sums, one row for each piece under way.
    private let temporary: FloatRegion
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
        temporary = FloatRegion(zeros: plan.temporaryBytes(at: communicator.rank) / MemoryLayout<Float>.stride)
    }

    /// Whether a reduction has been begun and not finished.
    public var isUnderWay: Bool { operation != nil }

    /// Begins a reduction, of nothing yet; every rank begins its reductions in the same order. Does not wait.
    ///
    /// - Parameters:
    ///   - sums: The sums over this rank's complete subtrees, in the order of `plan.subtrees`; each as long as the
    ///     whole vector, and asked for a part only after it was released. What has been released must not change until
    ///     `finish`, after which this rank's own shard of it is undefined.
    ///   - destination: Receives this rank's shard of the total: as long as the shard, and either apart from the sums
    ///     or exactly the own shard of one of them.
    /// - Precondition: No reduction of this object is under way, the lengths are right, and vectors that do not lie in
    ///   one place go on in another at `plan.cuts` only.
    public func begin(sums: [any FloatVector], into destination: any FloatVector) throws {
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
        operation = Operation(
            exchange: try communicator.makeExchange(for: "reduceScatter"), sums: sums, destination: destination)
    }

    /// Lets parts of the vector go, since they are final in all sums of this rank. Every rank releases the same parts in
    /// the same order, each at its own time. Does not wait.
    ///
    /// - Parameter ranges: Parts that have not been released before; what is never released is not reduced, and the
    ///   destination stays there as it is.
    /// - Precondition: A reduction is under way.
    public func release(_ ranges: [Range<Int>]) throws {
        guard let exchange = operation?.exchange, let sums = operation?.sums else {
            preconditionFailure("no reduction is under way")
        }
        operation?.queue += plan.pieces(of: ranges, ownedBy: communicator.rank)
        try receiveMore()
        for distance in 1..<max(1, plan.ranks) {
            let owner = (communicator.rank + distance) % plan.ranks
            for piece in plan.pieces(of: ranges, ownedBy: owner) {
                for sum in sums { _ = try exchange.send(sum.region(piece), to: owner) }
            }
        }
    }

    /// Moves data along without waiting, and adds up what has arrived.
    ///
    /// - Returns: Whether all that was released is done, so that `finish` will not wait.
    @discardableResult
    public func progress() throws -> Bool {
        guard let exchange = operation?.exchange else { return true }
        try exchange.progress()
        try settle()
        return operation?.isComplete ?? true
    }

    /// Waits until this rank's shard of all that was released is in the destination and all its sums have been sent.
    /// Every rank finishes its reductions in the same order.
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
        let sums: [any FloatVector]
        let destination: any FloatVector
        /// Pieces of the own shard that were released and wait for memory, as positions in the whole vector.
        var queue: [Range<Int>] = []
        /// Pieces being received, the oldest first.
        var pieces: [Piece] = []
        /// Pieces of the own shard begun so far.
        var begun = 0

        var isComplete: Bool { queue.isEmpty && pieces.isEmpty && exchange.pending == 0 }
    }

    /// A piece of the own shard, being received.
    private struct Piece {
        let range: Range<Int>
        /// All ranks' sums of that piece, in the order of the tree; from rank 0 on.
        let sums: [FloatRegion]
        var receives: [FloatTransfer] = []
        var isAdded = false
    }

    /// Begins to receive pieces until as many are under way as the limits allow.
    private func receiveMore() throws {
        while let now = operation, now.pieces.count < plan.limits.piecesInFlight, let range = now.queue.first {
            operation?.queue.removeFirst()
            operation?.pieces.append(try receive(range, number: now.begun, of: now))
            operation?.begun += 1
        }
    }

    private func receive(_ range: Range<Int>, number: Int, of operation: Operation) throws -> Piece {
        var piece = Piece(range: range, sums: rows(of: range, number: number, sums: operation.sums))
        for distance in 1..<max(1, plan.ranks) {
            let source = (communicator.rank + plan.ranks - distance) % plan.ranks
            let first = plan.subtrees[..<source].reduce(0) { $0 + $1.count }
            for row in piece.sums[first..<first + plan.subtrees[source].count] {
                piece.receives.append(try operation.exchange.receive(into: row, from: source))
            }
        }
        return piece
    }

    /// Where the sums of one piece lie: this rank's own in place, the others' in a row of the temporary memory.
    private func rows(of piece: Range<Int>, number: Int, sums: [any FloatVector]) -> [FloatRegion] {
        let width = min(plan.pieceFloats(receivingAt: communicator.rank), plan.shards[communicator.rank].count)
        let slots = temporary.count / width / plan.limits.piecesInFlight
        var next = number % plan.limits.piecesInFlight * slots * width
        return plan.subtrees.enumerated().flatMap { rank, subtrees in
            subtrees.indices.map { index in
                if rank == communicator.rank { return sums[index].region(piece) }
                defer { next += width }
                return temporary[next..<next + piece.count]
            }
        }
    }

    /// Adds up pieces whose sums are there, removes finished ones and begins new ones.
    private func settle() throws {
        guard var now = operation else { return }
        for index in now.pieces.indices where !now.pieces[index].isAdded {
            guard now.pieces[index].receives.allSatisfy(\.isComplete) else { continue }
            add(now.pieces[index].sums, now.pieces[index].range, into: now.destination)
            now.pieces[index].isAdded = true
        }
        // In order, because a piece takes over the memory of the one before it in the same place.
        while let oldest = now.pieces.first, oldest.isAdded { now.pieces.removeFirst() }
        operation = now
        try receiveMore()
    }

    /// Evaluates the tree over one piece, a stretch at a time so that intermediate sums stay in the cache.
    private func add(_ sums: [FloatRegion], _ piece: Range<Int>, into destination: any FloatVector) {
        let shard = plan.shards[communicator.rank]
        let target = destination.region(piece.lowerBound - shard.lowerBound..<piece.upperBound - shard.lowerBound)
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
