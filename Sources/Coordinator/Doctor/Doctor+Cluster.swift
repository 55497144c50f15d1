import Foundation
import Jobs

extension Doctor {
    /// Whether the library is there with which Open MPI and SLURM talk to each other.
    func pmix() -> Finding {
        let names = ["libpmix.so.2", "libpmix.so"]
        let found = names.first { name in
            guard let handle = dlopen(name, RTLD_LAZY) else { return false }
            dlclose(handle)
            return true
        }
        if let found { return Finding(subject: "PMIx", verdict: .good, text: "\(found) is there") }
        return Finding(
            subject: "PMIx", verdict: machine.find("srun") == nil ? .good : .poor,
            text: "no libpmix.so on this machine",
            advice: machine.find("srun") == nil
                ? nil
                : "srun --mpi=pmix needs it (Debian: apt install libpmix2); mpirun does without: --launcher mpirun")
    }

    /// What there is of SLURM, and what this process was given of it.
    func slurm() -> [Finding] {
        guard machine.find("sbatch") != nil || machine.allocation != nil else { return [] }
        return [controller(), launcherOfSlurm()] + (machine.allocation.map { [placement($0)] } ?? [])
    }

    private func controller() -> Finding {
        let answer = ShortCommand.run("sinfo", ["--noheader", "--format=\(SlurmPartition.format)"], machine)
        let partitions = SlurmPartition.parse(answer.output)
        guard answer.isGood, !partitions.isEmpty else {
            return Finding(
                subject: "SLURM", verdict: machine.allocation == nil ? .poor : .bad,
                text: "does not answer: \(answer.complaint)",
                advice: "wait for slurmctld, or set SLURM_CONF if the cluster's configuration lies elsewhere")
        }
        let words = partitions.map { "\($0.name) (\($0.nodes) nodes of \($0.cores) cores\($0.isUp ? "" : ", down"))" }
        return Finding(
            subject: "SLURM", verdict: .good, text: "partitions " + words.map { printable($0) }.joined(separator: ", "))
    }

    private func launcherOfSlurm() -> Finding {
        guard machine.find("srun") != nil else {
            return Finding(
                subject: "srun", verdict: .poor, text: "is not on the search path",
                advice: "runs in SLURM jobs are started by mpirun")
        }
        let answer = ShortCommand.run("srun", ["--mpi=list"], machine)
        let words = (answer.output + answer.error).flatMap { $0.split { $0.isWhitespace || $0 == "," } }
        let kinds = words.filter { $0 == "none" || $0.hasPrefix("pm") || $0.hasPrefix("openmpi") }
        let list = kinds.isEmpty ? answer.complaint : printable(kinds.joined(separator: ", "))
        return words.contains("pmix")
            ? Finding(subject: "srun", verdict: .good, text: "speaks PMIx (\(list))")
            : Finding(
                subject: "srun", verdict: .poor, text: "does not speak PMIx; it offers: \(list)",
                advice: "runs are started by mpirun instead; srun needs SLURM's PMIx plug-in (mpi_pmix.so)")
    }

    /// Tasks and cores of the job that this is in.
    private func placement(_ allocation: SlurmAllocation) -> Finding {
        let cores = allocation.coresPerNode.reduce(0, +)
        let text =
            "job \(allocation.name) has \(allocation.tasks) tasks on \(allocation.nodes) nodes with \(cores) cores"
        if zip(allocation.tasksPerNode, allocation.coresPerNode).contains(where: { $0 > $1 }) {
            return Finding(
                subject: "slots", verdict: .poor, text: text + ": ranks share cores",
                advice:
                    "one rank takes one core; ask for as many cores as ranks. Waiting ranks yield, so it is slow, not stuck"
            )
        }
        let mine = ProcessInfo.processInfo.hostName
        if allocation.nodes == 1, machine.cores < allocation.tasks {
            return Finding(
                subject: "slots", verdict: .poor,
                text: "\(text), but this process on \(printable(mine)) may use \(machine.cores)",
                advice: "something binds it to fewer cores: start it without --cpu-bind or taskset")
        }
        return Finding(subject: "slots", verdict: .good, text: text)
    }

    // MARK: Ranks

    /// What a few ranks find out; the line that `diptych-worker probe` ends with.
    private struct Report: Decodable {
        var ranks: Int
        var hosts: [String]
        var clock_skew_seconds: Double
        var bytes_per_second: Double
        var latency_seconds: Double
        var blind_ranks: [Int]
        var unlocked_ranks: [Int]
        var processors: [String]
    }

