import Communication
import Diffusion
import Foundation
import Glibc
import Jobs

/// The memory that ranks can have where they run.
package struct MemoryLimits: Codable, Hashable, Sendable {
    /// What all ranks of this host share, in bytes: the machine's memory and swap, or the control group's limit.
    package var host: Int
    /// What this process may map, in bytes (`ulimit -v`); nil without such a limit.
    package var process: Int?

    /// Names the limits.
    package init(host: Int, process: Int?) {
        self.host = host
        self.process = process
    }

    /// Reads them.
    ///
    /// - Parameter root: The folder that holds `proc` and `sys`; a test's own, or `/`.
    package static func current(root: String = "/") -> MemoryLimits {
        let machine = text("\(root)/proc/meminfo").split(separator: "\n")
            .filter { $0.hasPrefix("MemTotal:") || $0.hasPrefix("SwapTotal:") }
            .compactMap { $0.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } }
        let groups = text("\(root)/proc/self/cgroup").split(separator: "\n").flatMap { line in
            limits(ofGroup: line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false), root: root)
        }
        var resource = rlimit()
        let isLimited =
            getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &resource) == 0 && resource.rlim_cur < 1 << 62
        let total = machine.isEmpty ? Int.max : 1024 * machine.reduce(0, +)
        return MemoryLimits(
            host: groups.reduce(total, min), process: isLimited ? Int(resource.rlim_cur) : nil)
    }

    /// The limits of a control group and of those above it, by one line `number:controllers:path` of /proc/self/cgroup.
    private static func limits(ofGroup line: [Substring], root: String) -> [Int] {
        guard line.count == 3, line[1].isEmpty || line[1].split(separator: ",").contains("memory") else { return [] }
        let (mount, file) =
            line[1].isEmpty
            ? ("\(root)/sys/fs/cgroup", "memory.max") : ("\(root)/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        var parts = line[2].split(separator: "/")
        var found: [Int] = []
        while true {
            let path = ([mount] + parts.map(String.init) + [file]).joined(separator: "/")
            if let limit = Int(text(path).trimmingCharacters(in: .whitespacesAndNewlines)) { found.append(limit) }
            if parts.popLast() == nil { return found }
        }
    }

    private static func text(_ path: String) -> String {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}

extension Session {
    /// One rank's part of what its host must hold.
    private struct Demand: Codable {
        var host: String
        var limits: MemoryLimits
    }

    /// Throws when the ranks of a host cannot have the memory that a step takes, which the kernel would end them for in
    /// the middle of the run. Collective.
    ///
    /// What is demanded is a lower bound: the kernels' scratch memory and the images come on top.
    ///
    /// - Parameter limits: What this rank can have.
    /// - Throws: `DiptychFailure` with code 74 that names the phase and the host.
    package func requireMemory(_ limits: MemoryLimits = .current()) throws {
        let demands: [Demand] = try world.allGather(Demand(host: world.host, limits: limits))
        let (placement, configuration) = (try placement(), network)
        try world.onRoot {
            let cost = MemoryPlan.NetworkCost(
                parameters: configuration.cost.parameters,
                activationFloatsPerImage: job.numerics.recomputeBlocks
                    ? configuration.cost.recomputedActivationFloats : configuration.cost.activationFloats,
                multiplyAddsPerImage: configuration.cost.multiplyAdds)
            let phases = MemoryPlan(job: job, placement: placement, cost: cost).phases
            guard let phase = phases.max(by: { $0.rank.total < $1.rank.total }) else { return }
            for (host, demands) in Dictionary(grouping: demands, by: \.host).sorted(by: { $0.key < $1.key }) {
                try Self.require(phase, of: demands.map(\.limits), host: host)
            }
        }
    }

    private static func require(_ phase: MemoryPlan.Phase, of limits: [MemoryLimits], host: String) throws {
        let remedy =
            "take a smaller images_per_lane, fewer ranks on each host, or hosts with more memory; `diptych plan` shows what a "
            + "rank needs"
        if let process = limits.compactMap(\.process).min(), process < phase.rank.total {
            throw DiptychFailure(
                .inputOutput,
                "a rank needs more than \(megabytes(phase.rank.total)) in phase \(phase.phase.rawValue), and may take only "
                    + "\(megabytes(process)) on \(printable(host)) (ulimit -v): raise that limit, or \(remedy)")
        }
        let (needed, room) = (limits.count * phase.rank.total, limits.map(\.host).min() ?? .max)
        guard room < needed else { return }
        throw DiptychFailure(
            .inputOutput,
            "\(limits.count) rank\(limits.count == 1 ? "" : "s") on \(printable(host)) need more than "
                + "\(megabytes(needed)) in phase \(phase.phase.rawValue), and can have \(megabytes(room)) there: \(remedy)"
        )
    }
}
