import Foundation
import Jobs

/// A submission that has passed the checks of the login node.
struct CheckedSubmission {
    /// One run of it.
    struct Run {
        var job: Job
        var directory: RunDirectory
    }

    /// One run, or those of a sweep.
    let runs: [Run]
    let script: SubmissionScript
    /// The run's directory, or the sweep's.
    let folder: String

    /// Where the script goes.
    var scriptPath: String { RunDirectory(folder).submissionScript }

    // MARK: Checks

    /// Checks data, network, memory, disk and modules, and shows the plan of the first run.
    func checkNeeds(machine: Machine, partition: SlurmPartition?, say: (String) -> Void) throws {
        let layout = script.layout
        let room = layout.nodes * layout.ranksPerNode
        var bytes = 0
        for (index, run) in runs.enumerated() {
            let ranks = min(run.job.cluster.ranks ?? room, room)
            let plan = try Plan(
                job: run.job, placement: Placement(job: run.job, ranks: ranks), run: run.directory.path, rate: nil,
                cluster: ScalingModel.Cluster(
                    network: .network(gigabits: ScalingModel.usualGigabits), ranksPerHost: layout.ranksPerNode))
            if index == 0 { plan.lines.forEach(say) }
            try checkMemory(plan, partition, machine)
            bytes += max(0, plan.memory.diskBytes - Self.size(of: run.directory.checkpoints))
        }
        say(
            "SLURM: \(runs.count == 1 ? "one job" : "\(runs.count) jobs, each") on \(layout.nodes) node\(layout.nodes == 1 ? "" : "s"), "
                + "\(layout.ranksPerNode) rank\(layout.ranksPerNode == 1 ? "" : "s") on each"
                + (partition.map { ", partition \($0.name)" } ?? "")
                + (script.options.timeMinutes.map { ", \(ProgressRenderer.duration(Double(60 * $0))) at a time" } ?? "")
        )
        try checkDisk(bytes)
        try checkModules(machine)
        try checkSyntax(machine)
    }

    /// Lines of the prologue are the user's own; a job that waits for hours should not end at a missing `fi`.
    private func checkSyntax(_ machine: Machine) throws {
        try withTemporaryScript { path in
            let answer = ShortCommand.run("bash", ["-n", path], machine)
            guard answer.code.map({ $0 != 0 }) ?? false else { return }
            throw DiptychFailure(
                .usage,
                "the batch script would not be valid bash: \(answer.complaint.replacing(path, with: "script")); mend "
                    + "`cluster.prologue`")
        }
    }

    private func withTemporaryScript(_ body: (String) throws -> Void) throws {
        let path = NSTemporaryDirectory() + "/diptych-\(UUID().uuidString).sbatch"
        try FileBytes.replace(path, with: Data(script.text.utf8))
        defer { unlink(path) }
        try body(path)
    }

    private func checkMemory(_ plan: Plan, _ partition: SlurmPartition?, _ machine: Machine) throws {
        let ranks = script.layout.ranksPerNode
        let rank = plan.memory.phases.map(\.rank.total).max() ?? 0
        let needed = Double(rank * ranks)
        let asked = script.options.memoryGigabytesPerNode.map { $0 * 1e9 }
        let room = asked ?? partition?.memory ?? .infinity
        guard needed <= room || room <= 0 else {
            throw DiptychFailure(
                .usage,
                "\(ranks) ranks need about \(PlanText.bytes(Int(needed))) on each node, which has "
                    + "\(PlanText.bytes(Int(room))); use fewer --ranks-per-node on more --nodes"
                    + (asked == nil ? "" : ", or more --memory-gigabytes-per-node"))
        }
        // Somebody who says --mem-per-cpu or --mem in other words knows what is asked for.
        let isAskedOtherwise =
            script.options.directives.contains { $0.hasPrefix("--mem") || $0.hasPrefix("--exclusive") }
            || machine.environment.keys.contains { $0.hasPrefix("SBATCH_MEM_") }
        guard asked == nil, !isAskedOtherwise, let partition,
            let share = SlurmTools(machine: machine).defaultMemory(of: partition.name, cores: ranks), share < needed
        else { return }
        throw DiptychFailure(
            .usage,
            "\(ranks) ranks need about \(PlanText.bytes(Int(needed))) on each node, and partition `\(partition.name)` gives "
                + "\(PlanText.bytes(Int(share))) to jobs that do not ask for memory; add "
                + "--memory-gigabytes-per-node \(String(format: "%.1f", (needed * 1.2 / 1e8).rounded(.up) / 10))")
    }

    private func checkDisk(_ bytes: Int) throws {
        var place = folder
        while access(place, F_OK) != 0, place != "/" { place = (place as NSString).deletingLastPathComponent }
        guard access(place, W_OK | X_OK) == 0 else {
            throw DiptychFailure(
                .inputOutput,
                "\(printable(place)) cannot be written (\(SystemCallError(place, "access").reason)); give another "
                    + "directory with --run")
        }
        guard let free = Disk.freeBytes(place), free < bytes else { return }
        throw DiptychFailure(
            .inputOutput,
            "the checkpoints take up to \(PlanText.bytes(bytes)), and \(printable(place)) has \(PlanText.bytes(free)) "
                + "free; make room, give another directory with --run, or keep fewer (checkpoint.keep)")
    }

