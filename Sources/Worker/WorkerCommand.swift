import ArgumentParser
import Communication
import Diffusion
import Foundation
import Jobs
import Tensor

/// The program `diptych-worker`: what mpirun and srun start on every rank.
public struct WorkerCommand: ParsableCommand {
    /// The name, the help and the subcommands.
    public static let configuration = CommandConfiguration(
        commandName: "diptych-worker",
        abstract: "One MPI rank of a Diptych run; usually started by `diptych run`.",
        discussion: """
            By hand, `mpirun -n 2 diptych-worker jobs/fashion-mnist.yaml` trains like `diptych run`, to the same bits, \
            without supervision or progress. Send SIGUSR1 to mpirun to save and stop.
            """,
        version: programVersion,
        subcommands: [
            ByHand.self, Train.self, Sample.self, Audit.self, Benchmark.self, Examination.self, Tune.self,
        ], defaultSubcommand: ByHand.self)

    /// For ArgumentParser, which fills in the values.
    public init() {}

    /// Runs the program with this process's arguments and ends with its exit code.
    public static func start() -> Never {
        // First of all: until then a signal that asks to stop ends this process.
        StopSignal.install()
        do {
            var command = try parseAsRoot(programArguments())
            try command.run()
        } catch let failure as DiptychFailure {
            WorkerProcess.say(failure.message)
            Foundation.exit(failure.code.rawValue)
        } catch  where exitCode(for: error) == .success {
            exit(withError: error)  // help, version
        } catch let error {
            // Not the parser's own way to say it: the words of the command line may be commands for a terminal.
            let message = fullMessage(for: error)
            if !message.isEmpty { FileHandle.standardError.write(Data((printableLines(message) + "\n").utf8)) }
            Foundation.exit(exitCode(for: error).rawValue)
        }
        Foundation.exit(Jobs.ExitCode.done.rawValue)
    }

