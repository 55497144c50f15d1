import Checkpoints
import Communication
import Datasets
import Diffusion
import Jobs
import Tensor

/// Walks a run through its phases on all ranks and tells how it ended.
package struct TrainingRun {
    private let session: Session

    /// The walk of one session.
    package init(session: Session) {
        self.session = session
    }

    /// The phases, in order, each from where its checkpoints stand. Collective.
    ///
    /// - Parameter limits: The memory that this rank can have.
    /// - Throws: On every rank; one of them has the reason, the others `peerFailed`.
    package func walk(limits: MemoryLimits = .current()) throws -> Outcome {
        // What cannot go well is refused before anything is written.
        _ = try session.placement()
        try session.requireSpace()
        try session.requireMemory(limits)
        var outcome = Outcome(exit: .stopped)
        let clock = Stopwatch()
        session.beat(phase: .split)
        let split = try session.split()
        outcome.phases.append(
            .init(name: .split, steps: 0, seconds: clock.seconds, imagesPerSecond: 0, finalLoss: [:]))
        if try stopsHere(&outcome) { return outcome }

        let taught = try timed(.teach) { try session.teach(split) }
        outcome.phases.append(taught.report)
        guard taught.models.allSatisfy(\.isFinished) else { return stopped(outcome) }

        if let student = session.job.student {
            let distilled = try timed(.distill) { [try session.distill(student, split: split)] }
            outcome.phases.append(distilled.report)
            guard distilled.models.allSatisfy(\.isFinished) else { return stopped(outcome) }
        }
        if try stopsHere(&outcome) { return outcome }

        let sampling = Stopwatch()
        session.announce(.phaseBegan, .sample)
        guard let grid = try session.sample(session.finalSamples()) else { return stopped(outcome) }
        session.announce(.phaseEnded, .sample)
        outcome.phases.append(
            .init(
                name: .sample, steps: 0, seconds: sampling.seconds,
                imagesPerSecond: Double(session.job.sample.count) / sampling.seconds, finalLoss: [:]))
        outcome.grid = grid
        outcome.exit = .done
        return outcome
    }

    private func timed(
        _ phase: Phase, _ body: () throws -> [TrainingLoop.Report]
    ) throws -> (report: Outcome.PhaseReport, models: [TrainingLoop.Report]) {
        let clock = Stopwatch()
        session.announce(.phaseBegan, phase)
        let models = try body()
        session.announce(.phaseEnded, phase)
        let options = phase == .distill ? session.job.distill : session.job.teach
        let images = models.reduce(0) { $0 + $1.stepsDone } * options.batch
        let losses = models.compactMap { report in report.finalLoss.map { (report.model, $0) } }
        return (
            Outcome.PhaseReport(
                name: phase, steps: models.map(\.step).min() ?? 0, seconds: clock.seconds,
                imagesPerSecond: Double(images) / clock.seconds,
                finalLoss: Dictionary(losses, uniquingKeysWith: { first, _ in first })), models
        )
    }

    /// Between phases: whether any rank heard a wish to stop.
    private func stopsHere(_ outcome: inout Outcome) throws -> Bool {
        guard try session.world.anyTrue(session.isStopRequested()) else { return false }
        outcome = stopped(outcome)
        return true
    }

    private func stopped(_ outcome: Outcome) -> Outcome {
        var outcome = outcome
        outcome.exit = .stopped
        outcome.message = "stopped on request; every model was saved, and the same command goes on"
        return outcome
    }
}

extension Session {
    /// The grid at the run's end: from the release.
    func finalSamples() -> SampleRequest {
        let sample = job.sample
        return SampleRequest(
            model: job.releaseName, count: sample.count,
            configuration: SamplingConfiguration(sample.sampler.sampler(eta: sample.eta), steps: sample.steps),
            weights: .ema, guidanceScale: sample.guidanceScale, batch: sample.batch, folder: directory.samples)
    }
}

extension Job {
    /// What the release samples from.
    var releaseName: String {
        switch defence {
        case .undefended: "baseline"
        case .dualMD: "dual"
        case .distillMD: "student"
        }
    }
}
