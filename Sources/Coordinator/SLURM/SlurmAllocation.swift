import Foundation

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

    /// Reads the environment; nil outside of a SLURM job.
    package init?(environment: [String: String]) {
        func number(_ names: String...) -> Int? { names.lazy.compactMap { environment[$0].flatMap { Int($0) } }.first }
        guard let job = number("SLURM_JOB_ID", "SLURM_JOBID") else { return nil }
        self.job = job
        array = number("SLURM_ARRAY_JOB_ID")
        task = number("SLURM_ARRAY_TASK_ID")
        restarts = number("SLURM_RESTART_COUNT") ?? 0
        let count = max(1, number("SLURM_JOB_NUM_NODES", "SLURM_NNODES") ?? 1)
        func list(_ name: String) -> [Int]? {
            environment[name].map(Self.counts).flatMap { $0.count == count ? $0 : nil }
        }
        tasksPerNode = list("SLURM_TASKS_PER_NODE") ?? [Int](repeating: 1, count: count)
        coresPerNode = list("SLURM_JOB_CPUS_PER_NODE") ?? tasksPerNode
        cpusPerTask = number("SRUN_CPUS_PER_TASK", "SLURM_CPUS_PER_TASK")
        nodeList = environment["SLURM_JOB_NODELIST"] ?? environment["SLURM_NODELIST"] ?? ""
        partition = environment["SLURM_JOB_PARTITION"] ?? ""
    }

    /// The numbers of SLURM's notation `2(x3),1`.
    package static func counts(_ text: String) -> [Int] {
        text.split(separator: ",").flatMap { part -> [Int] in
            guard let match = part.wholeMatch(of: /(\d+)(?:\(x(\d+)\))?/), let value = Int(match.1),
                case let times = match.2.map({ Int($0) ?? 0 }) ?? 1, times < 100_000
            else { return [] }
            return [Int](repeating: value, count: times)
        }
    }
}