    /// Trains a job file, preparing its run directory first.
    struct ByHand: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "job", abstract: "Train a job file, or go on with its run.")

        @Argument(help: "The job file.") var job: String
        @Option(name: .customLong("run"), help: "The run's directory (default: runs/<job name>).")
        var directory: String?
        @Option(help: "Override a value of the job, as in teach.steps=100; may be repeated.") var set: [String] = []
        @Flag(help: "Allow more steps than the run was begun with.") var extend = false
        @Flag(help: "Run although the last executions died without progress.") var retry = false

        func run() throws {
            let directory = Box<RunDirectory>()
            // Holds the run's lock until this process ends.
            let preparation = Box<RunPreparation>()
            let process = WorkerProcess(isSupervised: false)
            let code = process.run(directory: { directory.value }) { world in
                let path = try world.onRoot {
                    let job = try Job.load(path: self.job, overrides: set)
                    let prepared = try RunPreparation.open(
                        job: job, run: self.directory, extend: extend, retry: retry)
                    CrashLoop.noteLaunch(prepared.job, in: prepared.directory)
                    try Outcome.remove(from: prepared.directory)
                    preparation.value = prepared
                    return prepared.directory.path
                }
                directory.value = RunDirectory(path)
                return try train(RunDirectory(path), on: world)
            }
            withExtendedLifetime(preparation) {}
            throw ArgumentParser.ExitCode(code)
        }
    }

    /// Trains a prepared run; what `diptych run` starts.
    struct Train: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Train a prepared run directory.")

        @Option(name: .customLong("run"), help: "The run's directory, with its job.yaml.") var directory: String
        @Option(help: "How many ranks were started.") var ranks: Int?
        @Option(help: "The execution they belong to.") var execution: String?

        func run() throws {
            let directory = RunDirectory(self.directory)
            let execution = execution.map { Execution(name: $0) }
            let process = WorkerProcess(isSupervised: true)
            // A former execution must not leave its outcome to the present one, nor may one that may be a former one.
            let code = process.run(
                directory: { execution.map { (try? $0.isCurrent(in: directory)) ?? false } ?? true ? directory : nil },
                { world in
                    if let ranks { try checkSize(of: world, started: ranks) }
                    return try train(directory, on: world, execution: execution)
                })
            throw ArgumentParser.ExitCode(code)
        }
    }

    /// Samples from a run's models.
    struct Sample: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Sample from a model of a run.")

        @Option(name: .customLong("run"), help: "The run's directory.") var directory: String
        @Option(help: "student, dual, teacher-0, ... or baseline.") var model: String
        @Option(help: "How many images.") var count: Int
        @Option(help: "ddim or ddpm.") var sampler: SamplerKind
        @Option(help: "Steps of the sampler.") var steps: Int
        @Option(help: "Noise of DDIM, 0 to 1.") var eta = 0.0
        @Option(help: "Classifier-free guidance, 1 for none.") var guidanceScale = 1.0
        @Option(help: "ema or raw.") var weights = WeightKind.ema
        @Option(help: "The folder that receives the grid and the array.") var out: String

        func validate() throws {
            guard count > 0, steps > 0, (0...1).contains(eta), (0...100).contains(guidanceScale) else {
                throw ValidationError(
                    "count and steps must be positive, eta in 0...1, and guidance-scale in 0...100")
            }
        }

        func run() throws {
            let code = WorkerProcess(isSupervised: false).run(directory: { nil }) { world in
                let session = try Session(
                    world: world, directory: RunDirectory(directory), purpose: .reading)
                let configuration = SamplingConfiguration(sampler.sampler(eta: eta), steps: steps)
                let request = SampleRequest(
                    model: model, count: count, configuration: configuration, weights: weights,
                    guidanceScale: guidanceScale, batch: session.job.sample.batch, folder: absolutePath(out))
                guard let grid = try session.sample(request) else { return .stopped }
                try world.onRoot { print(JSONValue.object([.init("grid", .string(grid))]).text) }
                return .done
            }
            throw ArgumentParser.ExitCode(code)
        }
    }

    /// Attacks what a run releases.
    struct Audit: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Attack what a run releases, and report how well that goes.")

        @Option(name: .customLong("run"), help: "The run's directory.") var directory: String
        @Option(help: "Names of attacks with commas between them (default: all).") var attacks: String?
        @Option(help: "The most members, and held-out images, to attack.") var images: Int?
        @Option(help: "Network evaluations (200000) or minutes (10m).") var budget = AuditBudget.unlimited
        @Option(help: "Images that the release makes for the nearest-image attack.") var samples = 1024
        @Option(help: "ema or raw.") var weights = WeightKind.ema
        @Option(help: "The directory of a run that serves as a shadow model; may be repeated.") var shadow: [String] =
            []

        func validate() throws {
            guard samples > 0, images.map({ $0 > 0 }) ?? true else {
                throw ValidationError("images and samples must be positive")
            }
        }

        func run() throws {
            let code = WorkerProcess(isSupervised: false).run(directory: { nil }) { world in
                let session = try Session(world: world, directory: RunDirectory(directory), purpose: .reading)
                let request = AuditRequest(
                    attacks: attacks.map { $0.split(separator: ",").map(String.init) }, imagesPerSide: images,
                    budget: budget, weights: weights, samples: samples, shadows: shadow)
                let end = try session.audit(request) { line in
                    print(line)
                    fflush(nil)
                }
                guard end == .reported else { return .stopped }
                try world.onRoot {
                    print(JSONValue.object([.init("report", .string(session.directory.auditReport))]).text)
                }
                return .done
            }
            throw ArgumentParser.ExitCode(code)
        }
    }

    /// Looks at the nodes; what `diptych doctor` starts.
    struct Examination: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "probe", abstract: "Look at the nodes: speed of exchanges, clocks, shared files and locks.")

        @Option(help: "How many ranks were started.") var ranks: Int
        @Option(help: "A folder where files and locks are tried.") var folder: String?

        func run() throws {
            let code = WorkerProcess(isSupervised: false).run(directory: { nil }) { world in
                try checkSize(of: world, started: ranks)
                let report = try Probe(folder: folder).run(on: world)
                try world.onRoot {
                    let encoder = JSONEncoder()
                    encoder.outputFormatting = .withoutEscapingSlashes
                    print(String(decoding: try encoder.encode(report), as: UTF8.self))
                }
                return .done
            }
            throw ArgumentParser.ExitCode(code)
        }
    }

    /// Times a reference network.
    struct Benchmark: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "bench", abstract: "Time training steps or forward passes of a reference network.")

        @Option(help: "ddpm-cifar10 or fashion-mnist.") var model: ReferenceNetwork
        @Option(help: "Images per rank and step.") var batch = 16
        @Option(help: "Images per lane (default: the batch).") var imagesPerLane: Int?
        @Flag(help: "Time the forward pass alone.") var forward = false
        @Flag(help: "Tell where the time of a training step goes.") var breakdown = false
        @Option(help: "Save a checkpoint into this folder in the middle of the timed steps.") var checkpoint: String?
        @Option(help: "A file of convolution algorithms.") var convolutions: String?
        @Option(help: "The widest instructions to compute with.") var instructions: InstructionSet?
        @Flag(inversion: .prefixedNo, help: "Reduce gradients during the backward pass (default: across hosts).")
        var overlap: Bool?
        @Flag(help: "Compute activations within blocks again in the backward pass.") var recomputeBlocks = false
        @Option(help: "Timed steps.") var steps = 5
        @Option(help: "Steps before the timed ones.") var warmup = 2

        func validate() throws {
            let lane = imagesPerLane ?? batch
            guard batch > 0, steps > 0, warmup >= 0, lane > 0, batch % lane == 0 else {
                throw ValidationError("batch and steps must be positive, and images-per-lane must divide the batch")
            }
        }

        func run() throws {
            let code = WorkerProcess(isSupervised: false).run(directory: { nil }) { world in
                try world.together("reading the convolution algorithms") {
                    try Job.adopt(instructions: instructions)
                    try Job.adopt(convolutions.map { try ConvolutionFile.load(path: $0).table })
                }
                let bench = Bench(
                    network: model, batch: batch, imagesPerLane: imagesPerLane ?? batch, isForwardOnly: forward,
                    steps: steps, warmup: warmup, breaksDown: breakdown, checkpointFolder: checkpoint,
                    overlaps: overlap, recomputesBlocks: recomputeBlocks)
                let result = try bench.run(on: world)
                try world.onRoot {
                    let encoder = JSONEncoder()
                    encoder.outputFormatting = .withoutEscapingSlashes
                    print(String(decoding: try encoder.encode(result), as: UTF8.self))
                }
                return .done
            }
            throw ArgumentParser.ExitCode(code)
        }
    }
}

