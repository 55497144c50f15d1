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

extension Session {
    /// Attacks what a run releases, on all ranks, and writes `audit/report.json`. Collective.
    ///
    /// What was measured before, by an audit that was ended or one of other attacks, is used again.
    ///
    /// - Parameters:
    ///   - request: What to audit.
    ///   - say: Takes lines about progress, on rank 0.
    package func audit(_ request: AuditRequest, say: @escaping (String) -> Void = { _ in }) throws -> AuditEnd {
        let started = Date().timeIntervalSince1970
        let (choice, split) = try chooseImages(request)
        let views = try auditedViews(weights: request.weights)
        // Only a student has been taught by models that know other images than it was shown.
        let neighbours =
            job.defence == .distillMD
            ? NeighbourLean(diffusion.schedule, parts: split.parts, catalogue: catalogue) : nil
        let plan = try AuditPlan(
            job: job, views: views, request: request, images: choice.items.count, neighbours: neighbours, world: world)
        let store = ScoreStore(directory)
        try world.onRoot {
            try store.create()
            if let notes = plan.skippedNote { say(notes) }
        }
        var deadline: Double?
        if case .minutes(let minutes) = request.budget { deadline = started + 60 * minutes }
        let measurements = AuditMeasurements(
            session: self, items: choice.items, store: store,
            progress: AuditProgress(total: plan.evaluations, say: say), deadline: deadline)
        var results = AuditResults(plan: plan)
        for task in plan.tasks {
            let view = views[task.view]
            guard let measurement = task.measurement else {
                switch try measurements.samples(count: request.samples, from: view, weights: request.weights) {
                case .stopped: return .stopped
                case .outOfTime: results.outOfTime.append(task)
                case .whole(let images): if let images { results.add(images, of: task) }
                }
                continue
            }
            switch try measurements.table(of: measurement, from: view) {
            case .stopped: return .stopped
            case .outOfTime: results.outOfTime.append(task)
            case .whole(let table): if let table { results.add(table, of: task) }
            }
        }
        try world.onRoot {
            var report = try AuditReport(
                session: self, request: request, choice: choice, views: views, results: results)
            var pairs: [NearestPairs] = []
            // Samples are those of the whole release, which comes first.
            if let samples = results.samples(of: 0) {
                say("comparing \(samples.count) samples with training images and held-out ones")
                if let quality = AuditQuality(
                    samples: samples, release: report.releases[0].name, split: split, catalogue: catalogue)
                {
                    report.releases[0].quality = quality.figures
                    report.protocolNotes.append(quality.note)
                    pairs.append(quality.pairs)
                }
            }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            try AtomicFile.write([UInt8](encoder.encode(pairs)), to: directory.auditPairs)
            try AtomicFile.write([UInt8](encoder.encode(report)), to: directory.auditReport)
        }
        return .reported
    }

    private func chooseImages(_ request: AuditRequest) throws -> (AuditProtocol, DisjointSplit) {
        try world.onRoot {
            guard access(directory.split, F_OK) == 0 else {
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
