import Foundation
import Jobs

/// What the coordinator must know of the machine it runs on.
package struct Machine {
    /// Cores that this process may use; hyper-threads of one core count once.
    package var cores: Int
    /// Whether the ranks all run on this machine.
    package var isSingleNode: Bool
    /// Whether this process is root's.
    package var isRoot: Bool
    /// The environment.
    package var environment: [String: String]
    /// The SLURM job that this process belongs to, if there is one.
    ///
    /// An environment that SLURM cannot have made counts as none; ``described(by:)`` has refused it before.
    package var allocation: SlurmAllocation? { try? SlurmAllocation(environment: environment) }

    /// Describes a machine.
    package init(cores: Int, isSingleNode: Bool, isRoot: Bool, environment: [String: String]) {
        self.cores = cores
        self.isSingleNode = isSingleNode
        self.isRoot = isRoot
        self.environment = environment
    }

    /// The number of ranks of a job, and who computes what.
    ///
    /// - Parameter asked: The number that the user wants; nil for the job's, or what this machine has place for.
    /// - Throws: `DiptychFailure` with code 64 for more ranks than lanes, or none.
    package func placement(of job: Job, ranks asked: Int?) throws -> Placement {
        let count: Int
        if let allocation {
            // After the loss of a node there may be fewer tasks than the job asked for.
            count = asked ?? min(job.cluster.ranks ?? job.rankLimit, allocation.tasks, job.rankLimit)
        } else {
            count = asked ?? job.cluster.ranks ?? min(cores, job.rankLimit)
        }
        guard count >= 1 else { throw DiptychFailure(.usage, "--ranks must be at least 1, found \(count)") }
        return try Placement(job: job, ranks: count)
    }

    /// Whether ranks must share cores.
    ///
    /// On several nodes only SLURM says how many cores they have; other batch systems' nodes count as large enough.
    package func isCrowded(ranks: Int) -> Bool {
        if isSingleNode { return ranks > cores }
        guard let allocation else { return false }
        return zip(allocation.tasksPerNode, allocation.coresPerNode).contains { $0 > $1 } || ranks > allocation.tasks
    }

    /// Whether ranks take more than half of the cores, and none has to share: on several nodes those of each, this one
    /// standing for all.
    package func isFilled(by ranks: Int) -> Bool {
        let isMost = { (count: Int) in count <= cores && 2 * count > cores }
        if isSingleNode { return isMost(ranks) }
        guard let allocation, ranks == allocation.tasks, !isCrowded(ranks: ranks) else { return false }
        return allocation.tasksPerNode.allSatisfy(isMost)
    }

    /// Looks at this machine.
    ///
    /// - Throws: `DiptychFailure` with code 64 when the environment says what cannot be.
    static func current() throws -> Machine { try described(by: ProcessInfo.processInfo.environment) }

    /// This machine with a given environment.
    ///
    /// - Throws: `DiptychFailure` with code 64 when the environment says what cannot be.
    package static func described(by environment: [String: String]) throws -> Machine {
        _ = try SlurmAllocation(environment: environment)
        let nodes = environment["SLURM_JOB_NUM_NODES"] ?? environment["SLURM_NNODES"] ?? "1"
        let lists = ["PBS_NODEFILE", "LSB_HOSTS", "PE_HOSTFILE", "OMPI_MCA_orte_default_hostfile"]
        return Machine(
            cores: usableCores(), isSingleNode: nodes == "1" && lists.allSatisfy { environment[$0] == nil },
            isRoot: geteuid() == 0, environment: environment)
    }

    /// The cores in this process's affinity mask, counted by their lists of hyper-threads.
    private static func usableCores() -> Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8))?.split(separator: "\n") ?? []
        let allowed = status.first { $0.hasPrefix("Cpus_allowed_list:") }?.split(separator: ":").last ?? ""
        let threads = cpuList(allowed.trimmingCharacters(in: .whitespaces))
        guard !threads.isEmpty else { return max(1, ProcessInfo.processInfo.activeProcessorCount) }
        return Set(
            threads.map { thread in
                let siblings = "/sys/devices/system/cpu/cpu\(thread)/topology/thread_siblings_list"
                return (try? String(contentsOfFile: siblings, encoding: .utf8)) ?? "\(thread)"
            }
        ).count
    }

    /// The numbers of the kernel's notation `0-3,8`.
    package static func cpuList(_ text: String) -> [Int] {
        text.split(separator: ",").flatMap { part -> [Int] in
            let ends = part.split(separator: "-").compactMap { Int($0) }
            guard let first = ends.first, let last = ends.last, first <= last else { return [] }
            return Array(first...last)
        }
    }

    /// Finds a program on the search path.
    func find(_ program: String) -> String? {
        (environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":").map { "\($0)/\(program)" }.first {
            access($0, X_OK) == 0
        }
    }

    /// The program of a rank.
    ///
    /// - Throws: `DiptychFailure` with code 74 when it is not there.
    func worker() throws -> String {
        guard let worker = findWorker() else {
            throw DiptychFailure(
                .inputOutput,
                "diptych-worker is not beside this program; build both with `make build` or install both with "
                    + "`make install`")
        }
        return worker
    }

    /// Bytes of memory that programs can still have; nil when the kernel does not tell.
    static func availableMemory() -> Int? {
        let lines = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8))?.split(separator: "\n") ?? []
        let kilobytes = lines.first { $0.hasPrefix("MemAvailable:") }?.split(separator: " ").dropFirst().first
        return kilobytes.flatMap { Int($0) }.map { $0 * 1024 }
    }

    /// This program's file.
    static var program: String {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    }

    /// Finds `diptych-worker` beside this program.
    func findWorker() -> String? {
        guard let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") else { return nil }
        let worker = (own as NSString).deletingLastPathComponent + "/diptych-worker"
        return access(worker, X_OK) == 0 ? worker : nil
    }
}
