import Foundation
import Jobs

/// A partition of a cluster, as sinfo shows it.
package struct SlurmPartition: Hashable {
    /// Its name.
    package var name: String
    /// Whether jobs go there that name none.
    package var isDefault: Bool
    /// Whether it takes jobs.
    package var isUp: Bool
    /// The longest time limit in minutes; nil for none.
    package var limitMinutes: Double?
    /// Number of nodes.
    package var nodes: Int
    /// Cores of its largest node.
    package var cores: Int
    /// Memory of its largest node, in bytes.
    package var memory: Double

    /// The format that sinfo is asked for.
    static let format = "%P|%a|%l|%D|%c|%m|%z"

    /// Reads sinfo's lines; those of one partition are taken together.
    package static func parse(_ lines: [String]) -> [SlurmPartition] {
        var found: [SlurmPartition] = []
        for line in lines {
            let fields = line.split(separator: "|", omittingEmptySubsequences: false).map {
                $0.trimmingCharacters(in: .whitespaces)
            }
            guard fields.count == 7, !fields[0].isEmpty else { continue }
            func number(_ text: some StringProtocol) -> Int { Int(text.prefix { $0.isNumber }) ?? 0 }
            // Sockets, cores and threads; a site that does not say how its processors are made has cores.
            let parts = fields[6].split(separator: ":").map { number($0) }
            let cores = parts.count == 3 ? parts[0] * parts[1] : 0
            let processors = number(fields[4])
            let isDefault = fields[0].hasSuffix("*")
            let partition = SlurmPartition(
                name: isDefault ? String(fields[0].dropLast()) : fields[0], isDefault: isDefault,
                isUp: fields[1] == "up", limitMinutes: SlurmTools.seconds(fields[2]).map { $0 / 60 },
                nodes: number(fields[3]), cores: cores > 0 ? min(processors, cores) : processors,
                memory: Double(number(fields[5])) * 1_048_576)
            if let place = found.firstIndex(where: { $0.name == partition.name }) {
                found[place].nodes += partition.nodes
                found[place].cores = max(found[place].cores, partition.cores)
                found[place].memory = max(found[place].memory, partition.memory)
            } else {
                found.append(partition)
            }
        }
        return found
    }

    /// The partition that a job goes to.
    ///
    /// - Throws: `DiptychFailure` with code 64 that names the partitions there are.
    package static func choose(_ name: String?, from all: [SlurmPartition]) throws -> SlurmPartition {
        let names = all.map { $0.isDefault ? "\($0.name) (default)" : $0.name }.joined(separator: ", ")
        guard let name else {
            guard let partition = all.first(where: \.isDefault) else {
                throw DiptychFailure(
                    .usage, "this cluster has no default partition; choose one with --partition: \(names)")
            }
            return partition
        }
        // A list of partitions is SLURM's to choose from; the roomiest of them counts here.
        let wanted = name.split(separator: ",").map(String.init)
        for name in wanted where !all.contains(where: { $0.name == name }) {
            throw DiptychFailure(
                .usage, "there is no partition `\(printable(name))` on this cluster; there are: \(names)")
        }
        guard let best = all.filter({ wanted.contains($0.name) }).max(by: { $0.nodes * $0.cores < $1.nodes * $1.cores })
        else { throw DiptychFailure(.usage, "`cluster.partition` names no partition; there are: \(names)") }
        return best
    }

    /// Refuses what the partition can never give.
    ///
    /// - Throws: `DiptychFailure` with code 64.
    package func check(_ layout: SubmissionScript.Layout, _ options: Job.ClusterOptions) throws {
        func refuse(_ text: String) -> DiptychFailure { DiptychFailure(.usage, "partition `\(name)` \(text)") }
        guard isUp else { throw refuse("takes no jobs at present; choose another one with --partition") }
        if layout.minimumNodes > nodes {
            throw refuse("has \(nodes) nodes, the job asks for \(layout.minimumNodes); use fewer --nodes")
        }
        if layout.ranksPerNode > cores {
            throw refuse(
                "has nodes of \(cores) cores, the job asks for \(layout.ranksPerNode) ranks on each; use more --nodes or "
                    + "fewer --ranks-per-node")
        }
        if let minutes = options.timeMinutes, let limit = limitMinutes, Double(minutes) > limit {
            throw refuse(
                "allows \(Int(limit)) minutes, the job asks for \(minutes); use a shorter --time, the run goes on after it"
            )
        }
        if let gigabytes = options.memoryGigabytesPerNode, gigabytes * 1e9 > memory {
            throw refuse(
                "has nodes of \(PlanText.bytes(Int(memory))), the job asks for \(PlanText.bytes(Int(gigabytes * 1e9))) on "
                    + "each")
        }
    }
}