/// A value that a closure fills in for another.
private final class Box<Value> {
    var value: Value?
}

/// Refuses ranks that do not know of each other: each would take itself for the only one.
private func checkSize(of world: any Communicator, started ranks: Int) throws {
    guard world.size != ranks else { return }
    throw DiptychFailure(
        .inputOutput,
        "\(ranks) ranks were started, but MPI knows of \(world.size): the launcher and this program's MPI library do not "
            + "belong together. Try the other launcher (--launcher mpirun or --launcher srun), and see `diptych doctor`"
    )
}

/// Walks through the phases and writes the outcome. Collective.
private func train(
    _ directory: RunDirectory, on world: any Communicator, execution: Execution? = nil
) throws -> Jobs.ExitCode {
    let session = try Session(
        world: world, directory: directory, execution: execution, speak: WorkerProcess.speak)
    var outcome = try TrainingRun(session: session).walk()
    try world.onRoot {
        try session.requireCurrentExecution()
        try session.addHashes(to: &outcome)
        session.note(outcome.exit == .done ? .finished : .stopped)
        try outcome.write(to: directory)
        CrashLoop.forget(in: directory)
    }
    return outcome.exit
}

extension SamplerKind: ExpressibleByArgument {}
extension WeightKind: ExpressibleByArgument {}

extension AuditBudget: ExpressibleByArgument {
    /// Reads the value of an option.
    public init?(argument: String) { self.init(argument) }
}

extension ReferenceNetwork: ExpressibleByArgument {}
extension InstructionSet: ExpressibleByArgument {}

extension SamplerKind {
    /// The sampler with its options.
    func sampler(eta: Double) -> Sampler {
        switch self {
        case .ddim: .ddim(eta: eta)
        case .ddpm: .ddpm(variance: .fixedLarge)
        }
    }
}
