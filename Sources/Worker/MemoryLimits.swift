import Communication
import Diffusion
import Foundation
import Glibc
import Jobs

/// The memory that ranks can have where they run.
package struct MemoryLimits: Codable, Hashable, Sendable {
    /// What all ranks of this host share, in bytes: the machine's memory, or its control group's limit, and swap.
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
        func bytes(_ name: String) -> Int? {
            let line = machine.first { $0.hasPrefix(name) }
            return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }.map { 1024 * $0 }
        }
        let groups = text("\(root)/proc/self/cgroup").split(separator: "\n").flatMap { line in
            limits(ofGroup: line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false), root: root)
        }
        var resource = rlimit()
        let isLimited =
            getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &resource) == 0 && resource.rlim_cur < 1 << 62
        let memory = groups.reduce(bytes("MemTotal:") ?? .max, min)
        return MemoryLimits(
            host: memory.addingReportingOverflow(bytes("SwapTotal:") ?? 0).overflow
                ? .max : memory + (bytes("SwapTotal:") ?? 0),
            process: isLimited ? Int(resource.rlim_cur) : nil)
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
    /// - Parameter limits: What this rank can have.
    /// - Throws: `DiptychFailure` with code 74 that names the phase and the host.
    package func requireMemory(_ limits: MemoryLimits = .current()) throws {
        let demands: [Demand] = try world.allGather(Demand(host: world.host, limits: limits))
        let placement = try placement()
        try world.onRoot {
            guard let (phase, bytes) = try leastBytes(placement) else { return }
            for (host, demands) in Dictionary(grouping: demands, by: \.host).sorted(by: { $0.key < $1.key }) {
                try Self.require(bytes, in: phase, of: demands.map(\.limits), host: host)
            }
        }
    }

    /// The phase that is still to be trained and takes most, and what every rank needs there at least: weights, teachers, an even
    /// share of the optimizer's state, and activations or gradients, which come while those go. Copies of weights, scratch
    /// memory, images and the program come on top.
    private func leastBytes(_ placement: Placement) throws -> (phase: Phase, bytes: Int)? {
        let plan = MemoryPlan(
            job: job, placement: placement,
            cost: MemoryPlan.NetworkCost(network, job: job, includesScratch: false),
            taken: try job.takenTeachers(in: directory))
        let unfinished = try Set(
            job.models.filter { try directory.checkpointSteps(of: $0.name).last ?? 0 < job.options(of: $0).steps }.map(
                \.phase))
        let vector = 4 * plan.paddedParameters
        return plan.phases.filter { unfinished.contains($0.phase) }.map { phase in
            let rank = phase.rank
            // The estimate of activations is good to a tenth; teachers are counted with a copy.
            let passes = max(vector, rank.activations * 9 / 10)
            return (phase.phase, vector + 3 * vector / world.size + rank.teachers / 2 + passes)
        }.max { $0.1 < $1.1 }
    }

    private static func require(_ bytes: Int, in phase: Phase, of limits: [MemoryLimits], host: String) throws {
        let remedy =
            "take a smaller images_per_lane, numerics.recompute_blocks, fewer ranks on each host, or hosts with more memory; "
            + "`diptych plan` shows what a rank needs"
        if let process = limits.compactMap(\.process).min(), process < bytes {
            throw DiptychFailure(
                .inputOutput,
                "a rank needs more than \(megabytes(bytes)) in phase \(phase.rawValue), and may take only "
                    + "\(megabytes(process)) on \(printable(host)) (ulimit -v): raise that limit, or \(remedy)")
        }
        let (needed, room) = (limits.count * bytes, limits.map(\.host).min() ?? .max)
        // Hosts that do not know their names cannot be told apart.
        guard room < needed, !host.hasPrefix("localhost") else { return }
        throw DiptychFailure(
            .inputOutput,
            "\(limits.count) rank\(limits.count == 1 ? "" : "s") on \(printable(host)) need more than "
                + "\(megabytes(needed)) in phase \(phase.rawValue), and can have \(megabytes(room)) there: \(remedy)")
    }
}
