import Foundation
import Jobs

/// What SLURM gave the job that this process belongs to, as its environment tells.
package struct SlurmAllocation: Hashable {
    /// The job's own number.
    package var job: Int
    /// The array and the task in it, if the job is one of an array.
    package var arrayTask: (array: Int, task: Int)? { array.flatMap { array in task.map { (array, $0) } } }
    private var array: Int?
    private var task: Int?
    /// How often the job was put back into the queue.
    package var restarts: Int
    /// Tasks of each node.
    package var tasksPerNode: [Int]
    /// Cores of each node that the job may use.
    package var coresPerNode: [Int]
    /// Cores of a task, if the job asked for a number.
    package var cpusPerTask: Int?
    /// The nodes' names in SLURM's notation: `n[1-3]`.
    package var nodeList: String
    /// The job's partition.
    package var partition: String

    /// Number of nodes.
    package var nodes: Int { tasksPerNode.count }
    /// Number of tasks, and so of ranks.
    package var tasks: Int { tasksPerNode.reduce(0, +) }

    /// How the job is called in scontrol and scancel.
    ///
    /// The last task of an array has the array's own number, which would mean all of its tasks.
    package var name: String { arrayTask.map { "\($0.array)_\($0.task)" } ?? "\(job)" }

    /// The most nodes of a job; SLURM itself stays below.
    package static let nodeLimit = 65_536
    /// SLURM counts tasks and processors of a node, and restarts, in 16 bits.
    private static let smallCounts = 0...65_535
    /// SLURM counts jobs and the tasks of arrays in 32 bits.
    private static let numbers = 0...4_294_967_295

    /// Reads the environment; nil outside of a SLURM job.
    ///
    /// - Throws: `DiptychFailure` with code 64 when a variable holds what SLURM sets nowhere.
    package init?(environment: [String: String]) throws {
        func number(_ names: String..., in range: ClosedRange<Int>) throws -> Int? {
            guard let name = names.first(where: { environment[$0]?.isEmpty == false }), let text = environment[name]
            else { return nil }
            guard let value = Int(text), range.contains(value) else {
                throw Self.wrong(name, text, "a number in", range)
            }
            return value
        }
        guard let job = try number("SLURM_JOB_ID", "SLURM_JOBID", in: Self.numbers) else { return nil }
        self.job = job
        array = try number("SLURM_ARRAY_JOB_ID", in: Self.numbers)
        task = try number("SLURM_ARRAY_TASK_ID", in: Self.numbers)
        restarts = try number("SLURM_RESTART_COUNT", in: Self.smallCounts) ?? 0
        let nodes = try number("SLURM_JOB_NUM_NODES", "SLURM_NNODES", in: 1...Self.nodeLimit) ?? 1
        func list(_ name: String) throws -> [Int]? {
            guard let text = environment[name] else { return nil }
            let counts = Self.counts(text)
            guard counts.allSatisfy(Self.smallCounts.contains) else {
                throw Self.wrong(name, text, "counts, as in 2(x3),1, in", Self.smallCounts)
            }
            return counts.count == nodes ? counts : nil
        }
        tasksPerNode = try list("SLURM_TASKS_PER_NODE") ?? [Int](repeating: 1, count: nodes)
        coresPerNode = try list("SLURM_JOB_CPUS_PER_NODE") ?? tasksPerNode
        cpusPerTask = try number("SRUN_CPUS_PER_TASK", "SLURM_CPUS_PER_TASK", in: Self.smallCounts)
        nodeList = environment["SLURM_JOB_NODELIST"] ?? environment["SLURM_NODELIST"] ?? ""
        partition = environment["SLURM_JOB_PARTITION"] ?? ""
    }

    private static func wrong(
        _ name: String, _ text: String, _ what: String, _ range: ClosedRange<Int>
    ) -> DiptychFailure {
        DiptychFailure(
            .usage,
            "the variable \(name) of the environment must hold \(what) \(range.lowerBound)...\(range.upperBound), found "
                + "\(printable(String(text.prefix(80)))). SLURM sets it in a job; outside of one, `unset SLURM_JOB_ID`")
    }

    /// The numbers of SLURM's notation `2(x3),1`, of no more than one node beyond the most that there are.
    package static func counts(_ text: String) -> [Int] {
        var counts: [Int] = []
        for part in text.split(separator: ",") {
            guard let match = part.wholeMatch(of: /(\d+)(?:\(x(\d+)\))?/) else { continue }
            let times = match.2.map { Int($0) ?? nodeLimit } ?? 1
            counts += repeatElement(Int(match.1) ?? .max, count: min(times, nodeLimit + 1 - counts.count))
        }
        return counts
    }
}
