import ArgumentParser
import Foundation
import Jobs
import Tensor

/// `diptych tune`: measures which algorithm computes each convolution fastest on this machine.
struct TuneCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tune",
        abstract:
            "Times a job's convolutions by each algorithm and writes down the fastest, for `numerics.convolutions`.",
        discussion: """
            One rank makes the passes of a run (teach, distill, sample) with the job's lane sizes, and times each \
            convolution that it meets. Leave the machine alone meanwhile. A run that names the file computes by it; the \
            algorithms change its bits, so name it before a run begins. docs/tuning.md says more.
            """)

    @Argument(help: "The job file.", completion: .file(extensions: ["yaml"]))
    var job: String?

    @Option(name: .customLong("set"), help: "Changes one value of the job: --set teach.images_per_lane=8. Repeatable.")
    var overrides: [String] = []

    @Option(help: "A reference network instead of a job: ddpm-cifar10 or fashion-mnist.")
    var model: BenchCommand.Network?

    @Option(help: "Images per lane of the reference network; a job has its own.")
    var imagesPerLane: Int?

    @Option(help: "Timed samples of each convolution and algorithm; their median counts.")
    var samples = 9

    @Option(
        help: "The file to write; <name of the job or network>.convolutions.yaml by default.",
        completion: .file(extensions: ["yaml"]))
    var out: String?

    @Flag(help: "Replaces the file if it is there.")
    var force = false

    @Flag(help: "Prints one line of JSON.")
    var json = false

    func validate() throws {
        guard (job == nil) != (model == nil) else {
            throw ValidationError("give either a job file or --model")
        }
        guard (1...10_000).contains(samples) else {
            throw ValidationError("--samples must be in 1...10000, found \(samples)")
        }
        if model == nil, imagesPerLane != nil {
            throw ValidationError("--images-per-lane belongs to --model; a job's are changed with --set")
        }
        if model != nil, !overrides.isEmpty { throw ValidationError("--set changes a job; there is none with --model") }
        guard (1...65_536).contains(imagesPerLane ?? 1) else {
            throw ValidationError("--images-per-lane must be in 1...65536, found \(imagesPerLane ?? 1)")
        }
    }

    func run() throws {
        let signals = ProcessSignals()
        let console = Console(json: json)
        let (name, arguments) = try request()
        let path = absolutePath(out ?? "\(name).convolutions.yaml")
        try check(path)
        let launcher = try MPIRun(machine: .current())
        let invocation = launcher.invocation(
            ranks: 1, arguments: ["tune"] + arguments + ["--samples", "\(samples)"], label: "tune \(getpid())")
        let line = try Errand(invocation: invocation, signals: signals, say: console.say).run()
        guard let line, let answer = try? JSONDecoder().decode(Answer.self, from: Data(line.utf8)),
            let file = try? ConvolutionFile.decode(answer.file, file: "the measurement")
        else {
            throw DiptychFailure(
                .internalError, "the measurement cannot be read; please report it: \(printable(line ?? "(nothing)"))")
        }
        do {
            try FileBytes.replace(path, with: Data(answer.file.utf8), mode: 0o666)
        } catch {
            throw error.failure
        }
        file.lines(name: name, path: path).forEach(console.say)
        console.report(file.json(path: path))
    }

    /// What the rank answers.
    private struct Answer: Decodable {
        /// The text of the file.
        var file: String
    }

    /// What is tuned, and what the rank is told of it.
    private func request() throws -> (name: String, arguments: [String]) {
        if let model {
            return (model.rawValue, ["--model", model.rawValue, "--images-per-lane", "\(imagesPerLane ?? 16)"])
        }
        let path = self.job ?? ""
        let job = try Job.load(path: path, overrides: overrides)
        let (shape, classCount, _) = try Plan.images(of: job)
        let settings = overrides + ["data.shape=\(shape)"]
        return (
            job.name, [absolutePath(path), "--classes", "\(max(1, classCount))"] + settings.flatMap { ["--set", $0] }
        )
    }

    /// Refuses a file that cannot be written, before anything is timed.
    private func check(_ path: String) throws {
        guard force || access(path, F_OK) != 0 else {
            throw DiptychFailure(
                .usage,
                "\(printable(path)) is there already; add --force to replace it, or name another file with --out")
        }
        let folder = (path as NSString).deletingLastPathComponent
        guard access(folder, W_OK | X_OK) == 0 else {
            throw DiptychFailure(
                .inputOutput,
                "\(printable(folder)) cannot be written: \(String(cString: strerror(errno))); name another file with --out"
            )
        }
    }
}

extension ConvolutionFile {
    /// For people: what differs from the rule, and what it is worth.
    func lines(name: String, path: String) -> [String] {
        let changes = changes
        var lines = [
            "\(name): \(entries.count) convolutions timed, \(changes.count) of them with another algorithm than the rule's"
        ]
        for entry in changes {
            let shape = entry.convolution.shape
            let what =
                "\(entry.convolution.direction.rawValue) \(shape.source) x \(shape.weights)"
                + (shape.stride > 1 ? " stride \(shape.stride)" : "")
            let (old, new) = (entry.rule ?? entry.algorithm, entry.algorithm)
            lines.append(
                "  \(what.padding(toLength: max(58, what.count), withPad: " ", startingAt: 0))"
                    + "\(old.rawValue) \(Self.digits(entry.milliseconds[old])) ms -> "
                    + "\(new.rawValue) \(Self.digits(entry.milliseconds[new])) ms")
        }
        for pass in passes {
            lines.append(
                "\(pass.name), \(pass.images) images: convolutions of one pass \(Self.digits(pass.rule)) ms by the rule, "
                    + "\(Self.digits(pass.table)) ms by the file, \(ProgressRenderer.digits(100 * pass.gain)) % less")
        }
        lines.append("\(printable(path)); in a job: numerics: {convolutions: \(printable(path))}")
        return lines
    }

    private static func digits(_ milliseconds: Double?) -> String {
        milliseconds.map { ProgressRenderer.digits($0) } ?? "?"
    }

    /// For scripts.
    func json(path: String) -> JSONValue {
        [
            "file": .string(path), "sha256": .string(sha256), "convolutions": .integer(entries.count),
            "changed": .integer(changes.count),
            "passes": .array(
                passes.map { pass in
                    [
                        "name": .string(pass.name), "images": .integer(pass.images),
                        "rule_milliseconds": .number(pass.rule), "table_milliseconds": .number(pass.table),
                    ]
                }),
        ]
    }
}

extension ConvolutionFile.Pass {
    /// The share of the rule's time that the file saves.
    fileprivate var gain: Double { rule > 0 ? (rule - table) / rule : 0 }
}
