import Foundation

/// The expected seconds of one training step on several ranks, and how much of their time is of use.
///
/// On N ranks, k of them on each host, with P weights and b images on the busiest rank, b_last of them in its last lane:
///
///     step = s b + u P / N + (R - hidden) + G + A
///     R = a (N - 1) + V_reduced / B            reduce-scatter
///     G = a (N - 1) + V_gathered / B           all-gather
///     A = a ceil(log2 N)                       agreement on loss and norm
///     1 / B = ((k - 1) / B_memory + (N - k) k / B_link) / (N - 1)
///     hidden = min(max(0, 1 - l N) R, 2/3 s b_last)      with overlap, 0 without
///
/// V is what leaves or enters the busiest rank (`ExchangeVolume`), the extra bytes of the fixed order included. `a` is
/// the latency of the network if N > k, else of memory. The share that overlap hides falls with the rank count: the
/// part l of the vector that becomes final last belongs to one rank as soon as a shard is no larger, and that rank's
/// whole reduce-scatter comes after the backward pass.
public struct ScalingModel: Hashable, Sendable {
    /// A way for data between two ranks.
    public struct Link: Hashable, Sendable {
        /// Seconds for each peer, whatever the size.
        public var latency: Double
        /// Bytes per second and direction: of one rank through memory, of one host over the network.
        public var bandwidth: Double

        /// Names both.
        public init(latency: Double, bandwidth: Double) {
            self.latency = latency
            self.bandwidth = bandwidth
        }
    }

    /// Gigabits per second between hosts, where nobody states them.
    public static let usualGigabits = 10.0

    /// Where the ranks run.
    public struct Cluster: Hashable, Sendable {
        /// Between ranks on one host.
        public var memory: Link
        /// Between hosts.
        public var network: Link
        /// Ranks on each host, which share its link.
        public var ranksPerHost: Int
        /// Seconds for one weight in the pass of Adam and the moving average.
        public var updateSeconds: Double

        /// Describes a cluster; memory and update as fitted in docs/scaling.md unless given.
        public init(
            network: Link, ranksPerHost: Int = 1, memory: Link = .fittedMemory, updateSeconds: Double = 0.8e-9
        ) {
            precondition(ranksPerHost > 0, "a host has at least one rank, not \(ranksPerHost)")
            self.memory = memory
            self.network = network
            self.ranksPerHost = ranksPerHost
            self.updateSeconds = updateSeconds
        }
    }

    /// What is trained.
    public struct Load: Hashable, Sendable {
        /// Number of weights.
        public var parameters: Int
        /// Seconds that one rank computes for one image, forwards and backwards.
        public var secondsPerImage: Double
        /// Images of one lane.
        public var imagesPerLane: Int
        /// The share of the weights whose gradients are final only when the backward pass ends.
        public var lateShare: Double

        /// Names them; the late share is that of a U-Net like the reference networks unless given.
        public init(parameters: Int, secondsPerImage: Double, imagesPerLane: Int, lateShare: Double = 0.05) {
            self.parameters = parameters
            self.secondsPerImage = secondsPerImage
            self.imagesPerLane = imagesPerLane
            self.lateShare = lateShare
        }
    }

    /// The parts of a step, in seconds.
    public struct Step: Hashable, Sendable {
        /// Forward and backward passes of the busiest rank.
        public var computing: Double
        /// Adam and the moving average.
        public var update: Double
        /// All communication.
        public var communication: Double
        /// Of that, what the backward pass hides.
        public var hidden: Double

        /// What the step waits for.
        public var exposed: Double { communication - hidden }
        /// The whole step.
        public var total: Double { computing + update + exposed }
    }

    /// Where.
    public var cluster: Cluster
    /// What.
    public var load: Load

    /// A load on a cluster.
    public init(_ load: Load, on cluster: Cluster) {
        self.load = load
        self.cluster = cluster
    }

    /// One step.
    ///
    /// - Parameters:
    ///   - lanes: Lanes of the batch.
    ///   - ranks: The ranks that share them, at most as many as lanes.
    public func step(lanes: Int, ranks: Int) -> Step {
        precondition((1...lanes).contains(ranks), "\(ranks) ranks cannot share \(lanes) lanes")
        let dealt = Placement.deal(lanes, among: ranks)
        let padded = (load.parameters + MemoryPlan.block - 1) / MemoryPlan.block * MemoryPlan.block
        let laneSeconds = load.secondsPerImage * Double(load.imagesPerLane)
        var step = Step(
            computing: laneSeconds * Double(dealt[0].count),
            update: cluster.updateSeconds * Double(padded) / Double(ranks), communication: 0, hidden: 0)
        guard ranks > 1 else { return step }
        let volume = ExchangeVolume(lanes: dealt, of: lanes, padded: padded)
        let local = min(cluster.ranksPerHost, ranks)
        let (others, remote) = (Double(ranks - 1), Double(ranks - local))
        let secondsPerByte =
            (Double(local - 1) / cluster.memory.bandwidth + remote * Double(local) / cluster.network.bandwidth) / others
        let latency = remote > 0 ? cluster.network.latency : cluster.memory.latency
        let reduceScatter = latency * others + secondsPerByte * Double(volume.busiestReduced)
        let allGather = latency * others + secondsPerByte * Double(volume.busiestGathered)
        step.communication = reduceScatter + allGather + latency * log2(Double(ranks)).rounded(.up)
        // Between ranks on one host nothing is overlapped.
        if remote > 0 {
            step.hidden = min(max(0, 1 - load.lateShare * Double(ranks)) * reduceScatter, laneSeconds * 2 / 3)
        }
        return step
    }

    /// The time that one rank would take for the batch, over the time that all ranks take for it together.
    public func efficiency(lanes: Int, ranks: Int) -> Double {
        step(lanes: lanes, ranks: 1).total / (Double(ranks) * step(lanes: lanes, ranks: ranks).total)
    }
}

extension ScalingModel.Link {
    /// Shared memory of the machine of docs/scaling.md; its latency is assumed.
    public static let fittedMemory = ScalingModel.Link(latency: 5e-6, bandwidth: 5.8e9)

    /// A network of so many gigabits per second, as MPI uses it over TCP: an assumed latency, and the share of the
    /// line rate that was measured.
    public static func network(gigabits: Double) -> ScalingModel.Link {
        ScalingModel.Link(latency: 30e-6, bandwidth: gigabits * 1e9 / 8 * 0.89)
    }
}
