/// What starts the ranks.
public enum LauncherKind: String, Codable, CaseIterable, Sendable {
    /// `srun` in a SLURM job whose srun speaks PMIx, else `mpirun`.
    case auto
    /// SLURM's `srun --mpi=pmix`.
    case srun
    /// Open MPI's `mpirun`.
    case mpirun
}

extension Job {
    /// The section `cluster`: where a run is computed. Nothing of it changes bits.
    public struct ClusterOptions: Hashable, Sendable {
        /// MPI ranks; nil for the smaller of cores (under SLURM: tasks) and lanes.
        public var ranks: Int?
        /// What starts the ranks.
        public var launcher = LauncherKind.auto
        /// SLURM's partition; nil for the cluster's default.
        public var partition: String?
        /// The account that is charged; nil for the user's default.
        public var account: String?
        /// The quality of service; nil for the default.
        public var qos: String?
        /// Nodes; nil for as few as `ranks` take.
        public var nodes: Int?
        /// Nodes with which the job also starts, when `nodes` are not to be had; nil for `nodes`.
        public var minimumNodes: Int?
        /// Ranks of one node; nil for `ranks` dealt over `nodes`.
        public var ranksPerNode: Int?
        /// Memory of a node that the job is given; nil for the cluster's default.
        public var memoryGigabytesPerNode: Double?
        /// Time limit of one execution; nil for the partition's default.
        public var timeMinutes: Int?
        /// Features that nodes must have.
        public var constraint: String?
        /// Environment modules that are loaded before the run.
        public var modules: [String] = []
        /// Lines of shell that are run before it.
        public var prologue: [String] = []
        /// Further options of sbatch, `--name` or `--name=value`.
        public var directives: [String] = []
        /// Seconds before the time limit at which SLURM warns the run; nil for what suits the limit.
        public var warningSeconds: Int?
        /// Restarts after which a run that stopped is not queued again.
        public var requeueLimit = 100
        /// Minutes without a sign of life from a rank after which the run is ended; 0 for never.
        public var silenceMinutes = 30.0

        /// Makes a section of defaults.
        public init() {}
    }

    /// What single values of the section `cluster` cannot show.
    func clusterContradictions() -> [(key: String, text: String)] {
        var faults: [(String, String)] = []
        if let ranks = cluster.ranks, ranks > rankLimit {
            faults.append(("cluster.ranks", Placement.tooMany(ranks, for: self)))
        }
        if let least = cluster.minimumNodes {
            if let most = cluster.nodes {
                if least > most {
                    faults.append(
                        ("cluster.minimum_nodes", "must not exceed `cluster.nodes` = \(most), found \(least)"))
                }
            } else {
                faults.append(("cluster.minimum_nodes", "needs `cluster.nodes`, found \(least) without"))
            }
        }
        if let minutes = cluster.timeMinutes, let seconds = cluster.warningSeconds, seconds >= 60 * minutes {
            faults.append(
                (
                    "cluster.warning_seconds",
                    "must be less than `cluster.time_minutes` = \(minutes), found \(seconds) seconds"
                ))
        }
        return faults
    }
}

