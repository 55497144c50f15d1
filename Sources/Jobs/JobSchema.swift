import Datasets
import Diffusion

/// The one table of a job file's keys: decoding, defaults, ranges, the resolved text, the hash, the difference between
/// two jobs and docs/jobs.md all follow it.
public enum JobSchema {
    /// What a changed value means for a run that has begun.
    public enum Effect: String, Sendable, Codable {
        /// It changes the weights or the images: refused.
        case bits
        /// Training may go on for longer: a larger value with `--extend`.
        case extendable
        /// It changes bits, but so does the machine: what comes of both is in the numerics profile, which must be the
        /// run's.
        case profile
        /// Paths, ranks, retention and the like: may differ.
        case free
    }

    /// One key of the job file.
    public struct Key: Sendable {
        /// Sections and name, joined by dots: `teach.batch`.
        public let path: String
        /// What a change means.
        public let effect: Effect
        /// What values there are, in words: `integer in 1...65536`.
        public let form: String
        /// What it means, with its unit.
        public let meaning: String
        /// Whether a job needs it, given the job's other values.
        let isRequired: @Sendable (Job) -> Bool
        /// Whether it plays a part in the job.
        let isActive: @Sendable (Job) -> Bool
        let read: @Sendable (JobNode, inout Job) throws(JobProblem) -> Void
        let write: @Sendable (Job) -> String

        /// The sections of the path, without the last component.
        var section: Substring { path.lastIndex(of: ".").map { path[..<$0] } ?? "" }
        /// The last component of the path.
        var leaf: Substring { path.lastIndex(of: ".").map { path[path.index(after: $0)...] } ?? path[...] }
    }

    /// Every key, in the order of the resolved text.
    public static let keys: [Key] = general + data + model + diffusion + teach + teachers + distill + others + cluster

    /// Every section that may be written, by its path.
    static let sections: [String] = {
        var found: [String] = []
        for key in keys {
            var section = key.section
            while !section.isEmpty {
                if !found.contains(String(section)) { found.append(String(section)) }
                section = section.lastIndex(of: ".").map { section[..<$0] } ?? ""
            }
        }
        return found
    }()

    /// Makes one key over a property of the job.
    static func key<Value>(
        _ path: String, _ property: any WritableKeyPath<Job, Value> & Sendable, _ form: JobForm<Value>,
        _ effect: Effect = .bits, required: @escaping @Sendable (Job) -> Bool = { _ in false },
        active: @escaping @Sendable (Job) -> Bool = { _ in true }, meaning: String
    ) -> Key {
        Key(
            path: path, effect: effect, form: form.words, meaning: meaning,
            isRequired: required, isActive: active,
            read: { node, job throws(JobProblem) in job[keyPath: property] = try form.read(node) },
            write: { job in form.write(job[keyPath: property]) })
    }

    private static let always: @Sendable (Job) -> Bool = { _ in true }
    private static let whenDefended: @Sendable (Job) -> Bool = { $0.defence != .undefended }
    private static let whenDistilling: @Sendable (Job) -> Bool = { $0.defence == .distillMD }

    private static let general: [Key] = [
        key("name", \.name, .name, .free, required: always, meaning: "what the run is called; names its directory"),
        key("seed", \.seed, .unsigned, meaning: "seed of every random number of the run"),
        key(
            "defence", \.defence, .choice(), required: always,
            meaning: "`none` trains one undefended baseline on all members; `dualmd` trains one teacher on each part; "
                + "`distillmd` also distils a student, each image taught by teachers that never saw it"),
    ]

    private static let data: [Key] = [
        key("data.reader", \.data.reader, .choice(), meaning: "format of the image file"),
        key(
            "data.images", \.data.images, .path, .free, required: always,
            meaning: "file of images; relative paths start at the current directory"),
        key("data.labels", \.data.labels, .optional(.path), .free, meaning: "file of labels"),
        key(
            "data.shape", \.data.shape, .optional(.integers(1...4096, count: 3...3)), .free,
            meaning: "channels, height and width of an image; the data must agree. Lets `plan` work without the data"),
        key(
            "data.members", \.data.members, .integer(2...100_000_000), required: always,
            meaning: "number of images trained on"),
        key(
            "data.held_out", \.data.heldOut, .integer(0...100_000_000),
            meaning: "number of images kept away from training, for the audit"),
        key(
            "data.split.parts", \.data.split.parts, .integer(2...64),
            meaning: "number of disjoint parts, one teacher each"),
        key(
            "data.split.balance", \.data.split.balance, .choice(),
            meaning: "what the parts have equal shares of; `label` needs `data.labels`"),
        key(
            "data.split.near_duplicates", \.data.split.nearDuplicates, .choice(),
            meaning: "what becomes of near duplicates"),
    ]

