import Foundation
import Jobs

/// The batch script that SLURM gets: a pure function of its options.
package struct SubmissionScript: Hashable {
    /// How many nodes and ranks.
    package struct Layout: Hashable {
        /// The nodes asked for.
        package var nodes: Int
        /// The nodes with which the job starts, too.
        package var minimumNodes: Int
        /// Ranks of one node.
        package var ranksPerNode: Int

        /// Names the numbers.
        package init(nodes: Int, minimumNodes: Int, ranksPerNode: Int) {
            self.nodes = nodes
            self.minimumNodes = minimumNodes
            self.ranksPerNode = ranksPerNode
        }
    }

    /// The job's name.
    package var name: String
    /// The job's section `cluster`.
    package var options: Job.ClusterOptions
    /// How many nodes and ranks.
    package var layout: Layout
    /// This program's file.
    package var program: String
    /// Directories of the runs, absolute; several make an array.
    package var runs: [String]
    /// Where SLURM's log goes: the run's own directory, or the sweep's.
    package var folder: String
    /// How many tasks of an array run at the same time; nil for no limit.
    package var concurrency: Int?

    /// Gathers the options.
    ///
    /// - Precondition: No path holds a control character or a backslash; there is a run.
    package init(
        name: String, options: Job.ClusterOptions, layout: Layout, program: String, runs: [String], folder: String,
        concurrency: Int? = nil
    ) {
        precondition(!runs.isEmpty, "a script without a run")
        self.name = name
        self.options = options
        self.layout = layout
        self.program = program
        self.runs = runs
        self.folder = folder
        self.concurrency = concurrency
    }

    /// Whether the script is of a job array.
    package var isArray: Bool { runs.count > 1 }

    /// Seconds before the time limit at which SLURM warns the run.
    package var warningSeconds: Int {
        options.warningSeconds ?? options.timeMinutes.map { min(600, max(20, $0 * 6)) } ?? 120
    }

    /// Options that `cluster.directives` cannot give: the script or `diptych submit` says them, and relies on that.
    private static let own = [
        "job-name", "partition", "account", "qos", "time", "mem", "constraint", "nodes", "ntasks", "ntasks-per-node",
        "cpus-per-task", "array", "output", "error", "open-mode",
        "signal",
        "requeue", "no-requeue", "wait", "parsable", "test-only", "wrap", "chdir",
    ]

    /// Refuses directives for what the script itself says, also shortened ones, which sbatch takes too.
    ///
    /// - Throws: `DiptychFailure` with code 64.
    package static func requireForeign(_ directives: [String]) throws {
        for directive in directives {
            let name = directive.dropFirst(2).prefix { $0 != "=" && !$0.isWhitespace }
            guard own.contains(where: { $0.hasPrefix(name) }) else { continue }
            throw DiptychFailure(
                .usage,
                "`cluster.directives`: \(printable(directive)) cannot be given, since `diptych submit` decides it; see "
                    + "`diptych submit --help` for what can be set")
        }
    }

    /// The options of sbatch, each with its value.
    package var directives: [(name: String, value: String?)] {
        var list: [(String, String?)] = [("job-name", name)]
        func add(_ name: String, _ value: String?) {
            if let value { list.append((name, value)) }
        }
        add("partition", options.partition)
        add("account", options.account)
        add("qos", options.qos)
        let range = layout.minimumNodes < layout.nodes ? "\(layout.minimumNodes)-\(layout.nodes)" : "\(layout.nodes)"
        add("nodes", range)
        add("ntasks-per-node", "\(layout.ranksPerNode)")
        add("cpus-per-task", "1")
        // Where cores have two threads, SLURM would put two ranks on one core.
        let threads = ["--hint", "--threads-per-core", "--ntasks-per-core", "--extra-node-info"]
        if !options.directives.contains(where: { directive in threads.contains { directive.hasPrefix($0) } }) {
            add("ntasks-per-core", "1")
        }
        // SLURM's M is 2^20 bytes.
        add("mem", options.memoryGigabytesPerNode.map { "\(Int(($0 * 1e9 / 1_048_576).rounded(.up)))M" })
        add("time", options.timeMinutes.map { "\($0)" })
        add("constraint", options.constraint)
        if isArray { add("array", "0-\(runs.count - 1)" + (concurrency.map { "%\($0)" } ?? "")) }
        add("output", folder.replacing("%", with: "%%") + "/slurm-" + (isArray ? "%A_%a" : "%j") + ".out")
        add("open-mode", "append")
        add("signal", "B:USR1@\(warningSeconds)")
        list.append((options.requeueLimit > 0 ? "requeue" : "no-requeue", nil))
        for directive in options.directives {
            let parts = directive.dropFirst(2).split(separator: "=", maxSplits: 1).map(String.init)
            list.append((parts.first ?? "", parts.count > 1 ? parts[1] : nil))
        }
        return list
    }

    /// The whole script.
    package var text: String {
        // A login shell knows the command `module`.
        var lines = [options.modules.isEmpty ? "#!/bin/bash" : "#!/bin/bash -l"]
        lines.append("# A run of Diptych \(programVersion), written by `diptych submit`; `sbatch` takes it as it is.")
        for (name, value) in directives {
            lines.append("#SBATCH --\(name)" + (value.map { "=" + ShellText.directive($0) } ?? ""))
        }
        lines.append("")
        if ([program] + runs).contains(where: { $0.contains("$") || $0.contains("`") }) {
            lines.append("# shellcheck disable=SC2016  # names with a dollar sign are meant as they are")
        }
        if !options.modules.isEmpty || !options.prologue.isEmpty { lines.append("set -e") }
        for module in options.modules { lines.append("module load \(ShellText.quoted(module)) || exit 74") }
        lines += options.prologue
        var run = "\(ShellText.quoted(runs[0]))"
        if isArray {
            lines.append("runs=(")
            lines += runs.map { "    " + ShellText.quoted($0) }
            lines.append(")")
            lines.append("run=${runs[$SLURM_ARRAY_TASK_ID]}")
            run = "\"$run\""
        }
        let job = isArray ? "\"$run/job.yaml\"" : ShellText.quoted(runs[0] + "/job.yaml")
        lines.append(
            "exec \(ShellText.quoted(program)) run --run=\(run) --launcher=\(options.launcher.rawValue) "
                + "--requeue-limit=\(options.requeueLimit) -- \(job)")
        return lines.joined(separator: "\n") + "\n"
    }
}
