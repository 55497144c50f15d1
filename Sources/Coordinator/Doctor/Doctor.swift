import Foundation
import Jobs

/// Looks at one thing after the other; changes nothing.
struct Doctor {
    /// One thing that was looked at.
    struct Finding {
        /// How bad it is.
        enum Verdict: String {
            /// As it should be.
            case good
            /// A run works, but not at its best.
            case poor
            /// A run cannot work.
            case bad

            var mark: String {
                switch self {
                case .good: "ok  "
                case .poor: "note"
                case .bad: "BAD "
                }
            }
        }

        var subject: String
        var verdict: Verdict
        var text: String
        var advice: String?
    }

    let machine: Machine
    let runs: String

    /// Everything that was found, in a fixed order.
    ///
    /// - Parameter job: A job whose checkpoints the disk must hold, and whose rank the memory.
    func findings(job: Job? = nil) -> [Finding] {
        [mpi(), worker(), libraries(), pmix(), cores(), memory(job), sharedMemory(), disk(job), writable()] + slurm()
            + settings()
    }

    private func mpi() -> Finding {
        let install = "Debian: apt install openmpi-bin libopenmpi-dev; on a cluster: module load openmpi"
        guard let mpirun = machine.find("mpirun") else {
            return Finding(
                subject: "Open MPI", verdict: .bad, text: "mpirun is not on the search path", advice: install)
        }
        let answer = ShortCommand.run(mpirun, ["--version"], machine).output.first ?? "says nothing"
        guard answer.contains("Open MPI") else {
            return Finding(
                subject: "Open MPI", verdict: .bad, text: "\(mpirun) is not Open MPI's: \(printable(answer))",
                advice: "put Open MPI's mpirun first on PATH. " + install)
        }
        return Finding(subject: "Open MPI", verdict: .good, text: "\(printable(answer)) at \(mpirun)")
    }

    private func worker() -> Finding {
        guard let worker = machine.findWorker() else {
            return Finding(
                subject: "diptych-worker", verdict: .bad, text: "is not beside this program",
                advice: "build both with `make build`, or install both with `make install`")
        }
        return Finding(subject: "diptych-worker", verdict: .good, text: worker)
    }

    /// Asks the dynamic loader which libraries the worker would miss.
    private func libraries() -> Finding {
        guard let worker = machine.findWorker(), let ldd = machine.find("ldd") else {
            return Finding(subject: "libraries", verdict: .poor, text: "could not be checked without worker and ldd")
        }
        let lines = ShortCommand.run(ldd, [worker], machine).output
        let missing = lines.filter { $0.contains("not found") }.map {
            printable($0.trimmingCharacters(in: .whitespaces))
        }
        if !missing.isEmpty {
            return Finding(
                subject: "libraries", verdict: .bad, text: missing.joined(separator: "; "),
                advice: "Debian: apt install libdnnl2 libhdf5-103-1 libzstd1 libpng16-16 libopenblas0 libopenmpi3")
        }
        let names = ["libmpi", "libdnnl", "libhdf5", "libzstd", "libpng"].filter { name in
            lines.contains { $0.contains(name) }
        }
        return Finding(subject: "libraries", verdict: .good, text: "all found: \(names.joined(separator: ", "))")
    }

    private func cores() -> Finding {
        let slots = machine.environment["SLURM_NTASKS"].map { ", \($0) SLURM tasks" } ?? ""
        let text = "\(machine.cores) core\(machine.cores == 1 ? "" : "s") for ranks\(slots)"
        return Finding(
            subject: "cores", verdict: machine.cores > 1 ? .good : .poor, text: text,
            advice: machine.cores > 1 ? nil : "one rank trains the teachers one after the other, to the same bits")
    }