    private static let model: [Key] = [
        key("model.kind", \.model.kind, .choice(), meaning: "the network: diffusers' UNet2DModel"),
        key(
            "model.channels", \.model.channels, .integers(1...4096, count: 1...8), required: always,
            meaning: "channels of each level, from the finest; each a multiple of `norm_groups`"),
        key("model.layers_per_block", \.model.layersPerBlock, .integer(1...8), meaning: "ResNet blocks of a level"),
        key(
            "model.attention", \.model.attention, .booleans(count: 1...8), required: always,
            meaning: "for each level, whether it has attention"),
        key("model.norm_groups", \.model.normGroups, .integer(1...1024), meaning: "groups of each group norm"),
        key(
            "model.norm_epsilon", \.model.normEpsilon, .number(1e-12...1e-1),
            meaning: "added to the variance in group norm"),
        key(
            "model.attention_head_dimension", \.model.attentionHeadDimension, .optional(.integer(1...4096)),
            meaning: "channels of one attention head; null for a single head"),
        key("model.dropout", \.model.dropout, .number(0...0.95), meaning: "probability of zeroing a value"),
        key(
            "model.class_conditional", \.model.classConditional, .boolean,
            meaning: "whether the network is told the label; needs `data.labels`"),
        key(
            "model.class_dropout", \.model.classDropout, .number(0...0.95),
            meaning: "probability of training on an image without its label, which `sample.guidance_scale` needs"),
        key(
            "model.flip_sine_to_cosine", \.model.flipSineToCosine, .boolean,
            meaning: "time embedding is (cos, sin) when true, (sin, cos) when false"),
        key(
            "model.frequency_shift", \.model.frequencyShift, .number(0...1),
            meaning: "subtracted from the count of frequencies of the time embedding"),
        key(
            "model.downsample_padding", \.model.downsamplePadding, .integer(0...1),
            meaning: "pixels of padding on every side before down-sampling; 0 pads right and below only"),
    ]

    private static let diffusion: [Key] = [
        key(
            "diffusion.timesteps", \.diffusion.timesteps, .integer(1...100_000),
            meaning: "timesteps T of the forward process"),
        key(
            "diffusion.beta_schedule", \.diffusion.betaSchedule, .choice(),
            meaning: "how the noise grows from step to step"),
        key(
            "diffusion.beta_start", \.diffusion.betaStart, .number(1e-9...0.5),
            meaning: "variance added by the first timestep"),
        key(
            "diffusion.beta_end", \.diffusion.betaEnd, .number(1e-9...0.999),
            meaning: "variance added by the last timestep"),
        key("diffusion.prediction", \.diffusion.prediction, .choice(), meaning: "what the network predicts"),
    ]

    private static let teach = training("teach", \.teach, required: always, active: always)

    private static let teachers: [Key] = [
        key(
            "teachers.from", \.teachersFrom, .optional(.path), .free, active: whenDefended,
            meaning:
                "directory of a run whose finished teachers are taken instead of training them; null to train them. "
                + "Relative paths start at the current directory")
    ]

    private static let distill =
        training("distill", \.distill, required: whenDistilling, active: whenDistilling) + [
            key(
                "distill.teacher_weights", \.teacherWeights, .choice(), active: whenDistilling,
                meaning: "which of the teachers' weights label the student's batches")
        ]

