import Datasets
import Diffusion
import Foundation
import Jobs
import Privacy
import Tensor

extension AuditReport {
    /// Scores attacks and computes figures from what was measured. Called on one rank.
    ///
    /// - Throws: `DiptychFailure` with code 65 if a score is not a finite number.
    init(
        session: Session, request: AuditRequest, subjects: AuditSubjects, results: AuditResults
    ) throws {
        let scoring = AuditScoring(session: session, subjects: subjects, results: results)
        do {
            let (releases, notes) = try scoring.releases()
            self.init(
                protocolNotes: AuditReport.notes(session, request, subjects, results) + notes,
                provenance: try AuditReport.provenance(session, request, subjects), releases: releases)
        } catch let error as AttackEvaluation.NotFinite {
            throw DiptychFailure(.badData, "\(error)")
        }
    }

    private static func notes(
        _ session: Session, _ request: AuditRequest, _ subjects: AuditSubjects, _ results: AuditResults
    ) -> [String] {
        let (choice, shadows) = (subjects.choice, subjects.shadows)
        let count = choice.imagesPerSide
        let duplicates = choice.duplicates
        var notes = [
            "\(count) members, drawn at random from the \(session.job.data.members) training images, and \(count) held-out "
                + "images of the same source, which no model has seen; member is the positive class.",
            "Duplicates between training and held-out images: \(duplicates.exactPairs) equal pairs, "
                + "\(duplicates.nearPairs) near pairs (\(NearDuplicateRule.summary)); the \(duplicates.images.count) images "
                + "in them were left out before the draw.",
            "Hyper-parameters were chosen, and what is fitted was fitted, on the calibration half; every figure is of the "
                + "other half. The optimistic AUC is the greatest over settings on the test half itself.",
            "AUC with DeLong's interval; attack success rate with Dvoretzky, Kiefer, Wolfowitz and Massart's; TPR at a FPR of at "
                + "most 1 % and 0.1 % with an interval that joins Clopper and Pearson's with the uncertainty of the threshold; "
                + "all intervals 95 %.",
            "Attacks used the \(request.weights.rawValue) weights.",
        ]
        if subjects.views.count > 1 {
            notes.append(
                "DualMD releases an alternating sampler: attacks through sampling are what its release allows. All others "
                    + "are adaptive: `-mix` asks the models in turn, `-joined` joins the scores of all models; both are made on "
                    + "all members, and on those of each part alone. Each teacher is attacked on the part it was trained on and "
                    + "on the others. Quality is that of the release; single models are not released.")
        }
        if !shadows.isEmpty {
            notes.append(
                "Shadow models, trained by the attacker on other images of the same source: \(shadows.count), with defence "
                    + Set(shadows.map(\.session.job.defence.rawValue)).sorted().joined(separator: " and ")
                    + ". A shadow's answer about an image that it was trained on is not used as that of a model that was not."
            )
        }
        if let exclusion = results.plan.exclusion { notes.append(exclusion) }
        if let skipped = results.plan.skippedNote { notes.append(skipped.prefix(1).uppercased() + skipped.dropFirst()) }
        if !results.outOfTime.isEmpty {
            notes.append(
                "Left out, because the time was over: "
                    + results.outOfTime.map(\.label).joined(separator: ", "))
        }
        if !results.hasTimeForNetworks {
            notes.append("Left out, because the time was over: the attacks that train networks of their own.")
        }
        if let obstacle = results.plan.qualityObstacle { notes.append("Quality was not measured: \(obstacle).") }
        return notes
    }

    private static func provenance(
        _ session: Session, _ request: AuditRequest, _ subjects: AuditSubjects
    ) throws -> [Entry] {
        let seed = try SeedCommitment(session)
        var entries = [
            Entry(name: "diptych", value: programVersion, isPublic: true),
            Entry(name: "job hash", value: session.job.hash),
            Entry(name: "seed", value: "\(session.job.seed)"),
            Entry(name: "salt of the seed's hash", value: seed.salt),
            Entry(name: "seed, salted SHA-256", value: seed.hash, isPublic: true),
            Entry(name: "data SHA-256", value: session.catalogue.hash.description),
            Entry(name: "images per side", value: "\(subjects.choice.imagesPerSide)", isPublic: true),
            Entry(name: "budget", value: "\(request.budget)", isPublic: true),
        ]
        entries += subjects.views.map { Entry(name: "weights of \($0.name), SHA-256", value: $0.hash, isPublic: true) }
        entries += subjects.shadows.flatMap { shadow in
            [
                Entry(name: shadow.name, value: (shadow.session.directory.path as NSString).lastPathComponent),
                Entry(name: "weights of \(shadow.name), SHA-256", value: shadow.view.hash, isPublic: true),
            ]
        }
        let profile = NumericsProfile.current()
        entries.append(
            Entry(
                name: "numerics",
                value: "oneDNN \(profile.oneDNN) (\(profile.oneDNNInstructions)), kernels \(profile.kernels.rawValue)",
                isPublic: true))
        return entries
    }
}
