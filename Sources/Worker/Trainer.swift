import Communication
import Diffusion
import Tensor

/// What one optimizer step is told.
package struct StepSettings {
    /// 0 for the first update.
    package var step: Int
    /// The learning rate of this update.
    package var learningRate: Double
    /// A longer gradient is scaled down to this norm.
    package var maxGradientNorm: Double
    /// How much of the moving average stays.
    package var averageDecay: Double
    /// What this rank wants the group to know, combined by bitwise or (see `Trainer.StepResult.flags`).
    package var flags: UInt8
    /// Whether the ranks compare the weights that they have computed this step with.
    package var comparesReplicas: Bool

    /// Gathers the settings.
    package init(
        step: Int, learningRate: Double, maxGradientNorm: Double, averageDecay: Double, flags: UInt8 = 0,
        comparesReplicas: Bool = false
    ) {
        self.step = step
        self.learningRate = learningRate
        self.maxGradientNorm = maxGradientNorm
        self.averageDecay = averageDecay
        self.flags = flags
        self.comparesReplicas = comparesReplicas
    }
}

/// One model in training, shared by the ranks of a group: each rank computes its lanes, and updates its shard.
///
/// The bits do not depend on the number of ranks: a lane has the same shapes wherever it is computed, the gradients of
/// lanes are added in one fixed binary tree, and norms and losses are added in block and lane order.
package final class Trainer {
    /// What a step came to, equal on every rank of the group.
    package struct StepResult: Sendable {
        /// The loss of each lane, in lane order.
        package var laneLosses: [Double]
        /// Mean over the lanes.
        package var loss: Double
        /// L2 norm of the batch's gradient, before clipping.
        package var gradientNorm: Double
        /// All ranks' flags.
        package var flags: UInt8
    }

    /// The network.
    package let network: UNet2D
    /// Its weights.
    package let parameters: ParameterVector
    /// This rank's shard of the optimizer's state.
    package let optimizer: ShardedOptimizer
    /// The ranks that train together.
    package let group: any Communicator
    /// Who computes which lanes and owns which shard.
    package let plan: ReductionPlan
    /// The least number of floats that travel together while the backward pass of each rank's last lane goes on; nil
    /// if all travel after it. The same on every rank, and never a matter of the result's bits.
    package var bucketFloats: Int?
    /// Whether activations within blocks are computed again. Never a matter of the result's bits.
    package var recomputesBlocks = false
    private let reduction: OrderedReduceScatter
    private let sums: LaneSums
    private let times: StepTimes?

    /// - Parameters:
    ///   - configuration: The network.
    ///   - adam: The update rule.
    ///   - group: The ranks that train this model.
    ///   - laneCount: Lanes of the global batch, at least the number of ranks.
    ///   - times: Adds up where the time of steps goes; for benchmarks, since it lets ranks wait for each other.
    ///   - initialize: Fills `parameters.values`, equally on every rank.
    package init(
        configuration: UNetConfiguration, adam: Adam, group: any Communicator, laneCount: Int,
        times: StepTimes? = nil, initialize: (ParameterVector) -> Void
    ) {
        precondition(group.size <= laneCount, "\(group.size) ranks cannot share \(laneCount) lanes")
        self.group = group
        self.times = times
        network = UNet2D(configuration)
        parameters = ParameterVector(network)
        initialize(parameters)
        parameters.valuesChanged()
        plan = ReductionPlan(
            lanes: laneCount, shards: Shards(paddedCount: parameters.paddedCount, ranks: group.size),
            cuts: parameters.gradientVector.cuts)
        // A single lane uses the weights once in each direction, and with recomputation a few of them twice.
        parameters.keepsReorderedValues = plan.lanes[group.rank].count > 1
        optimizer = ShardedOptimizer(adam: adam, shard: plan.shards[group.rank], values: parameters.values)
        reduction = OrderedReduceScatter(communicator: group, plan: plan)
        sums = LaneSums(plan: plan, rank: group.rank, parameters: parameters)
    }

    /// Buckets for a group: of 4 MB if its ranks are on several hosts. Between ranks on one host, the cores that compute
    /// do the copying, so there is nothing to hide: measured in docs/scaling.md. Collective.
    package static func bucketFloats(for group: any Communicator) throws -> Int? {
        try group.spansHosts() ? usualBucketFloats : nil
    }

    /// As large as the largest pieces that the reduction is cut into.
    package static let usualBucketFloats = ReductionPlan.Limits().pieceFloats

    /// The lanes that this rank computes.
    package var lanes: Range<Int> { plan.lanes[group.rank] }

    /// Computes this rank's lanes, adds the gradients of all lanes up, and updates the weights everywhere.
    ///
    /// - Parameters:
    ///   - settings: What is new in this step.
    ///   - computed: Called when this rank's lanes are done; from there on it waits for the others.
    ///   - laneLoss: The mean loss of one lane, recorded on the tape it is given.
    /// - Throws: `TrainingError` on every rank, before anything was updated, if a lane's loss or the gradient's norm is
    ///   not a finite number, or if the ranks have computed with different weights.
    package func step(
        _ settings: StepSettings, computed: () -> Void = {},
        laneLoss: (_ lane: Int, _ tape: Tape) throws -> Tensor
    ) throws -> StepResult {
        var losses = try lanes.dropLast().map { lane in
            let (tape, loss) = try record(lane: lane, laneLoss)
            let value = Double(loss.scalars[0])
            tape.backward(from: loss)
            sums.append()
            return value
        }
        let (tape, loss) = try record(lane: lanes.upperBound - 1, laneLoss)
        losses.append(Double(loss.scalars[0]))
        let result = try sums.withLastLane { last in
            let gradients = last.sums[0]
            try reduce(tape, from: loss, last, computed)
            // Taken after the last use, so that a bit that flips during the step is seen as well.
            let fingerprint = settings.comparesReplicas ? parameters.values.fingerprint : 0
            let report = StepReport(
                flags: settings.flags, fingerprint: fingerprint, laneLosses: losses,
                blockSquaredNorms: times.measure(.optimizer) { optimizer.blockSquaredNorms(of: gradients) })
            let result = try times.measure(.communication) { try agree(report, step: settings.step) }
            let clip = GradientNorm.clipCoefficient(norm: result.gradientNorm, maximum: settings.maxGradientNorm)
            times.measure(.optimizer) {
                optimizer.update(
                    values: parameters.values, gradients: gradients,
                    gradientScale: clip / Float(plan.tree.lanes), settings: settings)
            }
            return result
        }
        try times.measure(.communication) { try group.allGather(plan.shards, in: FloatRegion(parameters.values)) }
        parameters.valuesChanged()
        return result
    }

    private func record(lane: Int, _ laneLoss: (Int, Tape) throws -> Tensor) throws -> (Tape, Tensor) {
        let tape = Tape(recording: true, recomputingBlocks: recomputesBlocks, times: times)
        let loss = try laneLoss(lane, tape)
        parameters.clearGradients()
        return (tape, loss)
    }

    /// The backward pass of the last lane, and the reduction of all lanes' gradients: at the same time if so wanted.
    private func reduce(
        _ tape: Tape, from loss: Tensor, _ last: LaneSums.LastLane, _ computed: () -> Void
    ) throws {
        func release(_ ranges: [Range<Int>]) throws {
            for range in ranges { last.add(range) }
            try times.measure(.communication) { try reduction.release(ranges) }
        }
        try reduction.begin(
            sums: last.sums.map { GradientRegions(gradients: $0, range: 0..<$0.count) },
            into: GradientRegions(gradients: last.sums[0], range: optimizer.shard))
        var late = [[0..<parameters.paddedCount]]
        if group.size > 1, let bucketFloats {
            var buckets = parameters.gradientBuckets(of: tape, floats: bucketFloats)[...]
            try tape.backward(from: loss) { entriesLeft in
                while let bucket = buckets.first, bucket.entriesLeft >= entriesLeft {
                    buckets.removeFirst()
                    for range in bucket.ranges { parameters.finishGradients(in: range) }
                    try release(bucket.ranges)
                }
                try times.measure(.communication) { _ = try reduction.progress() }
            }
            late = buckets.map(\.ranges)
        } else {
            tape.backward(from: loss)
        }
        computed()
        if times != nil { try times.measure(.waiting) { try group.barrier() } }
        for ranges in late { try release(ranges) }
        try times.measure(.communication) { try reduction.finish() }
    }

    /// Every rank's losses and block norms, added up in lane and block order.
    private func agree(_ report: StepReport, step: Int) throws -> StepResult {
        let reports: [StepReport] = try group.allGather(report.numbers).map(StepReport.init(numbers:))
        let odd = Replicas.odd(reports.map(\.fingerprint))
        guard odd.isEmpty else { throw TrainingError.replicasDiffer(step: step, ranks: odd) }
        let laneLosses = reports.flatMap(\.laneLosses)
        let squaredNorm = reports.flatMap(\.blockSquaredNorms).reduce(0, +)
        let result = StepResult(
            laneLosses: laneLosses, loss: laneLosses.reduce(0, +) / Double(plan.tree.lanes),
            gradientNorm: squaredNorm.squareRoot() / Double(plan.tree.lanes), flags: reports.reduce(0) { $0 | $1.flags }
        )
        if let lane = laneLosses.firstIndex(where: { !$0.isFinite }) {
            throw TrainingError.lossNotFinite(step: step, lane: lane, loss: laneLosses[lane])
        }
        guard result.gradientNorm.isFinite else {
            throw TrainingError.gradientNotFinite(step: step, norm: result.gradientNorm)
        }
        return result
    }
}

/// What a rank tells its group after the backward pass.
private struct StepReport {
    var flags: UInt8
    /// Of the weights; 0 on all ranks when they are not compared.
    var fingerprint: UInt64
    var laneLosses: [Double]
    var blockSquaredNorms: [Double]

    init(flags: UInt8, fingerprint: UInt64, laneLosses: [Double], blockSquaredNorms: [Double]) {
        self.flags = flags
        self.fingerprint = fingerprint
        self.laneLosses = laneLosses
        self.blockSquaredNorms = blockSquaredNorms
    }

    /// Flags, the fingerprint's halves, number of losses, losses, norms: doubles hold them all exactly.
    var numbers: [Double] {
        let (high, low) = fingerprint.quotientAndRemainder(dividingBy: 1 << 32)
        return [Double(flags), Double(high), Double(low), Double(laneLosses.count)] + laneLosses + blockSquaredNorms
    }

    init(numbers: [Double]) {
        flags = UInt8(numbers[0])
        fingerprint = UInt64(numbers[1]) << 32 | UInt64(numbers[2])
        let losses = Int(numbers[3])
        laneLosses = Array(numbers[4..<4 + losses])
        blockSquaredNorms = Array(numbers[(4 + losses)...])
    }
}
