import ArgumentParser
import Foundation
import Jobs
import Tensor

/// `diptych bench`: times a training step or a forward pass.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Times one training step, with its data path, or one forward pass, on random images.",
        discussion:
            "The keys of the JSON line are those of the PyTorch benchmark in bench/, so the two stand side by side; "
            + "--breakdown adds breakdown_seconds. In the repository, `make bench TORCH=PYTHON` runs both in turn and prints a "
            + "table with their ratios.")

    /// The networks that can be timed.
    enum Network: String, CaseIterable, ExpressibleByArgument {
        /// The network of google/ddpm-cifar10-32: 35.7 million weights.
        case ddpmCIFAR10 = "ddpm-cifar10"
        /// A small network for 28 x 28 grey images: 1.6 million weights.
        case fashionMNIST = "fashion-mnist"
    }

    @Option(help: "ddpm-cifar10 or fashion-mnist.")
    var model = Network.ddpmCIFAR10

    @Option(help: "Images per rank and step.")
    var batch = 16

    @Option(help: "MPI ranks; the machine's cores by default.")
    var ranks: Int?

    @Flag(help: "Times the forward pass alone.")
    var forward = false

    @Flag(help: "Tells where the time of a training step goes.")
    var breakdown = false

    @Option(
        help: "Saves a checkpoint into this folder, which must not exist, in the middle of the timed steps.",
        completion: .directory)
    var checkpoint: String?

    @Flag(
        inversion: .prefixedNo,
        help: "Reduces gradients during the backward pass, or after it; by default during it across hosts.")
    var overlap: Bool?

    @Flag(help: "Computes activations within blocks again in the backward pass, as `numerics.recompute_blocks` does.")
    var recomputeBlocks = false

    @Option(help: "Steps that are timed; their median counts.")
    var steps = 5

    @Option(help: "Steps before the timed ones.")
    var warmup = 2

    @Option(help: "Images per lane; one lane per rank by default.")
    var imagesPerLane: Int?

    @Option(
        help: "A file of `diptych tune`, to time the network with its algorithms.",
        completion: .file(extensions: ["yaml"]))
    var convolutions: String?

    @Option(help: "The widest instructions to compute with, as `numerics.instructions`: baseline, avx2 or avx512.")
    var instructions: InstructionSet?

    @Flag(help: "Prints one line of JSON.")
    var json = false

    func validate() throws {
        func check(_ name: String, _ value: Int, _ range: ClosedRange<Int>) throws {
            guard range.contains(value) else { throw ValidationError("--\(name) must be in \(range), found \(value)") }
        }
        try check("batch", batch, 1...65_536)
        try check("steps", steps, 1...1_000_000)
        try check("warmup", warmup, 0...1_000_000)
        if let ranks { try check("ranks", ranks, 1...65_536) }
        if forward, overlap != nil { throw ValidationError("--overlap is of a training step, not of --forward") }
        if forward, recomputeBlocks { throw ValidationError("--recompute-blocks is of training, not of --forward") }
        if forward, breakdown { throw ValidationError("--breakdown is of a training step, not of --forward") }
        if let checkpoint {
            if forward { throw ValidationError("--checkpoint is of training, not of --forward") }
            guard !FileManager.default.fileExists(atPath: checkpoint) else {
                throw ValidationError("--checkpoint makes a new folder, but \(printable(checkpoint)) is there")
            }
        }
        if let imagesPerLane {
            try check("images-per-lane", imagesPerLane, 1...batch)
            guard batch % imagesPerLane == 0 else {
                throw ValidationError("--images-per-lane must divide --batch = \(batch), found \(imagesPerLane)")
            }
        }
    }

    /// What every rank is given.
    var arguments: [String] {
        var arguments = ["bench", "--model", model.rawValue, "--batch", "\(batch)"]
        if forward { arguments.append("--forward") }
        if breakdown { arguments.append("--breakdown") }
        if let checkpoint { arguments += ["--checkpoint", checkpoint] }
        if let overlap { arguments.append(overlap ? "--overlap" : "--no-overlap") }
        if recomputeBlocks { arguments.append("--recompute-blocks") }
        arguments += ["--steps", "\(steps)", "--warmup", "\(warmup)"]
        if let imagesPerLane { arguments += ["--images-per-lane", "\(imagesPerLane)"] }
        if let instructions { arguments += ["--instructions", instructions.rawValue] }
        if let convolutions { arguments += ["--convolutions", absolutePath(convolutions)] }
        return arguments
    }

    func run() throws {
        let signals = ProcessSignals()
        let console = Console(json: json)
        let machine = try Machine.current()
        let launcher = try MPIRun(machine: machine)
        let invocation = launcher.invocation(
            ranks: ranks ?? machine.cores, arguments: arguments, label: "bench \(getpid())")
        let line = try Errand(invocation: invocation, signals: signals, say: console.say).run()
        guard let line, let result = try? JSONDecoder().decode(BenchResult.self, from: Data(line.utf8)) else {
            throw DiptychFailure(
                .internalError,
                "the benchmark's line cannot be read; please report it: \(printable(line ?? "(nothing)"))")
        }
        if json { Console.write(line + "\n", to: STDOUT_FILENO) } else { result.lines.forEach(console.say) }
    }
}

/// The line of JSON that a benchmark ends with.
struct BenchResult: Codable {
    var what: String
    var model: String
    var ranks: Int
    var batchPerRank: Int
    var instructions: InstructionSet
    var medianStepSeconds: Double
    var slowestStepSeconds: Double
    var imagesPerSecond: Double
    var startGigabytesPerRank: Double
    var peakGigabytesPerRank: Double
    /// Mean seconds of a step by part.
    var breakdown: [String: Double]?

    private enum CodingKeys: String, CodingKey {
        case what, model, ranks, instructions
        case batchPerRank = "batch_per_rank"
        case medianStepSeconds = "median_step_seconds"
        case slowestStepSeconds = "slowest_step_seconds"
        case startGigabytesPerRank = "start_rss_gb_per_rank"
        case imagesPerSecond = "images_per_second"
        case peakGigabytesPerRank = "peak_rss_gb_per_rank"
        case breakdown = "breakdown_seconds"
    }

    /// For people.
    var lines: [String] {
        [
            "\(printable(model)), \(what == "forward" ? "forward pass" : "training step"), \(ranks) ranks of "
                + "\(batchPerRank) images, \(instructions.rawValue)",
            "\(ProgressRenderer.digits(medianStepSeconds)) s per step (slowest "
                + "\(ProgressRenderer.digits(slowestStepSeconds)) s), \(ProgressRenderer.digits(imagesPerSecond)) images/s, "
                + "\(ProgressRenderer.digits(peakGigabytesPerRank)) GB per rank "
                + "(\(ProgressRenderer.digits(startGigabytesPerRank)) GB at the start)",
        ] + parts
    }

    /// The breakdown, largest part first.
    private var parts: [String] {
        let parts = (breakdown ?? [:]).sorted { $0.value > $1.value }
        let total = parts.reduce(0) { $0 + $1.value }
        return parts.map { name, seconds in
            "  \(printable(name).padding(toLength: 14, withPad: " ", startingAt: 0))"
                + "\(ProgressRenderer.digits(seconds)) s  \(ProgressRenderer.digits(100 * seconds / total)) %"
        }
    }
}

extension InstructionSet: ExpressibleByArgument {}
