import Checkpoints
import Communication
import Diffusion
import Foundation
import Jobs
import Tensor

/// One model's training: what it is called, how long, on which images, with which loss.
package struct TrainingTask {
    /// The model.
    package let model: TrainedModel
    /// How it is trained.
    package let options: Job.TrainingOptions
    /// The catalogue indices of a step's batch, the same on every rank.
    package let batch: (_ step: Int) -> [Int]
    /// The mean loss of one lane.
    package let laneLoss: (_ network: UNet2D, _ items: [Int], _ step: Int, _ tape: Tape) throws -> Tensor

    /// Gathers the task.
    package init(
        model: TrainedModel, options: Job.TrainingOptions, batch: @escaping (_ step: Int) -> [Int],
        laneLoss: @escaping (_ network: UNet2D, _ items: [Int], _ step: Int, _ tape: Tape) throws -> Tensor
    ) {
        self.model = model
        self.options = options
        self.batch = batch
        self.laneLoss = laneLoss
    }
}

/// Walks one model from its newest checkpoint to its last step, on all ranks of a group.
///
/// The group's first rank writes the log of steps and the checkpoints. A wish to stop, heard by any rank, travels with
/// the losses, so that the whole group stops after the same step.
package final class TrainingLoop {
    /// How the loop ended.
    package struct Report: Codable, Sendable {
        /// The model's name.
        package var model: String
        /// Whether the last step has been done.
        package var isFinished: Bool
        /// Steps done in all.
        package var step: Int
        /// Steps that this execution did.
        package var stepsDone: Int
        /// Loss of the model's last step, if there was one.
        package var finalLoss: Double?
    }

    private struct Flags {
        static let stop: UInt8 = 1
        static let checkpoint: UInt8 = 2
    }

    private let session: Session
    private let task: TrainingTask
    private let group: any Communicator
    private let trainer: Trainer
    private let archive: ModelArchive
    private let schedule: LearningRateSchedule
    private let average: ExponentialMovingAverage
    private var log: StepLog?
    private var rate = RateMeter()
    private var pace = Pace()
    private var lastSave = Stopwatch()

    /// Builds the model on every rank of the group. Collective.
    package init(session: Session, task: TrainingTask, group: any Communicator) {
        self.session = session
        self.task = task
        self.group = group
        let options = task.options
        let adam = Adam(weightDecay: options.weightDecay, decoupled: options.optimizer == .adamW)
        trainer = Trainer(configuration: session.network, adam: adam, group: group, laneCount: options.lanes) {
            $0.initialize(seed: session.job.seed, model: task.model.index)
        }
        archive = ModelArchive(session: session, model: task.model, trainer: trainer)
        schedule = LearningRateSchedule(
            learningRate: options.learningRate, warmupSteps: options.warmupSteps, decaySteps: options.decaySteps,
            steps: options.steps)
        average = ExponentialMovingAverage(decay: options.emaDecay, warmsUp: options.emaWarmup)
    }

    /// Trains to the last step, or until somebody asks to stop. Collective.
    package func run() throws -> Report {
        trainer.bucketFloats = try Trainer.bucketFloats(for: group)
        trainer.recomputesBlocks = session.job.numerics.recomputeBlocks
        let start = try archive.restore()
        if start < task.options.steps { archive.makeRoom() }
        try openLog(at: start)
        session.note(
            .started,
            [
                "model": .string(task.model.name), "phase": .string(task.model.phase.rawValue),
                "step": .integer(start), "lanes": .array(trainer.lanes.map { .integer($0) }),
            ])
        session.beat(task, step: start, loss: nil, imagesPerSecond: 0)
        lastSave = Stopwatch()
        rate = RateMeter()
        let began = Date().timeIntervalSince1970
        var step = start
        var loss: Double?
        var isStopping = false
        while step < task.options.steps, !isStopping {
            let result = try advance(step)
            step += 1
            loss = result.loss
            isStopping = result.flags & Flags.stop != 0
            let isLast = step == task.options.steps || isStopping
            if isLast || step % session.job.checkpoint.everySteps == 0 || result.flags & Flags.checkpoint != 0 {
                try save(step, isLast: isLast)
            }
        }
        let ended = Date().timeIntervalSince1970
        try archive.finish()
        noteRate(from: start, to: step, began: began, ended: ended)
        return Report(
            model: task.model.name, isFinished: step == task.options.steps, step: step,
            stepsDone: step - start,
            finalLoss: loss ?? StepLog.last(path: session.directory.log(of: task.model.name))?.loss)
    }

    /// When this rank did the model's steps, how fast, and what it held.
    private func noteRate(from start: Int, to step: Int, began: Double, ended: Double) {
        session.note(
            .rate,
            [
                "model": .string(task.model.name), "first_step": .integer(start), "steps": .integer(step - start),
                "began": .number(began), "ended": .number(ended),
                "images_per_second": .number(rate.overall),
                "peak_memory": ProcessMemory.peak.map { .integer($0) } ?? .null,
            ])
    }

    /// One optimizer step with its log line and heartbeat.
    private func advance(_ step: Int) throws -> Trainer.StepResult {
        let options = task.options
        let items = task.batch(step)
        let settings = StepSettings(
            step: step, learningRate: schedule.learningRate(at: step), maxGradientNorm: options.maxGradNorm,
            averageDecay: average.decay(after: step + 1), flags: flags(), comparesReplicas: comparesReplicas(at: step))
        let result: Trainer.StepResult
        let clock = Stopwatch()
        do {
            let computed = { [self] in
                pace.add(seconds: clock.seconds, images: trainer.lanes.count * options.imagesPerLane)
                beat(step, isWaiting: true)
            }
            result = try trainer.step(settings, computed: computed) { lane, tape in
                let mine = Array(items[lane * options.imagesPerLane..<(lane + 1) * options.imagesPerLane])
                return try task.laneLoss(trainer.network, mine, step, tape)
            }
        } catch let error as TrainingError {
            // No longer: the first rank may have a checkpoint to write.
            beat(step)
            let failure = try failure(for: error, items: items)
            // The checkpoint on its way is the last good one. All wait: ranks that are told of an error lose patience with
            // the first one soon, and abort.
            try group.onRoot { archive.settle() }
            throw group.shared(failure, "step \(step) of \(task.model.name)")
        }
        archive.noteSaved()
        rate.count(images: options.batch)
        if group.rank == 0 {
            try write(
                StepRecord(
                    step: step, loss: result.loss, learningRate: settings.learningRate,
                    gradientNorm: result.gradientNorm))
        }
        beat(step + 1, loss: result.loss)
        return result
    }

    /// Adds a line to the log; while the disk is full, or whether this execution may write cannot be told, it waits for the
    /// next one.
    private func write(_ record: StepRecord) throws {
        do {
            try session.requireCurrentExecution(patience: 0)
        } catch let failure as DiptychFailure where failure.code == .inputOutput {
            log?.hold(record)
            return session.noteFailure("log", failure)
        }
        session.tolerate("log") { try log?.append(record) }
    }

    /// This rank's sign of life.
    private func beat(_ step: Int, loss: Double? = nil, isWaiting: Bool = false) {
        session.beat(
            task, step: step, loss: loss, imagesPerSecond: rate.recent, secondsPerImage: pace.secondsPerImage,
            isWaiting: isWaiting)
    }

    /// Whether the step's weights are compared: now and then, and where a save follows.
    private func comparesReplicas(at step: Int) -> Bool {
        let done = step + 1
        return group.size > 1
            && (step % Replicas.comparisonInterval == 0 || done == task.options.steps
                || done % session.job.checkpoint.everySteps == 0)
    }

    /// What to tell the user about training that cannot go on. Collective.
    private func failure(for error: TrainingError, items: [Int]) throws -> DiptychFailure {
        let name = task.model.name
        switch error {
        case .lossNotFinite(_, let lane, _):
            let size = task.options.imagesPerLane
            let images = items[lane * size..<(lane + 1) * size].map(String.init).joined(separator: ", ")
            return DiptychFailure(
                .badData,
                "\(name) cannot go on: \(error), on images \(images) of the data set. The last good checkpoint stays. "
                    + "Try a smaller learning_rate or a longer warmup_steps, and look for images that are not as expected"
            )
        case .gradientNotFinite:
            return DiptychFailure(
                .badData,
                "\(name) cannot go on: \(error). The last good checkpoint stays. Try a smaller learning_rate or a longer "
                    + "warmup_steps, and look for images that are not as expected")
        case .replicasDiffer(let step, let ranks):
            let places: [String] = try group.allGather("rank \(session.world.rank) on \(session.world.host)")
            let named = ranks.map { places[$0] }.joined(separator: ", ")
            let finding =
                ranks.count == group.size
                ? "the ranks have computed step \(step) with different weights, and no majority says which are right: "
                    + named
                : "\(named) computed step \(step) with other weights than the other "
                    + "\(group.size - ranks.count) ranks of its group"
            return DiptychFailure(
                .rankLost,
                "\(name): \(finding). Memory or network of a node may be faulty. Nothing of this step was saved; the same "
                    + "command goes on from the last checkpoint. If it happens again, leave that node out")
        }
    }

    private func flags() -> UInt8 {
        let minutes = session.job.checkpoint.everyMinutes
        let isDue = group.rank == 0 && minutes > 0 && lastSave.seconds > 60 * minutes
        // Where the job does not go on without a checkpoint, the next save ends it.
        return (session.isStopRequested() ? Flags.stop : 0) | (isDue || archive.mustEnd ? Flags.checkpoint : 0)
    }

    /// Begins to save, once the lines of the log up to the step are on the medium: after a crash they could not be made
    /// again. Where they cannot be brought there, the older checkpoint stays and the next save tries again. Collective.
    ///
    /// - Throws: On every rank, when that happens to the last save, or to any where the job does not go on.
    private func save(_ step: Int, isLast: Bool) throws {
        let mayFail = !isLast && session.job.checkpoint.onFailure == .goOn
        let isLogged = try group.onRoot { () -> Bool in
            do {
                try session.requireCurrentExecution(patience: mayFail ? 0 : 10)
                try log?.synchronize()
                return true
            } catch {
                let endsRun = !mayFail || (error as? DiptychFailure)?.code == .rankLost
                // The one on its way is from before, and good.
                archive.settle(endsRun: endsRun)
                session.noteFailure("checkpoint of \(task.model.name)", error, endsRun: endsRun)
                if endsRun { throw error }
                return false
            }
        }
        if isLogged { try archive.save(step: step, isLast: isLast) }
        lastSave = Stopwatch()
    }

    /// The group's first rank opens the log and drops the lines of steps that will be done again.
    private func openLog(at step: Int) throws {
        try group.onRoot { () -> Void in
            let log = try StepLog(path: session.directory.log(of: task.model.name), calls: session.calls)
            let lines = try log.cutBack(toStep: step)
            if lines < step {
                session.note(
                    .logIncomplete,
                    ["model": .string(task.model.name), "step": .integer(step), "lines": .integer(lines)])
            }
            self.log = log
        }
    }
}
