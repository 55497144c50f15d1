import Datasets
import Jobs
import Privacy

/// Forms scores and figures from measurements, on rank 0.
struct AuditScoring {
    let session: Session
    let subjects: AuditSubjects
    let results: AuditResults

    private typealias Scored = AttackEvaluation.Scored
    private var views: [AuditedView] { subjects.views }

    /// What an attacker of a release attacks, and with what.
    private struct Subject {
        let name: String
        let members: AuditedMembers
        /// The model; nil for all that a release has, together.
        let view: Int?
    }

    /// The release; and where it has several models, the release against the members of each part alone, then each of its
    /// models against its own part and the others.
    private var audited: [Subject] {
        let name = session.job.name
        let models = views.indices.filter { views[$0].part != nil }
        guard !models.isEmpty else { return [Subject(name: name, members: .all, view: 0)] }
        let parts = models.compactMap { views[$0].part }
        return [Subject(name: name, members: .all, view: nil)]
            + parts.map { Subject(name: "\(name), members of part \($0)", members: .part($0), view: nil) }
            + zip(models, parts).flatMap { view, part in
                [("own part", AuditedMembers.part(part)), ("other parts", .otherParts(part))].map {
                    Subject(name: "\(name) \(views[view].name), \($0)", members: $1, view: view)
                }
            }
    }

    /// Every release with its attacks, and what could not be attacked, as sentences.
    func releases() throws -> (audits: [ReleaseAudit], notes: [String]) {
        var (audits, notes) = ([ReleaseAudit](), [String]())
        for subject in audited {
            let population = population(subject.members)
            guard population.isLargeEnough else {
                notes.append("\(subject.name) was left out: too few of those members are among the attacked images.")
                continue
            }
            let attacks = subject.view.map { scored(view: $0, subject.members, population) } ?? dual(population)
            audits.append(try release(subject.name, attacks, population))
            if results.plan.includesSets, let obstacle = SetLevelTest.obstacle(attacks, population) {
                notes.append("\(AttackSelection.sets) was left out for \(subject.name): \(obstacle).")
            }
        }
        // Whatever follows the release is part of its audit.
        for index in audits.indices.dropFirst() { audits[index].partOf = audits[0].name }
        return (audits, notes)
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
        if results.plan.includesNearestImage, let samples = results.samples(of: view) {
            scored.append(nearest(samples, view: view, population))
        }
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

    /// DualMD's release: attacks through its sampler, then those of an attacker who holds the models. What an attack trains has
    /// learnt from the members of all parts, since this attacker does not know the split.
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
                // Whoever holds the models needs no sampler.
                access: attack.access == .sampling ? .predictions : attack.access,
                settings: CombinedModels.join(alike.map(\.settings), population), isFitted: attack.isFitted)
        }
        return mixed + joined
    }
}
