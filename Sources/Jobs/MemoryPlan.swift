import Checkpoints

/// What a run needs in memory, on disk and on the wire; pure arithmetic over the job, its placement and the network.
public struct MemoryPlan: Hashable, Sendable {
    /// What the network costs, from `Diffusion`.
    public struct NetworkCost: Hashable, Sendable {
        /// Number of weights.
        public var parameters: Int
        /// Floats kept from the forward to the backward pass, for each image of a lane.
        public var activationFloatsPerImage: Int
        /// The most bytes that a lane's passes hold at a time, gradients of weights included, by its number of images;
        /// where it is not known, only activations count.
        public var stepBytes: [Int: Int]
        /// Weights of which kernels make a copy in their own order for each direction.
        public var reorderedParameters: Int
        /// Scalars of the largest parameter.
        public var largestParameter: Int
        /// Multiply-adds of one image's forward pass.
        public var multiplyAddsPerImage: Int

        /// Names the costs.
        public init(
            parameters: Int, activationFloatsPerImage: Int, stepBytes: [Int: Int] = [:], reorderedParameters: Int = 0,
            largestParameter: Int = 0, multiplyAddsPerImage: Int
        ) {
            self.largestParameter = largestParameter
            self.reorderedParameters = reorderedParameters
            self.stepBytes = stepBytes
            self.parameters = parameters
            self.activationFloatsPerImage = activationFloatsPerImage
            self.multiplyAddsPerImage = multiplyAddsPerImage
        }
    }

    /// The memory of one rank in one phase, in bytes; of the rank that needs most.
    public struct RankBytes: Hashable, Sendable {
        /// The flat vector of weights; with several lanes also copies in the kernels' order, for each direction, of those
        /// that Winograd's algorithm does not read as they are.
        public var weights: Int
        /// Frozen teachers, with their copy for the forward pass.
        public var teachers: Int
        /// Gradient sums of earlier lanes, held while the tree is worked through.
        public var gradients: Int
        /// This rank's shard of both moments and of the moving average.
        public var optimizer: Int
        /// What one lane keeps for its backward pass.
        public var activations: Int
        /// What a lane's passes hold beyond that at their peak: gradients of weights, which come while activations go,
        /// gradients of activations, scratch memory of the kernels.
        public var working: Int
        /// Room for the sums of other ranks on their way to this one's shard.
        public var receiving: Int
        /// Code, libraries, compiled kernels, MPI's buffers.
        public var process: Int
        /// What writing a checkpoint takes while training goes on; on the group's first rank.
        public var saving: Int

        /// All of it.
        public var total: Int {
            weights + teachers + gradients + optimizer + activations + working + receiving + process + saving
        }
    }

    /// What one phase needs.
    public struct Phase: Hashable, Sendable {
        /// The phase.
        public let phase: Jobs.Phase
        /// Memory of the rank that needs most.
        public let rank: RankBytes
        /// Bytes that the ranks of one group send each other in one step; the largest group's.
        public let exchanged: Int
        /// Of these, what the fixed order of additions costs beyond an all-reduce.
        public let exchangedExtra: Int
    }

    /// The phases that train, in order.
    public let phases: [Phase]
    /// Size of one checkpoint, uncompressed: weights, moving average, two moments.
    public let checkpointBytes: Int
    /// The most that all checkpoints take at once, uncompressed, and the copies that they are written from.
    public let diskBytes: Int
    /// The weights padded to whole blocks.
    public let paddedParameters: Int

    /// What a rank holds when nothing has been trained yet, and what the kernels of a network add to it: measured.
    static let processBytes = 66 << 20
    /// Floats of a block; shards are whole blocks.
    package static let block = 16_384

    /// Plans a run.
    ///
    /// - Parameters:
    ///   - job: The job.
    ///   - placement: Its ranks.
    ///   - cost: What its network costs.
    ///   - taken: The teachers that are taken from another run: one checkpoint of each, and no training.
    public init(job: Job, placement: Placement, cost: NetworkCost, taken: [TrainedModel] = []) {
        let padded = (cost.parameters + Self.block - 1) / Self.block * Self.block
        paddedParameters = padded
        checkpointBytes = 4 * 4 * cost.parameters
        let estimate = CheckpointEstimate(parameters: cost.parameters, tensors: 0)
        diskBytes = job.diskBytes(of: estimate, taken: taken)
        let saving = estimate.workingBytes(largestParameter: cost.largestParameter)
        func plan(_ phase: Jobs.Phase, _ options: Job.TrainingOptions, _ groups: [[Range<Int>]], teachers: Int) -> Phase
        {
            let volumes = groups.map { ExchangeVolume(lanes: $0, of: options.lanes, padded: padded) }
            let widest = volumes.max { $0.total < $1.total }
            let smallest = groups.map(\.count).min() ?? 1
            let sums = groups.flatMap { $0 }.map { LaneShape.peakSums(of: $0, lanes: options.lanes) }.max() ?? 1
            let shard = (padded / Self.block + smallest - 1) / smallest * Self.block
            let copies = groups.flatMap { $0 }.contains { $0.count > 1 } ? 2 : 0
            let activations = 4 * cost.activationFloatsPerImage * options.imagesPerLane
            let step = cost.stepBytes[options.imagesPerLane] ?? activations
            let rank = RankBytes(
                weights: 4 * (padded + copies * cost.reorderedParameters),
                teachers: 4 * teachers * (padded + cost.reorderedParameters),
                gradients: (sums - 1) * 4 * padded, optimizer: 3 * 4 * shard, activations: activations,
                working: max(0, step - activations),
                receiving: groups.map { Self.receivingBytes($0, of: options.lanes, padded: padded) }.max() ?? 0,
                process: Self.processBytes, saving: saving)
            return Phase(phase: phase, rank: rank, exchanged: widest?.total ?? 0, exchangedExtra: widest?.extra ?? 0)
        }
        var phases: [Phase] = []
        if taken != job.taughtModels {
            phases.append(plan(.teach, job.teach, placement.groups.map(\.lanes), teachers: 0))
        }
        if job.student != nil {
            phases.append(
                plan(.distill, job.distill, [placement.distillLanes], teachers: job.taughtModels.count))
        }
        self.phases = phases
    }

    /// The most bytes that a rank of a group keeps for what it receives in a reduce-scatter: `ReductionPlan` of
    /// `Communication`, which the coordinator does not link.
    ///
    /// - Parameters:
    ///   - ranges: The lanes of each rank.
    ///   - lanes: Lanes of the batch.
    ///   - padded: Weights, padded to whole blocks.
    package static func receivingBytes(_ ranges: [Range<Int>], of lanes: Int, padded: Int) -> Int {
        let (room, largestPiece, inFlight) = (64 << 20, 1 << 20, 3)
        let sums = ranges.map { LaneShape.subtrees(of: $0, lanes: lanes) }
        let shards = Placement.deal(padded / block, among: ranges.count).map { $0.count * block }
        return zip(sums, shards).map { own, shard in
            let received = sums.reduce(0, +) - own
            guard received > 0 else { return 0 }
            let piece = max(1024, min(largestPiece, room / (received * inFlight * 4) / 1024 * 1024))
            return received * inFlight * min(piece, shard) * 4
        }.max() ?? 0
    }
}
