import Checkpoints
import Communication
import Datasets
import Diffusion
import Foundation
import Glibc
import Jobs
import Privacy
import Tensor

/// How an audit ended.
package enum AuditEnd: Hashable, Sendable {
    /// The report is in the run's directory.
    case reported
    /// Somebody asked to stop; what was measured is kept.
    case stopped
}

/// What an audit asks, and about which images.
struct AuditSubjects {
    /// The attacked images.
    let choice: AuditProtocol
    /// What the run was trained on.
    let split: DisjointSplit
    /// The release; for DualMD as a whole, then each of its models.
    let views: [AuditedView]
    /// Models of the attacker's own.
    let shadows: [AuditShadow]
}

extension Session {
    /// Attacks what a run releases, on all ranks, and writes `audit/report.json`. Collective.
    ///
    /// What was measured before, by an audit that was ended or one of other attacks, is used again.
    ///
    /// - Parameters:
    ///   - request: What to audit.
    ///   - say: Takes lines about progress, on rank 0.
    package func audit(_ request: AuditRequest, say: @escaping (String) -> Void = { _ in }) throws -> AuditEnd {
        let (choice, split) = try chooseImages(request)
        let subjects = AuditSubjects(
            choice: choice, split: split, views: try auditedViews(weights: request.weights),
            shadows: try auditShadows(request, of: choice))
        // Only a student has been taught by models that know other images than it was shown.
        let neighbours =
            job.defence == .distillMD
            ? NeighbourLean(diffusion.schedule, parts: split.parts, catalogue: catalogue) : nil
        let plan = try AuditPlan(job: job, subjects: subjects, request: request, neighbours: neighbours, world: world)
        try world.onRoot { for note in [plan.exclusion, plan.skippedNote].compactMap({ $0 }) { say(note) } }
        let progress = AuditProgress(total: plan.evaluations, say: say)
        var results = AuditResults(plan: plan, shadows: subjects.shadows)
        for task in plan.samples {
            let end = try measure(task, request, of: subjects, progress, isOutOfTime: { false }, into: &results)
            if case .stopped = end { return .stopped }
        }
        // The minutes are those of attacks.
        let clock = Stopwatch()
        var isOutOfTime = { false }
        if case .minutes(let minutes) = request.budget { isOutOfTime = { clock.seconds > 60 * minutes } }
        for task in plan.tasks {
            switch try measure(task, request, of: subjects, progress, isOutOfTime: isOutOfTime, into: &results) {
            case .whole: break
            case .outOfTime: results.outOfTime.append(task)
            case .stopped: return .stopped
            }
        }
        switch try AuditTrainer(session: self, subjects: subjects, isOutOfTime: isOutOfTime).run(&results, say: say) {
        case .whole: break
        case .outOfTime: results.hasTimeForNetworks = false
        case .stopped: return .stopped
        }
        try world.onRoot { try writeReport(request, subjects, results, say: say) }
        return .reported
    }

    /// Measures what one task asks for. Collective.
    private func measure(
        _ task: AuditTask, _ request: AuditRequest, of subjects: AuditSubjects, _ progress: AuditProgress,
        isOutOfTime: @escaping () -> Bool, into results: inout AuditResults
    ) throws -> AuditMeasurements.End<Void> {
        // What a shadow answers is kept in its own run, for every audit that it serves.
        let (asked, view): (Session, AuditedView)
        var (session, items) = (self, subjects.choice.items)
        switch task.subject {
        case .release(let index): (asked, view) = (self, subjects.views[index])
        case .shadow(let index, let images):
            let shadow = subjects.shadows[index]
            (asked, view) = (shadow.session, shadow.view)
            if images == .own { (session, items) = (shadow.session, shadow.choice.items) }
        }
        let measurements = AuditMeasurements(
            session: session, items: items, store: ScoreStore(asked.directory), progress: progress,
            isOutOfTime: isOutOfTime, label: task.label)
        if let measurement = task.measurement {
            return try measurements.table(of: measurement, from: view).then { table in
                results.add(table, of: measurement, by: task.subject)
            }
        }
        return try measurements.samples(count: request.samples, from: view, weights: request.weights).then { images in
            results.add(images, by: task.subject)
        }
    }

    /// Scores, and writes the report. Called on one rank.
    private func writeReport(
        _ request: AuditRequest, _ subjects: AuditSubjects, _ results: AuditResults, say: (String) -> Void
    ) throws {
        var report = try AuditReport(session: self, request: request, subjects: subjects, results: results)
        var pairs: [NearestPairs] = []
        // Samples are those of the whole release, which comes first.
        if let samples = results.samples(of: 0), results.plan.qualityObstacle == nil {
            say("comparing \(samples.count) samples with training images and held-out ones")
            let quality = AuditQuality(
                samples: samples, release: report.releases[0].name, split: subjects.split, catalogue: catalogue)
            report.releases[0].quality = quality.figures
            report.protocolNotes.append(quality.note)
            pairs.append(quality.pairs)
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Nothing may have been measured within the budget.
        try ScoreStore(directory).create()
        try AtomicFile.write([UInt8](encoder.encode(pairs)), to: directory.auditPairs)
        try AtomicFile.write([UInt8](encoder.encode(report)), to: directory.auditReport)
    }

    /// The images that an audit of this run attacks. Collective.
    func chooseImages(_ request: AuditRequest) throws -> (AuditProtocol, DisjointSplit) {
        try world.onRoot {
            guard try FileBytes.exists(directory.split) else {
                throw DiptychFailure(
                    .badData,
                    "\(directory.path) has no split.h5 yet: there is nothing to audit before a run has trained")
            }
        }
        let split = try split()
        let choice = try world.together("choosing images") {
            do {
                return try AuditProtocol(
                    catalogue: catalogue, parts: split.parts, heldOut: split.heldOut,
                    imagesPerSide: request.imagesPerSide, seed: job.seed)
            } catch let error as AuditProtocol.TooFewImages {
                throw DiptychFailure(.usage, "\(error)")
            }
        }
        return (choice, split)
    }
}
