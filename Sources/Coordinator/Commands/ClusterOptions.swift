import ArgumentParser
import Foundation
import Jobs

extension LauncherKind: ExpressibleByArgument {}

/// The options that stand for keys of the job's section `cluster`.
struct ClusterFlags: ParsableArguments {
    @Option(help: "SLURM partition.") var partition: String?
    @Option(help: "Account that is charged.") var account: String?
    @Option(help: "Quality of service.") var qos: String?
    @Option(help: "Nodes.") var nodes: Int?
    @Option(help: "Fewer nodes with which the job starts, too.") var minimumNodes: Int?
    @Option(help: "Ranks of one node.") var ranksPerNode: Int?
    @Option(help: "Memory of a node, in units of 10^9 bytes.") var memoryGigabytesPerNode: Double?
    @Option(help: "Time limit as SLURM writes it: minutes, hours:minutes:seconds, days-hours, ...") var time: String?
    @Option(help: "Features that nodes must have.") var constraint: String?
    @Option(name: .customLong("module"), help: "Environment module to load; repeatable.") var modules: [String] = []
    @Option(help: "Line of shell to run before; repeatable.") var prologue: [String] = []
    @Option(
        name: .customLong("directive"), parsing: .unconditionalSingleValue,
        help: "Further option of sbatch, as in --directive=--exclusive; repeatable.")
    var directives: [String] = []
    @Option(help: "What starts the ranks: auto, srun or mpirun.") var launcher: LauncherKind?
    @Option(help: "Seconds before the time limit at which SLURM asks the run to save.") var warningSeconds: Int?
    @Option(help: "Restarts after which a stopped run is not queued again.") var requeueLimit: Int?

    /// The same as overrides of the job.
    ///
    /// - Throws: `DiptychFailure` with code 64 for a time that is none.
    func overrides(ranks: Int?) throws -> [String] {
        var list: [String] = []
        func add(_ key: String, _ value: String?) {
            if let value { list.append("cluster.\(key)=\(value)") }
        }
        func quoted(_ text: String) -> String { JSONValue.string(text).text }
        func quoted(_ texts: [String]) -> String? {
            texts.isEmpty ? nil : "[" + texts.map(quoted).joined(separator: ", ") + "]"
        }
        add("ranks", ranks.map { "\($0)" })
        add("partition", partition.map(quoted))
        add("account", account.map(quoted))
        add("qos", qos.map(quoted))
        add("nodes", nodes.map { "\($0)" })
        add("minimum_nodes", minimumNodes.map { "\($0)" })
        add("ranks_per_node", ranksPerNode.map { "\($0)" })
        add("memory_gigabytes_per_node", memoryGigabytesPerNode.map { "\($0)" })
        if let time {
            guard let seconds = SlurmTools.seconds(time), seconds > 0 else {
                throw DiptychFailure(
                    .usage, "--time must be minutes, hours:minutes:seconds or days-hours, found \(printable(time))")
            }
            add("time_minutes", "\(Int((seconds / 60).rounded(.up)))")
        }
        add("constraint", constraint.map(quoted))
        add("modules", quoted(modules))
        add("prologue", quoted(prologue))
        add("directives", quoted(directives))
        add("launcher", launcher?.rawValue)
        add("warning_seconds", warningSeconds.map { "\($0)" })
        add("requeue_limit", requeueLimit.map { "\($0)" })
        return list
    }
}
