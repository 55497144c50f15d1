import ArgumentParser
import Foundation
import Jobs

/// `diptych sample`: makes images with a trained model.
struct SampleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sample", abstract: "Makes images with a run's newest checkpoints: a PNG grid and an .npz file.",
        discussion: "The .npz file holds `arr_0`, uint8, shape (images, height, width, channels).")

    @Argument(help: ArgumentHelp("The run's directory.", valueName: "run"), completion: .directory)
    var path: String

    @Option(help: "student, baseline, teacher-0, teacher-1, ..., or dual: the teachers in turn.")
    var model: String?

    @Option(help: "Number of images; the job's by default.")
    var count: Int?

    @Option(help: "ddim or ddpm; the job's by default.")
    var sampler: SamplerKind?

    @Option(help: "Steps of the sampler; the job's by default.")
    var steps: Int?

    @Option(help: "Noise of DDIM, in 0...1; the job's by default.")
    var eta: Double?

    @Option(help: "Classifier-free guidance, in 0...100, 1 for none; the job's by default.")
    var guidanceScale: Double?

    @Option(help: "Which weights sample: ema or raw.")
    var weights = WeightKind.ema

    @Option(help: "Where the images go; a folder in the run's samples by default.", completion: .directory)
    var out: String?

    @Option(help: "MPI ranks; by default the smaller of cores and batches of images.")
    var ranks: Int?

    @Flag(help: "Prints one line of JSON.")
    var json = false

    func run() throws {
        let console = Console(json: json)
        let machine = try Machine.current()
        let directory = RunDirectory(path)
        let request = try request(job: directory.readJob(), directory: directory)
        let count = ranks ?? min(machine.cores, request.batches)
        guard (1...65_536).contains(count) else {
            throw DiptychFailure(.usage, "--ranks must be in 1...65536, found \(count)")
        }
        let launcher = try MPIRun(machine: machine)
        // The run may be a stranger's. Signals end this program at once until it has ranks to end.
        try Examination().requireReadable(request.models, of: directory)
        let signals = ProcessSignals()
        let invocation = launcher.invocation(
            ranks: count, arguments: request.arguments, label: "sample \(getpid()) \(directory.path)")
        _ = try Errand(invocation: invocation, signals: signals, say: console.say).run()
        let files = request.files
        console.say(
            "\(request.count) images of \(request.model): " + files.map { printable($0) }.joined(separator: ", "))
        console.report([
            "run": .string(directory.path), "model": .string(request.model), "count": .integer(request.count),
            "out": .string(request.out), "files": .array(files.map { .string($0) }),
        ])
    }

    /// What the ranks are asked for.
    struct Request {
        var model: String
        /// The models whose checkpoints are read.
        var models: [TrainedModel]
        var count: Int
        var batches: Int
        var out: String
        var arguments: [String]

        /// What the ranks have left in the folder: the grid and the images as numbers.
        var files: [String] {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: out)) ?? []
            return names.filter { $0.hasPrefix(model) && ($0.hasSuffix(".png") || $0.hasSuffix(".npz")) }.sorted()
                .map { "\(out)/\($0)" }
        }
    }

    /// Fills in the job's values and checks all of them.
    ///
    /// - Throws: `DiptychFailure` with code 64.
    func request(job: Job, directory: RunDirectory) throws -> Request {
        var valid = job.models.map(\.name)
        if job.defence != .undefended { valid.append("dual") }
        let model = model ?? job.student?.name ?? (job.defence == .undefended ? "baseline" : "dual")
        guard valid.contains(model) else {
            throw DiptychFailure(
                .usage, "--model must be one of \(valid.joined(separator: ", ")), found \(printable(model))")
        }
        let models = model == "dual" ? job.taughtModels : job.models.filter { $0.name == model }
        for needed in models where try directory.checkpointSteps(of: needed.name).isEmpty {
            throw DiptychFailure(
                .badData, "\(printable(directory.path)) has no checkpoint of \(needed) to sample from yet")
        }
        let sampler = sampler ?? job.sample.sampler
        let count = count ?? job.sample.count
        let steps = steps ?? (sampler == job.sample.sampler ? job.sample.steps : job.diffusion.timesteps)
        let eta = eta ?? (sampler == .ddim ? job.sample.eta : 0)
        guard (1...1_000_000).contains(count) else {
            throw DiptychFailure(.usage, "--count must be in 1...1000000, found \(count)")
        }
        guard (1...job.diffusion.timesteps).contains(steps) else {
            throw DiptychFailure(.usage, "--steps must be in 1...\(job.diffusion.timesteps), found \(steps)")
        }
        guard (0...1).contains(eta), sampler == .ddim || eta == 0 else {
            throw DiptychFailure(.usage, "--eta must be in 0...1, and belongs to ddim; found \(eta)")
        }
        let guidanceScale = guidanceScale ?? job.sample.guidanceScale
        guard guidanceScale == 1 || ((0...100).contains(guidanceScale) && job.model.classDropout > 0) else {
            throw DiptychFailure(
                .usage,
                "--guidance-scale must be in 0...100, and other than 1 only for a run with `model.class_dropout`; found "
                    + "\(guidanceScale)")
        }
        let out = absolutePath(
            out ?? "\(directory.samples)/\(model)-\(weights.rawValue)-\(sampler.rawValue)-\(steps)-steps"
                + (eta == 0 ? "" : "-eta-\(eta)") + (guidanceScale == 1 ? "" : "-guidance-\(guidanceScale)")
                + "-\(count)")
        return Request(
            model: model, models: models, count: count,
            batches: (count + job.sample.batch - 1) / job.sample.batch, out: out,
            arguments: [
                "sample", "--run", directory.path, "--model", model, "--count", "\(count)", "--sampler",
                sampler.rawValue, "--steps", "\(steps)", "--eta", "\(eta)", "--guidance-scale", "\(guidanceScale)",
                "--weights", weights.rawValue, "--out", out,
            ])
    }
}

extension SamplerKind: ExpressibleByArgument {}
extension WeightKind: ExpressibleByArgument {}
