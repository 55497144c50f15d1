import Foundation
import Testing

/// A job of seconds on the real test images of Fashion-MNIST (Debian: dataset-fashion-mnist).
struct TinyJob: Sendable {
    static let images = "/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz"
    static let labels = "/usr/share/datasets/fashion-mnist/t10k-labels-idx1-ubyte.gz"
    /// Optimizer steps of every model.
    static let steps = 30
    /// Lanes of teach and of distill.
    static let lanes = 4

    /// Makes the split that of 50,000 images, which takes long enough for something to be done to it.
    static let large = [
        "data.images=/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz",
        "data.labels=/usr/share/datasets/fashion-mnist/train-labels-idx1-ubyte.gz",
        "data.members=50000", "teach.steps=20", "distill.steps=20",
    ]

    private static let yaml = """
        name: tiny
        seed: 7
        data:
          reader: idx
          images: \(images)
          labels: \(labels)
          members: 200
          held_out: 100
          split: {parts: 2, balance: label, near_duplicates: together}
        model: {kind: unet2d, channels: [16, 32], layers_per_block: 1, attention: [false, true], norm_groups: 8, dropout: 0.1, class_conditional: true, class_dropout: 0.2}
        diffusion: {timesteps: 1000, beta_schedule: linear, prediction: epsilon}
        defence: distillmd
        teach: {steps: \(steps), batch: 8, images_per_lane: 2, learning_rate: 1.0e-3, warmup_steps: 5, decay_steps: 20, max_grad_norm: 1.0, ema_decay: 0.99}
        distill: {steps: \(steps), batch: 8, images_per_lane: 2, learning_rate: 1.0e-3, warmup_steps: 5, decay_steps: 20, max_grad_norm: 1.0, ema_decay: 0.99}
        checkpoint: {every_steps: 5, every_minutes: 0, keep: 3}
        sample: {count: 16, sampler: ddim, steps: 50, guidance_scale: 1.5, batch: 4}

        """

    /// Folder that holds the job file and, below it, the run.
    let folder: TemporaryFolder
    let file: String
    let run: RunFolder

    /// Writes the job file into a folder of its own.
    init(_ yaml: String = TinyJob.yaml) throws {
        folder = try TemporaryFolder()
        file = try folder.write(yaml, to: "tiny.yaml")
        run = RunFolder(path: folder.file("run"))
    }

    /// The job file with one text replaced by another.
    init(replacing old: String, with new: String) throws {
        precondition(Self.yaml.contains(old), "the job has no \(old)")
        try self.init(Self.yaml.replacingOccurrences(of: old, with: new))
    }

    /// A copy of a job with its run.
    init(copying other: TinyJob) throws {
        folder = try TemporaryFolder()
        file = folder.file("tiny.yaml")
        run = RunFolder(path: folder.file("run"))
        try FileManager.default.copyItem(atPath: other.file, toPath: file)
        try FileManager.default.copyItem(atPath: other.run.path, toPath: run.path)
    }

    /// The arguments of `diptych run`.
    func arguments(ranks: Int, set: [String] = []) -> [String] {
        ["run", file, "--run", run.path, "--ranks", "\(ranks)", "--json"] + set.flatMap { ["--set", $0] }
    }

    /// The folders of shared memory that executions of `diptych run` have made and not removed, with what they hold.
    ///
    /// Each has a name of its run's own, which that of its sockets in `$TMPDIR` has too.
    func sharedMemory() throws -> [String: [String]] {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.scratch).filter {
            $0.hasPrefix("diptych-")
        }
        let folders = names.map { "/dev/shm/\($0)" }.filter { FileManager.default.fileExists(atPath: $0) }
        return try Dictionary(
            uniqueKeysWithValues: folders.map { ($0, try FileManager.default.contentsOfDirectory(atPath: $0)) })
    }

    /// Starts `diptych run`.
    ///
    /// - Parameters:
    ///   - programs: Programs of a test's own.
    ///   - environment: Added to this process's environment.
    ///   - signals: What is blocked or ignored, as options of env(1).
    func start(
        ranks: Int, set: [String] = [], programs: AlteredPrograms? = nil, environment: [String: String] = [:],
        signals: [String] = []
    ) throws -> ProgramRun {
        try ProgramRun(
            .diptych, arguments(ranks: ranks, set: set), in: folder, programs: programs?.path,
            environment: environment, signals: signals)
    }

    /// Runs `diptych run` to its end.
    func finish(ranks: Int, set: [String] = []) throws -> ProgramRun.End {
        try start(ranks: ranks, set: set).end()
    }
}
