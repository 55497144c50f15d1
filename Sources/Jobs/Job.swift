import Datasets
import Diffusion
import Tensor

/// A job: what to train, on what, how it is defended, with which ranks.
///
/// Read from a YAML file by `Job.load(path:overrides:)`, which refuses everything it does not know; every key, with its
/// range and default, is in `JobSchema` and in docs/jobs.md. The stored values here are the defaults.
public struct Job: Hashable, Sendable {
    /// What the run is called; names its directory `runs/<name>`.
    public var name = ""
    /// The seed of every random number of the run.
    public var seed: UInt64 = 0
    /// The images, and how they are dealt out.
    public var data = DataOptions()
    /// The network.
    public var model = ModelOptions()
    /// The diffusion process.
    public var diffusion = DiffusionOptions()
    /// How the released model is defended.
    public var defence = Defence.undefended
    /// Training of the teachers, or of the baseline.
    public var teach = TrainingOptions()
    /// The run whose finished teachers are taken instead of training them (`teachers.from`); made absolute when a run is
    /// prepared. Nil to train them.
    public var teachersFrom: String?
    /// Distillation of the student; means something only under `Defence.distillMD`.
    public var distill = TrainingOptions()
    /// Which of the teachers' weights label the student's batches (`distill.teacher_weights`).
    public var teacherWeights = WeightKind.raw
    /// When checkpoints are written and how many stay.
    public var checkpoint = CheckpointOptions()
    /// The grid of images at the run's end.
    public var sample = SampleOptions()
    /// How numbers are computed.
    public var numerics = NumericsOptions()
    /// Where it runs.
    public var cluster = ClusterOptions()

    /// Makes a job of defaults, to be filled in.
    public init() {}
}

/// How the released model is defended against membership inference.
public enum Defence: String, Codable, CaseIterable, Sendable {
    /// One model, `baseline`, trained on all members.
    case undefended = "none"
    /// Teachers on disjoint parts; the release samples with them in turn (arXiv 2410.16657, section 4.1).
    case dualMD = "dualmd"
    /// As DualMD, and a student distilled from the teachers (arXiv 2410.16657, algorithm 2).
    case distillMD = "distillmd"
}

/// Which of a model's two sets of weights is meant.
public enum WeightKind: String, Codable, CaseIterable, Sendable {
    /// The weights the optimizer moves.
    case raw
    /// Their exponential moving average.
    case ema
}

/// Which update rule trains a model.
public enum OptimizerKind: String, Codable, CaseIterable, Sendable {
    /// Adam, weight decay as an L2 term of the gradient.
    case adam
    /// Adam with decoupled weight decay.
    case adamW = "adamw"
}

/// Which network is trained.
public enum ModelKind: String, Codable, CaseIterable, Sendable {
    /// The U-Net of diffusers' `UNet2DModel`.
    case unet2d
}

/// Which sampler makes the images.
public enum SamplerKind: String, Codable, CaseIterable, Sendable {
    /// Denoising diffusion implicit models, with `eta`.
    case ddim
    /// Ancestral sampling.
    case ddpm
}

/// What becomes of a run when one of its checkpoints cannot be written.
public enum SaveFailureKind: String, Codable, CaseIterable, Sendable {
    /// Training goes on with the older checkpoint, and the next save tries again; only the last must succeed.
    case goOn = "continue"
    /// The run ends.
    case end
}

extension Job {
    /// The section `data`.
    public struct DataOptions: Hashable, Sendable {
        /// The format of the image file.
        public var reader = Reader.idx
        /// Path of the images; made absolute when a run is prepared.
        public var images = ""
        /// Path of the labels, if there are any.
        public var labels: String?
        /// Channels, height and width, if the job states them; the data must agree.
        public var shape: [Int]?
        /// Number of images trained on.
        public var members = 0
        /// Number of images kept away from training, for the audit.
        public var heldOut = 0
        /// How the members are dealt into parts.
        public var split = SplitOptions()

        /// Makes a section of defaults.
        public init() {}
    }

    /// The section `data.split`.
    public struct SplitOptions: Hashable, Sendable {
        /// Number of disjoint parts, and of teachers.
        public var parts = 2
        /// What the parts have equal shares of.
        public var balance = Balance.none
        /// What becomes of near duplicates.
        public var nearDuplicates = NearDuplicates.together

        /// Makes a section of defaults.
        public init() {}
    }