extension JobSchema {
    /// The keys of the section `cluster`.
    static let cluster: [Key] = [
        key(
            "cluster.ranks", \.cluster.ranks, .optional(.integer(1...65_536)), .free,
            meaning: "MPI ranks; null for the smaller of cores (in a SLURM job: tasks) and lanes"),
        key(
            "cluster.launcher", \.cluster.launcher, .choice(), .free,
            meaning: "what starts the ranks; `auto` takes srun in a SLURM job whose srun speaks PMIx, else mpirun"),
        key(
            "cluster.partition", \.cluster.partition, .optional(.slurmWord), .free,
            meaning: "SLURM partition; null for the cluster's default"),
        key(
            "cluster.account", \.cluster.account, .optional(.slurmWord), .free,
            meaning: "SLURM account that is charged; null for the user's default"),
        key(
            "cluster.qos", \.cluster.qos, .optional(.slurmWord), .free,
            meaning: "SLURM quality of service; null for the default"),
        key(
            "cluster.nodes", \.cluster.nodes, .optional(.integer(1...65_536)), .free,
            meaning: "nodes; null for as few as the ranks take"),
        key(
            "cluster.minimum_nodes", \.cluster.minimumNodes, .optional(.integer(1...65_536)), .free,
            meaning: "fewer nodes with which the job starts, too, as after the loss of one; null for `nodes`"),
        key(
            "cluster.ranks_per_node", \.cluster.ranksPerNode, .optional(.integer(1...4096)), .free,
            meaning: "ranks of one node; null for `ranks` dealt over `nodes`, without those as many as there are cores "
                + "and lanes for"),
        key(
            "cluster.memory_gigabytes_per_node", \.cluster.memoryGigabytesPerNode, .optional(.number(0.001...1e6)),
            .free, meaning: "memory of each node, in units of 10^9 bytes; null for the cluster's default"),
        key(
            "cluster.time_minutes", \.cluster.timeMinutes, .optional(.integer(1...5_256_000)), .free,
            meaning: "time limit of one execution, in minutes; null for the partition's default"),
        key(
            "cluster.constraint", \.cluster.constraint, .optional(.slurmConstraint), .free,
            meaning: "features that nodes must have"),
        key(
            "cluster.modules", \.cluster.modules, .list(of: .slurmWord, count: 0...32), .free,
            meaning: "environment modules that are loaded before the run"),
        key(
            "cluster.prologue", \.cluster.prologue, .list(of: .shellLine, count: 0...64), .free,
            meaning: "lines of shell that are run before the run, as written; a line that fails ends the job"),
        key(
            "cluster.directives", \.cluster.directives, .list(of: .sbatchOption, count: 0...32), .free,
            meaning: "further options of sbatch, as in `--exclusive` or `--licenses=matlab:1`"),
        key(
            "cluster.warning_seconds", \.cluster.warningSeconds, .optional(.integer(1...65_535)), .free,
            meaning:
                "seconds before the time limit at which SLURM asks the run to save; null for a tenth of the limit, "
                + "within 20 and 600"),
        key(
            "cluster.requeue_limit", \.cluster.requeueLimit, .integer(0...100_000), .free,
            meaning: "restarts after which a run that was stopped is not queued again; 0 for never"),
        key(
            "cluster.silence_minutes", \.cluster.silenceMinutes, .number(0...10_080), .free,
            meaning: "minutes without a sign of life from a rank after which `diptych run` ends the run and names the "
                + "rank; 0 for never"),
    ]
}

extension JobForm where Value == String {
    private static func ascii(
        _ words: String, _ range: ClosedRange<Int>, also characters: String, startingWith first: String = ""
    ) -> JobForm {
        JobForm(
            words: words,
            read: { node throws(JobProblem) in
                guard case .scalar(let text, let quoted) = node.content, quoted || text != "null",
                    range.contains(text.utf8.count), text.hasPrefix(first), !text.hasPrefix("-") || first == "--",
                    text.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || characters.contains($0)) })
                else { throw JobProblem(text: "must be a \(words), found \(node.found)") }
                return text
            }, write: { JSONValue.string($0).text })
    }

    /// A name that SLURM or the module system gave.
    static var slurmWord: JobForm {
        ascii("word of 1...255 letters, digits and `_.,:+@/-`, not starting with `-`", 1...255, also: "_.,:+@/-")
    }

    /// What `sbatch --constraint` takes.
    static var slurmConstraint: JobForm {
        ascii(
            "constraint of 1...255 letters, digits and the signs of sbatch, not starting with `-`", 1...255,
            also: "_.,:+@/-&|()[]*")
    }

    /// An option of sbatch in its long form.
    static var sbatchOption: JobForm {
        ascii(
            "option of sbatch, `--name` or `--name=value`, without blanks and quotes", 3...1024,
            also: "_.,:+@/-=%*[]()&",
            startingWith: "--")
    }

    /// A line of shell code.
    static var shellLine: JobForm {
        let words = "line of 1...4096 bytes without control characters"
        return JobForm(
            words: words,
            read: { node throws(JobProblem) in
                guard case .scalar(let text, _) = node.content, (1...4096).contains(text.utf8.count),
                    text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
                else { throw JobProblem(text: "must be a \(words), found \(node.found)") }
                return text
            }, write: { JSONValue.string($0).text })
    }
}
