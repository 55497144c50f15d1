import Communication
import Foundation
import Jobs

/// What the ranks find out about the nodes that they run on, without a job: who they are, how fast they exchange
/// gradients, whether their clocks agree, whether they see the same files and locks.
struct Probe {
    /// What came of it; the line of JSON of `diptych-worker probe`.
    struct Report: Codable {
        var ranks: Int
        var hosts: [String]
        /// Seconds that the clocks of two nodes differ by, at most.
        var clockSkewSeconds: Double
        /// Bytes per second of a reduce-scatter with an all-gather, as in a step: twice the vector over the time.
        var bytesPerSecond: Double
        /// Seconds of an exchange of next to nothing.
        var latencySeconds: Double
        /// The ranks that do not see a file that rank 0 wrote.
        var blindRanks: [Int]
        /// The ranks that could take a lock that rank 0 held.
        var unlockedRanks: [Int]
        /// The processors that each rank may use, in the kernel's notation `0-3,8`.
        var processors: [String]

        private enum CodingKeys: String, CodingKey {
            case ranks, hosts, processors
            case clockSkewSeconds = "clock_skew_seconds"
            case bytesPerSecond = "bytes_per_second"
            case latencySeconds = "latency_seconds"
            case blindRanks = "blind_ranks"
            case unlockedRanks = "unlocked_ranks"
        }
    }

    /// A folder that can be written, where files and locks are tried; nil for none.
    let folder: String?
    /// Length of the exchanged vector, in floats: 4 MiB.
    static let floats = 1 << 20

    /// Looks at everything. Collective.
    func run(on world: any Communicator) throws -> Report {
        let hosts: [String] = try world.allGather(world.host)
        let (bytesPerSecond, latency) = try speed(world)
        let skew = try clockSkew(world)
        let (blind, unlocked) = try files(world)
        return Report(
            ranks: world.size, hosts: hosts, clockSkewSeconds: skew, bytesPerSecond: bytesPerSecond,
            latencySeconds: latency, blindRanks: blind, unlockedRanks: unlocked,
            processors: try world.allGather(Self.usableProcessors))
    }

    private func speed(_ world: any Communicator) throws -> (bytesPerSecond: Double, latency: Double) {
        let plan = ReductionPlan(lanes: world.size, shards: Shards(paddedCount: Self.floats, ranks: world.size))
        let reduction = OrderedReduceScatter(communicator: world, plan: plan)
        let vector = FloatRegion(zeros: Self.floats)
        let shard = FloatRegion(zeros: plan.shards[world.rank].count)
        var best = Double.infinity
        for _ in 0..<5 {
            try world.barrier()
            let clock = Stopwatch()
            try reduction.begin(sums: [vector], into: shard)
            try reduction.release([0..<Self.floats])
            try reduction.finish()
            try world.allGather(plan.shards, in: vector)
            best = min(best, try world.allMax(clock.seconds))
        }
        let clock = Stopwatch()
        let rounds = 50
        for _ in 0..<rounds { try world.barrier() }
        return (2 * 4 * Double(Self.floats) / best, try world.allMax(clock.seconds / Double(rounds)))
    }

    /// After a barrier all ranks look at their clocks; how long the barrier takes bounds what that is worth.
    private func clockSkew(_ world: any Communicator) throws -> Double {
        var least = Double.infinity
        for _ in 0..<5 {
            try world.barrier()
            let times = try world.allGather([Date().timeIntervalSince1970]).flatMap(\.self)
            least = min(least, (times.max() ?? 0) - (times.min() ?? 0))
        }
        return least
    }

    private func files(_ world: any Communicator) throws -> (blind: [Int], unlocked: [Int]) {
        guard let folder else { return ([], []) }
        let path = try world.onRoot { folder + "/.diptych-probe-\(UUID().uuidString)" }
        var held: Int32 = -1
        try world.onRoot {
            held = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            guard held >= 0 else { throw SystemCallError(path, "open") }
            guard flock(held, LOCK_EX | LOCK_NB) == 0 else { throw SystemCallError(path, "flock") }
        }
        var sees = true
        var locks = false
        if world.rank != 0 {
            let descriptor = open(path, O_RDWR | O_CLOEXEC)
            sees = descriptor >= 0
            if sees {
                locks = flock(descriptor, LOCK_EX | LOCK_NB) == 0
                close(descriptor)
            }
        }
        let answers = try world.allGather([sees ? 1.0 : 0, locks ? 1.0 : 0])
        try world.onRoot {
            close(held)
            unlink(path)
        }
        let ranks = 0..<world.size
        return (ranks.filter { answers[$0][0] == 0 }, ranks.filter { answers[$0][1] == 1 })
    }

    /// The processors of this process's affinity mask; empty when that cannot be told.
    private static var usableProcessors: String {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
        return line?.split(separator: ":").last?.trimmingCharacters(in: .whitespaces) ?? ""
    }
}