    /// Starts ranks, on the very nodes of a SLURM job, and lets them look around.
    func probe(ranks: Int, launcher: LauncherKind, signals: any StopSignals) -> [Finding] {
        let report: Report
        let kind: LauncherKind
        let folder = access(existing, W_OK | X_OK) == 0 ? ["--folder", existing] : []
        do {
            let chosen = try Launchers.choose(launcher, machine: machine)
            kind = chosen.kind
            let invocation = chosen.invocation(
                ranks: ranks, arguments: ["probe", "--ranks", "\(ranks)"] + folder, label: "probe \(getpid())")
            let line = try Errand(invocation: invocation, signals: signals, patience: 60).run() ?? ""
            report = try JSONDecoder().decode(Report.self, from: Data(line.utf8))
        } catch {
            return [
                Finding(
                    subject: "ranks", verdict: .bad, text: "\(ranks) ranks could not be started: \(error)",
                    advice: "try the other launcher: --launcher mpirun or --launcher srun")
            ]
        }
        var findings = [started(report, kind), network(report), clocks(report)]
        // Without a folder that can be written nobody could look; `runs folder` says so.
        if !folder.isEmpty { findings += [sharedFolder(report), locking(report)] }
        return findings
    }

    private func started(_ report: Report, _ kind: LauncherKind) -> Finding {
        var nodes: [String] = []
        for host in report.hosts where !nodes.contains(host) { nodes.append(host) }
        let names = printable(nodes.prefix(8).joined(separator: ", ")) + (nodes.count > 8 ? ", ..." : "")
        let text = "\(kind.rawValue) starts \(report.ranks) ranks on \(names)"
        let few = nodes.filter { node in
            let places = report.hosts.indices.filter { report.hosts[$0] == node }
            // Together they need as many as they are, however they are bound.
            let processors = Set(places.flatMap { Machine.cpuList(report.processors[$0]) })
            return !processors.isEmpty && processors.count < places.count
        }
        guard few.isEmpty else {
            return Finding(
                subject: "ranks", verdict: .poor,
                text: text + "; on \(printable(few.joined(separator: ", "))) they share cores",
                advice:
                    "use as many ranks as cores, and see that nothing binds them to the same ones (--bind-to, --cpu-bind)"
            )
        }
        return Finding(subject: "ranks", verdict: .good, text: text)
    }

    private func network(_ report: Report) -> Finding {
        let speed = "\(PlanText.bytes(Int(report.bytes_per_second)))/s for gradients, "
        let latency = "\(ProgressRenderer.digits(report.latency_seconds * 1e6)) microseconds for the least message"
        let isSlow = report.ranks > 1 && (report.bytes_per_second < 50e6 || report.latency_seconds > 0.005)
        return Finding(
            subject: "exchange", verdict: isSlow ? .poor : .good, text: speed + latency,
            advice: isSlow
                ? "compare with what `diptych plan` says a step exchanges; ranks that share cores, or a slow network "
                    + "interface, are the usual reasons (OMPI_MCA_btl_tcp_if_include chooses one)" : nil)
    }

    private func clocks(_ report: Report) -> Finding {
        let isOff = report.clock_skew_seconds > 1
        return Finding(
            subject: "clocks", verdict: isOff ? .poor : .good,
            text: "the nodes' clocks differ by \(ProgressRenderer.digits(report.clock_skew_seconds)) s at most",
            advice: isOff ? "heartbeats and logs of different nodes cannot be compared; ask for NTP on all nodes" : nil)
    }

    private func sharedFolder(_ report: Report) -> Finding {
        guard report.blind_ranks.isEmpty else {
            let hosts = Set(report.blind_ranks.map { report.hosts[$0] }).sorted().joined(separator: ", ")
            return Finding(
                subject: "shared folder", verdict: .bad,
                text: "\(printable(runs)) is not the same folder on \(printable(hosts))",
                advice: "give runs a place on a file system that all nodes share: --run, or --runs here")
        }
        return Finding(subject: "shared folder", verdict: .good, text: "all ranks see the same \(printable(existing))")
    }

    private func locking(_ report: Report) -> Finding {
        guard report.blind_ranks.isEmpty else {
            return Finding(
                subject: "locking", verdict: .poor, text: "could not be tried: not all nodes see \(printable(runs))",
                advice: "look again when the folder is shared")
        }
        guard report.unlocked_ranks.isEmpty else {
            return Finding(
                subject: "locking", verdict: .poor,
                text: "a lock in \(printable(runs)) on one node does not hold on others",
                advice: "two runs of one directory on two nodes would not be noticed; mount Lustre with -o flock, NFS "
                    + "without nolock")
        }
        return Finding(subject: "locking", verdict: .good, text: "a lock on one node holds on all")
    }
}
