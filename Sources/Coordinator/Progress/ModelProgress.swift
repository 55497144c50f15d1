import Foundation
import Jobs

/// How far one model is, as its group's heartbeats tell.
package struct ModelProgress: Hashable {
    /// The phase.
    package var phase: Phase
    /// The model; empty in phases without one.
    package var model: String
    /// Steps done.
    package var step: Int
    /// Steps in all.
    package var totalSteps: Int
    /// Loss of the newest step.
    package var loss: Double?
    /// Images per second of its group.
    package var imagesPerSecond: Double
    /// Seconds until its last step; nil when that cannot be told yet.
    package var secondsLeft: Double?

    /// Makes an entry.
    package init(
        phase: Phase, model: String, step: Int, totalSteps: Int, loss: Double?, imagesPerSecond: Double,
        secondsLeft: Double?
    ) {
        self.phase = phase
        self.model = model
        self.step = step
        self.totalSteps = totalSteps
        self.loss = loss
        self.imagesPerSecond = imagesPerSecond
        self.secondsLeft = secondsLeft
    }

    /// Steps done as a share, in 0...1.
    var share: Double { totalSteps > 0 ? min(1, max(0, Double(step) / Double(totalSteps))) : 0 }

    /// One entry for each model that is being worked on: what the lowest of its ranks says.
    package static func all(from beats: [Heartbeat], job: Job) -> [ModelProgress] {
        var found: [ModelProgress] = []
        for beat in beats where !found.contains(where: { $0.phase == beat.phase && $0.model == beat.model }) {
            let batch: Int
            switch beat.phase {
            case .teach: batch = job.teach.batch
            case .distill: batch = job.distill.batch
            case .split, .sample: batch = 1
            }
            let isKnown = beat.imagesPerSecond > 0 && beat.imagesPerSecond.isFinite
            // In floating point: whatever numbers a heartbeat holds, none is too large.
            let steps = max(0, Double(beat.totalSteps) - Double(beat.step))
            let left = steps * Double(batch) / beat.imagesPerSecond
            found.append(
                ModelProgress(
                    phase: beat.phase, model: beat.model, step: beat.step, totalSteps: beat.totalSteps, loss: beat.loss,
                    imagesPerSecond: beat.imagesPerSecond, secondsLeft: isKnown ? left : nil))
        }
        // Ranks that wait for the others have nothing of their own to show.
        let named = found.filter { !$0.model.isEmpty }
        return named.isEmpty ? found : named
    }
}