    private func checkModules(_ machine: Machine) throws {
        guard !script.options.modules.isEmpty else { return }
        // A login shell, as in the script: elsewhere there may be no `module`.
        // Loaded one after the other, as in the script: some are there only after others.
        let probe =
            #"type module >/dev/null 2>&1 || exit 3; for m; do module load "$m" >/dev/null 2>&1 || { echo "$m"; exit 4; }; done"#
        let answer = ShortCommand.run("bash", ["-lc", probe, "bash"] + script.options.modules, machine)
        switch answer.code {
        case 0: return
        case 3:
            throw DiptychFailure(
                .usage,
                "`cluster.modules` names \(script.options.modules.joined(separator: ", ")), but this machine has no "
                    + "command `module`; remove them, or use `cluster.prologue`")
        case 4:
            throw DiptychFailure(
                .usage,
                "the module `\(printable(answer.output.last ?? ""))` cannot be loaded here; `module avail` shows which there are"
            )
        default:
            throw DiptychFailure(.inputOutput, "the modules could not be looked for: \(answer.complaint)")
        }
    }

    /// Asks SLURM whether it would take the script: account, quality of service, constraint, limits of the site.
    func test(machine: Machine) throws {
        try withTemporaryScript { path in
            let answer = ShortCommand.run("sbatch", ["--test-only", path], sbatchMachine(machine))
            guard answer.isGood else {
                throw DiptychFailure(.usage, "SLURM would not take the job: \(answer.complaint)")
            }
        }
    }

    // MARK: Submission

    /// Prepares the runs' directories, writes the script, and gives it to SLURM.
    ///
    /// - Throws: `DiptychFailure`: 74 when a run is in work or queued already, or SLURM refuses.
    func submit(machine: Machine, extend: Bool) throws -> Submission {
        let tools = SlurmTools(machine: machine)
        for run in runs { try Self.refuseSecond(run.directory, tools) }
        var locks: [RunLock] = []
        for run in runs {
            let preparation = try RunPreparation.open(job: run.job, run: run.directory.path, extend: extend)
            preparation.lock.describe(isSubmitting: true)
            locks.append(preparation.lock)
            // Somebody else may have submitted it between the look above and the lock.
            try Self.refuseSecond(run.directory, tools)
        }
        do throws(SystemCallError) {
            try FileBytes.replace(scriptPath, with: Data(script.text.utf8))
        } catch {
            throw error.failure
        }
        let answer = ShortCommand.run("sbatch", ["--parsable", scriptPath], sbatchMachine(machine), seconds: 60)
        guard answer.isGood, let (job, cluster) = Submission.parse(sbatch: answer.output) else {
            throw DiptychFailure(
                .inputOutput,
                answer.code == nil
                    ? "sbatch gave no answer within a minute, and may have queued the job: look with `squeue --me`"
                    : "SLURM did not take the job: \(answer.complaint)")
        }
        let time = Date().timeIntervalSince1970
        func submission(_ job: String, log: String) -> Submission {
            Submission(job: job, cluster: cluster, script: scriptPath, log: log, time: time)
        }
        for (index, run) in runs.enumerated() {
            let log = script.isArray ? "\(folder)/slurm-\(job)_\(index).out" : "\(folder)/slurm-\(job).out"
            try submission(script.isArray ? "\(job)_\(index)" : job, log: log).write(to: run.directory)
        }
        withExtendedLifetime(locks) {}
        return submission(job, log: script.isArray ? "\(folder)/slurm-\(job)_*.out" : "\(folder)/slurm-\(job).out")
    }

    /// Refuses a run that SLURM has already, or may have.
    private static func refuseSecond(_ directory: RunDirectory, _ tools: SlurmTools) throws {
        guard let former = try Submission.read(from: directory) else { return }
        switch tools.state(of: former) {
        case .known(let state) where state.isLive:
            throw DiptychFailure(
                .inputOutput,
                "\(printable(directory.path)) is with SLURM already, as job \(former.job) (\(state.state.lowercased())); "
                    + "see `diptych status`, end it with `diptych cancel`, or give another directory with --run")
        case .unavailable(let reason):
            throw DiptychFailure(
                .inputOutput,
                "\(printable(directory.path)) was submitted as job \(former.job), and SLURM does not tell whether that has "
                    + "ended: \(reason). Try again, or give another directory with --run")
        case .known, .forgotten: return
        }
    }

    /// The environment for sbatch without the user's defaults for what the script says: they would win over it.
    private func sbatchMachine(_ machine: Machine) -> Machine {
        var machine = machine
        let names = [
            "job-name": "JOB_NAME", "partition": "PARTITION", "account": "ACCOUNT", "qos": "QOS", "time": "TIMELIMIT",
            "mem": "MEM_PER_NODE", "constraint": "CONSTRAINT", "array": "ARRAY_INX", "output": "OUTPUT",
            "open-mode": "OPEN_MODE", "signal": "SIGNAL", "requeue": "NO_REQUEUE", "no-requeue": "REQUEUE",
        ]
        for (name, _) in script.directives {
            if let variable = names[name] { machine.environment["SBATCH_\(variable)"] = nil }
        }
        for name in ["WAIT", "ERROR"] { machine.environment["SBATCH_\(name)"] = nil }
        // What SLURM told this process, if it is in a job itself, is not true of the new one.
        if machine.environment["SLURM_JOB_ID"] != nil {
            let kept = ["SLURM_CONF", "SLURM_CLUSTERS", "SLURM_JWT"]
            for name in machine.environment.keys where name.hasPrefix("SLURM_") && !kept.contains(name) {
                machine.environment[name] = nil
            }
        }
        return machine
    }

    /// The bytes of all files below a folder.
    private static func size(of folder: String) -> Int {
        let names = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
        return names.reduce(0) { sum, name in
            let size = try? FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")[.size] as? Int
            return sum + (size ?? 0)
        }
    }
}

/// A file system.
enum Disk {
    /// The bytes that a user may still write below a path; nil when that cannot be told.
    static func freeBytes(_ path: String) -> Int? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        return Int(status.f_bavail) * Int(status.f_frsize)
    }
}
