import Communication
import Tensor

extension FloatRegion {
    /// The floats of a buffer, for the communicator.
    init(_ buffer: FloatBuffer) {
        self.init(unsafeElements: buffer.unsafeElements, owner: buffer)
    }
}

/// A range of a gradient, for the communicator: its memory is borrowed when a part of it is asked for.
struct GradientRegions: FloatVector {
    let gradients: GradientVector
    let range: Range<Int>

    var count: Int { range.count }

    func region(_ part: Range<Int>) -> FloatRegion {
        let (buffer, start) = gradients.buffer(
            holding: range.lowerBound + part.lowerBound..<range.lowerBound + part.upperBound)
        return FloatRegion(buffer)[start..<start + part.count]
    }
}

extension GradientVector {
    /// Where one segment ends and another begins.
    var cuts: [Int] { segments.dropFirst().map(\.lowerBound) }
}

/// Adds up the gradients of this rank's lanes in the order of the lane tree, in as few vectors as that takes.
///
/// Every lane's backward pass writes into the model's gradient vector. An earlier lane's is moved out of it, to be added to
/// a sum or to wait for one. The last lane's stays there, and is added part by part as it becomes final.
package final class LaneSums {
    private let parameters: ParameterVector
    private var accumulator: LaneAccumulator<GradientVector>

    /// - Parameter parameters: The model, into whose gradient vector backward passes write.
    package init(plan: ReductionPlan, rank: Int, parameters: ParameterVector) {
        self.parameters = parameters
        accumulator = LaneAccumulator(
            tree: plan.tree, lanes: plan.lanes[rank], add: { $0.add($1, range: 0..<$1.count) })
    }

    /// Takes the gradient of the next lane, not the rank's last, out of the model's gradient vector.
    package func append() {
        accumulator.append(parameters.moveGradients())
    }

    /// The rank's last lane, whose gradient is gathering in the model's gradient vector.
    package struct LastLane {
        /// The sums of the rank's complete subtrees; they lack the last lane wherever it has not been added.
        package let sums: [GradientVector]
        fileprivate let ending: LaneAccumulator<GradientVector>.Ending

        /// Adds the last lane to the sums in a range where its gradient is final; each range once.
        package func add(_ range: Range<Int>) {
            for addition in ending.additions {
                ending.buffers[addition.target].add(ending.buffers[addition.source], range: range)
            }
        }
    }

    /// Lends the sums of the rank's complete subtrees while the last lane comes in; all memory is the pool's again when
    /// `body` returns.
    package func withLastLane<Result>(_ body: (LastLane) throws -> Result) rethrows -> Result {
        let ending = accumulator.end(with: parameters.gradientVector)
        defer { parameters.clearGradients() }
        return try body(LastLane(sums: ending.subtrees.map { ending.buffers[$0] }, ending: ending))
    }
}
