import Communication
import Tensor

extension FloatRegion {
    /// The floats of a buffer, for the communicator.
    init(_ buffer: FloatBuffer) {
        self.init(unsafeElements: buffer.unsafeElements, owner: buffer)
    }
}

/// Adds up the gradients of this rank's lanes in the order of the lane tree, in as few vectors as that takes.
///
/// Every lane's backward pass writes into the model's one gradient vector. An earlier lane's gradient is added to a sum
/// that waits for it, or copied to a vector of its own. The last lane's stays there, and is added part by part as it
/// becomes final.
package final class LaneSums {
    private final class Pool {
        let home: FloatBuffer
        var free: [FloatBuffer] = []
        var made = 0
        var copies = 0

        init(home: FloatBuffer) { self.home = home }

        func take(copyOf buffer: FloatBuffer) -> FloatBuffer {
            copies += 1
            let copy = free.popLast() ?? make(count: buffer.count)
            copy.copy(from: buffer, range: 0..<buffer.count)
            return copy
        }

        private func make(count: Int) -> FloatBuffer {
            made += 1
            return FloatBuffer(count: count)
        }

        func giveBack(_ buffer: FloatBuffer) {
            if buffer !== home { free.append(buffer) }
        }
    }

    private let pool: Pool
    private var accumulator: LaneAccumulator<FloatBuffer>

    /// - Parameter gradients: The vector into which backward passes write.
    package init(plan: ReductionPlan, rank: Int, gradients: FloatBuffer) {
        let pool = Pool(home: gradients)
        self.pool = pool
        accumulator = LaneAccumulator(
            tree: plan.tree, lanes: plan.lanes[rank], add: { $0.add($1, range: 0..<$1.count) },
            recycle: pool.giveBack)
    }

    /// Vectors made beside the model's gradient vector; they are used again and again.
    package var vectorsMade: Int { pool.made }

    /// Whole vectors copied so far.
    package var copiesMade: Int { pool.copies }

    /// Takes the gradient of the next lane, not the rank's last, from the model's gradient vector.
    package func append() {
        accumulator.append(borrowing: pool.home, copy: pool.take)
    }

    /// The rank's last lane, whose gradient is gathering in the model's gradient vector.
    package struct LastLane {
        /// The sums of the rank's complete subtrees; they lack the last lane wherever it has not been added.
        package let sums: [FloatBuffer]
        fileprivate let ending: LaneAccumulator<FloatBuffer>.Ending

        /// Adds the last lane to the sums in a range where its gradient is final; each range once.
        package func add(_ range: Range<Int>) {
            for addition in ending.additions {
                ending.buffers[addition.target].add(ending.buffers[addition.source], range: range)
            }
        }
    }

    /// Lends the sums of the rank's complete subtrees while the last lane comes in; their vectors are free again when
    /// `body` returns.
    package func withLastLane<Result>(_ body: (LastLane) throws -> Result) rethrows -> Result {
        let ending = accumulator.end(with: pool.home)
        defer { ending.buffers.forEach(pool.giveBack) }
        return try body(LastLane(sums: ending.subtrees.map { ending.buffers[$0] }, ending: ending))
    }
}