    /// The keys that the two training phases share.
    private static func training(
        _ section: String, _ options: any WritableKeyPath<Job, Job.TrainingOptions> & Sendable,
        required: @escaping @Sendable (Job) -> Bool, active: @escaping @Sendable (Job) -> Bool
    ) -> [Key] {
        func member<Value>(
            _ leaf: String, _ property: any WritableKeyPath<Job.TrainingOptions, Value> & Sendable,
            _ form: JobForm<Value>,
            _ effect: Effect = .bits, required: @escaping @Sendable (Job) -> Bool = { _ in false }, meaning: String
        ) -> Key {
            Key(
                path: "\(section).\(leaf)", effect: effect, form: form.words, meaning: meaning,
                isRequired: required, isActive: active,
                read: { node, job throws(JobProblem) in
                    job[keyPath: options][keyPath: property] = try form.read(node)
                },
                write: { job in form.write(job[keyPath: options][keyPath: property]) })
        }
        return [
            member(
                "steps", \.steps, .integer(1...1_000_000_000), .extendable, required: required,
                meaning: "optimizer steps of each model of the phase"),
            member("batch", \.batch, .integer(1...65_536), meaning: "images of one step, over all ranks of a group"),
            member(
                "images_per_lane", \.imagesPerLane, .integer(1...65_536),
                meaning: "images of one microbatch; divides `batch`, and their quotient is the number of lanes"),
            member("learning_rate", \.learningRate, .number(1e-12...10), meaning: "learning rate after the warm-up"),
            member("warmup_steps", \.warmupSteps, .integer(0...1_000_000_000), meaning: "steps of linear warm-up"),
            member(
                "decay_steps", \.decaySteps, .integer(0...1_000_000_000),
                meaning: "last steps, over which the learning rate falls linearly towards zero; `steps` cannot grow "
                    + "once they have begun"),
            member(
                "max_grad_norm", \.maxGradNorm, .number(1e-6...1e6),
                meaning: "longer gradients are scaled down to this norm"),
            member(
                "ema_decay", \.emaDecay, .number(0...0.9999999),
                meaning: "largest decay of the moving average of the weights"),
            member(
                "ema_warmup", \.emaWarmup, .boolean, meaning: "caps the decay at (1 + n) / (10 + n) after n updates"),
            member("optimizer", \.optimizer, .choice(), meaning: "update rule"),
            member("weight_decay", \.weightDecay, .number(0...1), meaning: "weight decay of the update rule"),
            member("horizontal_flip", \.horizontalFlip, .boolean, meaning: "mirrors images with probability one half"),
        ]
    }

    private static let others: [Key] = [
        key(
            "checkpoint.every_steps", \.checkpoint.everySteps, .integer(1...1_000_000_000), .free,
            meaning: "steps from one checkpoint to the next"),
        key(
            "checkpoint.every_minutes", \.checkpoint.everyMinutes, .number(0...10_080), .free,
            meaning: "minutes after which a checkpoint is due, if that comes first; 0 for steps alone"),
        key(
            "checkpoint.keep", \.checkpoint.keep, .integer(1...1_000_000), .free,
            meaning: "newest checkpoints kept per model"),
        key(
            "checkpoint.compression_level", \.checkpoint.compressionLevel, .integer(0...19), .free,
            meaning: "zstd level; 0 for no compression"),
        key(
            "checkpoint.on_failure", \.checkpoint.onFailure, .choice(), .free,
            meaning: "when a checkpoint cannot be written: `continue` with the older one and try again at the next "
                + "save, or `end` the run; the last save must succeed either way"),
        key("sample.count", \.sample.count, .integer(1...1_000_000), meaning: "images made at the end of the run"),
        key("sample.sampler", \.sample.sampler, .choice(), meaning: "sampler of these images"),
        key(
            "sample.steps", \.sample.steps, .integer(1...100_000),
            meaning: "steps of the sampler, at most `diffusion.timesteps`"),
        key("sample.eta", \.sample.eta, .number(0...1), meaning: "noise of DDIM, 0 for none; only with `ddim`"),
        key(
            "sample.guidance_scale", \.sample.guidanceScale, .number(0...100),
            meaning: "classifier-free guidance: 1 for none, more for images that show their class more clearly, at two "
                + "network evaluations a step; needs `model.class_dropout`"),
        key("sample.batch", \.sample.batch, .integer(1...65_536), meaning: "images denoised together"),
        key(
            "numerics.convolutions", \.numerics.convolutions, .optional(.path), .profile,
            meaning: "file of `diptych tune` that chooses the algorithm of each convolution; null for the rule in the "
                + "source. Relative paths start at the current directory"),
        key(
            "numerics.instructions", \.numerics.instructions, .optional(.choice()), .profile,
            meaning: "widest instructions to compute with, on processors that have more; null for all there are"),
        key(
            "numerics.recompute_blocks", \.numerics.recomputeBlocks, .boolean, .free,
            meaning:
                "keep less between the forward and the backward pass and compute it again: about a third more time, "
                + "the same bits; for images that would not fit otherwise"),
    ]
}
