import ArgumentParser
import Foundation
import Jobs

/// `diptych doctor`: looks for what would keep a run from working here.
struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract:
            "Checks this machine, or a SLURM job's nodes: Open MPI, SLURM, cores, libraries, disk, network, clocks.",
        discussion: """
            Starts a few ranks for a second. Within `salloc` they run on the job's nodes, so that this looks at the very \
            nodes: salloc --nodes=3 diptych doctor. Ends with 0 when nothing would keep a run from working, else with 74.
            """)

    @Option(help: "The folder that runs go to.", completion: .directory)
    var runs = "runs"

    @Option(
        help: "A job file: whether the disk has room for its checkpoints, and the memory for a rank.",
        completion: .file(extensions: ["yaml"]))
    var job: String?

    @Option(help: "Ranks to start; by default one for each task of a SLURM job, else two.")
    var ranks: Int?

    @Option(help: "What starts the ranks: auto, srun or mpirun.")
    var launcher = LauncherKind.auto

    @Flag(help: "Prints one line of JSON.")
    var json = false

    func validate() throws {
        if let ranks, !(1...65_536).contains(ranks) { throw ValidationError("--ranks must be in 1...65536") }
    }

    func run() throws {
        let signals = ProcessSignals()
        let machine = try Machine.current()
        let job = try job.map { try Job.load(path: $0) }
        let doctor = Doctor(machine: machine, runs: absolutePath(runs))
        let probe = doctor.probe(
            ranks: ranks ?? machine.allocation?.tasks ?? 2, launcher: launcher, signals: signals)
        let findings = doctor.findings(job: job) + probe
        let console = Console(json: json)
        for finding in findings {
            console.say("\(finding.verdict.mark)  \(finding.subject): \(finding.text)")
            if let advice = finding.advice { console.say("      \(advice)") }
        }
        console.report([
            "healthy": .boolean(findings.allSatisfy { $0.verdict != .bad }),
            "findings": .array(
                findings.map { finding in
                    [
                        "subject": .string(finding.subject), "verdict": .string(finding.verdict.rawValue),
                        "text": .string(finding.text), "advice": finding.advice.map { .string($0) } ?? .null,
                    ]
                }),
        ])
        let bad = findings.filter { $0.verdict == .bad }
        if !bad.isEmpty {
            throw DiptychFailure(.inputOutput, "not ready to run: " + bad.map(\.subject).joined(separator: ", "))
        }
    }
}
