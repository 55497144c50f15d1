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
            self.init(
                protocolNotes: AuditReport.notes(session, request, subjects, results),
                provenance: AuditReport.provenance(session, request, subjects),
                releases: try scoring.releases())
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
            "AUC with DeLong's interval; TPR at a FPR of at most 1 % and 0.1 % with an interval that joins Clopper and "
                + "Pearson's with the uncertainty of the threshold; all intervals 95 %.",
            "Attacks used the \(request.weights.rawValue) weights.",
        ]
        if subjects.views.count > 1 {
            notes.append(
                "DualMD releases an alternating sampler: attacks through sampling are what its release allows. All others "
                    + "are adaptive: `-mix` asks the models in turn, `-joined` joins the scores of all models, and each "
                    + "teacher is attacked on the part it was trained on and on the others.")
        }
        if !shadows.isEmpty {
            notes.append(
                "Shadow models, trained by the attacker on other images of the same source: \(shadows.count), with defence "
                    + Set(shadows.map(\.session.job.defence.rawValue)).sorted().joined(separator: " and ")
                    + ". A shadow's answer about an image that it was trained on is not used as that of a model that was not."
            )
        }
        if let skipped = results.plan.skippedNote { notes.append(skipped.prefix(1).uppercased() + skipped.dropFirst()) }
        if !results.outOfTime.isEmpty {
            notes.append(
                "Left out, because the time was over: "
                    + results.outOfTime.map(\.label).joined(separator: ", "))
        }
        if !results.hasTimeForNetworks {
            notes.append("Left out, because the time was over: the attacks that train networks of their own.")
        }
        return notes
    }

    private static func provenance(
        _ session: Session, _ request: AuditRequest, _ subjects: AuditSubjects
    ) -> [Entry] {
        var entries = [
            Entry(name: "diptych", value: programVersion, isPublic: true),
            Entry(name: "job hash", value: session.job.hash),
            Entry(name: "data SHA-256", value: session.catalogue.hash.description),
            Entry(name: "images per side", value: "\(subjects.choice.imagesPerSide)", isPublic: true),
            Entry(name: "budget", value: "\(request.budget)", isPublic: true),
        ]
        entries += subjects.views.map { Entry(name: "weights of \($0.name), SHA-256", value: $0.hash, isPublic: true) }
        entries += subjects.shadows.map {
            Entry(name: "weights of shadow \($0.name), SHA-256", value: $0.view.hash, isPublic: true)
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

/// Forms scores and figures from measurements, on rank 0.
struct AuditScoring {
    let session: Session
    let subjects: AuditSubjects
    let results: AuditResults

    private typealias Scored = AttackEvaluation.Scored
    private var views: [AuditedView] { subjects.views }

    /// Every release with its attacks.
    func releases() throws -> [ReleaseAudit] {
        let all = population(.all)
        guard views.count > 1 else {
            return [try release(session.job.name, scored(view: 0, .all, all), all)]
        }
        var audits = [try release(session.job.name, dual(all), all)]
        for (index, view) in views.enumerated() {
            guard let part = view.part else { continue }
            for (name, members) in [("own part", AuditedMembers.part(part)), ("other parts", .otherParts(part))] {
                let population = population(members)
                guard population.isLargeEnough else { continue }
                audits.append(
                    try release(
                        "\(session.job.name) \(view.name), \(name)", scored(view: index, members, population),
                        population))
            }
        }
        return audits
    }

    private func population(_ members: AuditedMembers) -> Population {
        subjects.population(members, session, shadows: results.shadows)
    }

    private func release(_ name: String, _ attacks: [Scored], _ population: Population) throws -> ReleaseAudit {
        var figures = try attacks.map { try AttackEvaluation.figures($0, population) }
        if results.plan.includesSets, let sets = try SetLevelTest.figures(attacks, population) { figures.append(sets) }
        return ReleaseAudit(
            name: name, defence: session.job.defence.rawValue, parts: session.job.data.split.parts, quality: nil,
            attacks: figures)
    }

    /// The attacks on one view that were measured.
    private func scored(view: Int, _ members: AuditedMembers, _ population: Population) -> [Scored] {
        var scored = results.plan.attacks[view].compactMap { attack -> Scored? in
            guard let table = results.table(of: attack, view: view),
                let settings = settings(of: attack, view: view, members, table, population)
            else { return nil }
            return Scored(
                name: attack.name, title: attack.title, access: attack.access, settings: settings,
                isFitted: attack.isFitted)
        }
        if let samples = results.samples(of: view) { scored.append(nearest(samples, view: view, population)) }
        return scored
    }

    private func settings(
        of attack: any MembershipAttack, view: Int, _ members: AuditedMembers, _ table: MeasurementTable,
        _ population: Population
    ) -> [ScoredSetting]? {
        guard let trained = attack as? any TrainedAttack else { return attack.scores(table, population) }
        return results.answers(of: trained, view: view, members).map { trained.scores(from: $0, table, population) }
    }

    /// GAN-Leaks, which asks the model nothing more.
    private func nearest(_ samples: ImageSet, view: Int, _ population: Population) -> Scored {
        let attack = GANLeaks(samples: samples)
        let batch = CandidateBatch(
            images: population.images, shape: population.shape, items: subjects.choice.items,
            randomness: AttackRandomness(seed: session.job.seed))
        let table = MeasurementTable(
            count: batch.count, width: 1, values: attack.measurement.measure(batch, of: views[view].model))
        return Scored(
            name: attack.name, title: attack.title, access: attack.access, settings: attack.scores(table, population))
    }

    /// DualMD's release: attacks through its sampler, then those of an attacker who holds the models.
    private func dual(_ population: Population) -> [Scored] {
        let mixed = scored(view: 0, .all, population).map { attack in
            attack.access == .sampling
                ? attack
                : Scored(
                    name: attack.name + "-mix", title: attack.title + ", models in turn", access: attack.access,
                    settings: attack.settings, isFitted: attack.isFitted)
        }
        let teachers = views.indices.filter { views[$0].part != nil }.map { scored(view: $0, .all, population) }
        let joined = teachers[0].compactMap { attack -> Scored? in
            let alike = teachers.compactMap { $0.first { $0.name == attack.name } }
            guard alike.count == teachers.count else { return nil }
            return Scored(
                name: attack.name + "-joined", title: attack.title + ", scores of all models joined",
                access: attack.access == .weights ? .weights : .predictions,
                settings: CombinedModels.join(alike.map(\.settings), population), isFitted: attack.isFitted)
        }
        return mixed + joined
    }
}