    private func memory(_ job: Job?) -> Finding {
        guard let bytes = Machine.availableMemory() else {
            return Finding(subject: "memory", verdict: .poor, text: "could not be told")
        }
        let place = "\(PlanText.bytes(bytes)) available"
        guard let job, let plan = plan(job) else {
            return Finding(
                subject: "memory", verdict: bytes > 1 << 30 ? .good : .poor, text: place,
                advice: bytes > 1 << 30 ? nil : "compare with what `diptych plan` says a rank needs")
        }
        let rank = plan.memory.phases.map(\.rank.total).max() ?? 0
        return Finding(
            subject: "memory", verdict: bytes >= rank ? .good : .bad,
            text: "\(place), a rank of \(job.name) needs about \(PlanText.bytes(rank))",
            advice: bytes >= rank
                ? nil : "use a machine with more, or fewer images_per_lane; numerics.recompute_blocks takes less, too")
    }

    private func sharedMemory() -> Finding {
        let free = Disk.freeBytes("/dev/shm") ?? 0
        return Finding(
            subject: "shared memory", verdict: free >= 64 << 20 ? .good : .bad,
            text: "\(PlanText.bytes(free)) free in /dev/shm",
            advice: free >= 64 << 20
                ? nil : "ranks exchange data there; empty it, or enlarge it (containers: --shm-size=1g)")
    }

    /// The deepest folder above the runs that is already there.
    var existing: String {
        var folder = runs
        while access(folder, F_OK) != 0, folder != "/" { folder = (folder as NSString).deletingLastPathComponent }
        return folder
    }

    /// What a job needs on one rank; nil when that cannot be said.
    private func plan(_ job: Job) -> Plan? {
        guard let placement = try? Placement(job: job, ranks: 1) else { return nil }
        return try? Plan(
            job: job, placement: placement, run: "\(runs)/\(job.name)", rate: nil,
            cluster: ScalingModel.Cluster(network: .network(gigabits: ScalingModel.usualGigabits)))
    }

    private func disk(_ job: Job?) -> Finding {
        let free = Disk.freeBytes(existing) ?? 0
        let place = "\(PlanText.bytes(free)) free for \(printable(runs))"
        if let job, let plan = plan(job) {
            let needed = plan.memory.diskBytes
            return Finding(
                subject: "disk", verdict: free >= needed ? .good : .bad,
                text: "\(place), the checkpoints of \(job.name) take up to \(PlanText.bytes(needed))",
                advice: free >= needed ? nil : "make room, or keep fewer checkpoints (checkpoint.keep)")
        }
        return Finding(
            subject: "disk", verdict: free >= 1 << 30 ? .good : .poor, text: place,
            advice: free >= 1 << 30 ? nil : "compare with the size of checkpoints that `diptych plan` states")
    }

    private func writable() -> Finding {
        let isWritable = access(existing, W_OK | X_OK) == 0
        return Finding(
            subject: "runs folder", verdict: isWritable ? .good : .bad,
            text: "\(printable(runs)) \(isWritable ? "can be written" : "cannot be written")",
            advice: isWritable ? nil : "give runs another place with --run")
    }

    /// Variables that change how ranks behave.
    private func settings() -> [Finding] {
        var findings: [Finding] = []
        for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"] {
            guard let value = machine.environment[name], value != "1" else { continue }
            findings.append(
                Finding(
                    subject: name, verdict: .good,
                    text:
                        "\(printable(value)), without effect: a rank computes with one thread, more cores mean more ranks"
                ))
        }
        let names = machine.environment.keys.filter {
            $0.hasPrefix("OMPI_MCA_") || $0.hasPrefix("DNNL_") || $0.hasPrefix("ONEDNN_") || $0 == "LD_PRELOAD"
                || $0 == "HDF5_PLUGIN_PATH"
        }
        for name in names.sorted() {
            findings.append(
                Finding(
                    subject: printable(name), verdict: .poor, text: printable(machine.environment[name] ?? ""),
                    advice: "set in the environment; changes how ranks run. Unset it if that was not meant"))
        }
        return findings
    }
}