    /// The section `model`.
    public struct ModelOptions: Hashable, Sendable {
        /// The network.
        public var kind = ModelKind.unet2d
        /// Channels of each level, from the finest.
        public var channels: [Int] = []
        /// ResNet blocks of a level on the way down; one more on the way up.
        public var layersPerBlock = 2
        /// Whether a level has attention.
        public var attention: [Bool] = []
        /// Groups of each group norm.
        public var normGroups = 32
        /// Added to the variance in group norm.
        public var normEpsilon = 1e-5
        /// Channels of one attention head; nil for one head as wide as the level.
        public var attentionHeadDimension: Int?
        /// Probability with which dropout zeroes a value.
        public var dropout = 0.0
        /// Whether the network is told the image's label.
        public var classConditional = false
        /// Probability with which an image is trained on without its label.
        public var classDropout = 0.0
        /// Whether the time embedding is (cos, sin) and not (sin, cos).
        public var flipSineToCosine = true
        /// Subtracted from the count of frequencies of the time embedding.
        public var frequencyShift = 0.0
        /// Padding of the down-sampling convolution; 0 pads the right and the lower edge by one.
        public var downsamplePadding = 1

        /// Makes a section of defaults.
        public init() {}
    }

    /// The section `diffusion`.
    public struct DiffusionOptions: Hashable, Sendable {
        /// Number of timesteps T of the forward process.
        public var timesteps = 1000
        /// How the noise grows from step to step.
        public var betaSchedule = BetaSchedule.linear
        /// Variance added by the first step.
        public var betaStart = 1e-4
        /// Variance added by the last step.
        public var betaEnd = 0.02
        /// What the network predicts.
        public var prediction = Prediction.epsilon

        /// Makes a section of defaults.
        public init() {}
    }

    /// The sections `teach` and `distill`.
    public struct TrainingOptions: Hashable, Sendable {
        /// Optimizer steps of each model of the phase.
        public var steps = 0
        /// Images of one step, over all ranks of a group.
        public var batch = 128
        /// Images of one lane, computed as one microbatch.
        public var imagesPerLane = 16
        /// Learning rate after the warm-up.
        public var learningRate = 2e-4
        /// Steps over which the learning rate rises linearly.
        public var warmupSteps = 5000
        /// Last steps, over which the learning rate falls linearly towards zero.
        public var decaySteps = 0
        /// Gradients longer than this are scaled down to it.
        public var maxGradNorm = 1.0
        /// Largest decay of the moving average.
        public var emaDecay = 0.9999
        /// Whether the decay is capped by (1 + n) / (10 + n) after n updates.
        public var emaWarmup = true
        /// The update rule.
        public var optimizer = OptimizerKind.adam
        /// Weight decay of the update rule.
        public var weightDecay = 0.0
        /// Whether images are mirrored with probability one half.
        public var horizontalFlip = false

        /// Makes a section of defaults.
        public init() {}

        /// Number of lanes of the global batch.
        public var lanes: Int { batch / imagesPerLane }
    }

    /// The section `checkpoint`.
    public struct CheckpointOptions: Hashable, Sendable {
        /// A checkpoint after this many steps.
        public var everySteps = 1000
        /// A checkpoint after this many minutes, if that comes first; 0 for steps alone.
        public var everyMinutes = 10.0
        /// Newest checkpoints that stay, for each model.
        public var keep = 3
        /// Effort of the compression.
        public var compressionLevel = 3
        /// What becomes of the run when one cannot be written.
        public var onFailure = SaveFailureKind.goOn

        /// Makes a section of defaults.
        public init() {}
    }

    /// The section `sample`.
    public struct SampleOptions: Hashable, Sendable {
        /// Images of the grid.
        public var count = 64
        /// The sampler.
        public var sampler = SamplerKind.ddim
        /// Steps of the sampler.
        public var steps = 50
        /// Noise of DDIM, from 0 (none) to 1 (as much as ancestral sampling).
        public var eta = 0.0
        /// How far classifier-free guidance goes towards the class; 1 for the plain conditional model.
        public var guidanceScale = 1.0
        /// Images denoised together; part of the result's definition, so fixed by the job.
        public var batch = 16

        /// Makes a section of defaults.
        public init() {}
    }

    /// The section `numerics`.
    public struct NumericsOptions: Hashable, Sendable {
        /// Path of the table of convolution algorithms; made absolute when a run is prepared. Nil for the rule alone.
        public var convolutions: String?
        /// The widest instructions to compute with, where a processor has more; nil for all it has.
        public var instructions: InstructionSet?
        /// Whether the backward pass computes the activations within blocks again, instead of keeping them.
        public var recomputeBlocks = false

        /// Makes a section of defaults.
        public init() {}
    }
}
