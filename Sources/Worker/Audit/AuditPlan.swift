import Communication
import Diffusion
import Jobs
import Privacy

/// One thing to measure on one model.
struct AuditTask {
    /// Who is asked.
    enum Subject: Hashable {
        /// A view of the release, by its index.
        case release(Int)
        /// A shadow model, by its index, about some images.
        case shadow(Int, ShadowModel.Images)
    }

    let subject: Subject
    /// What is measured; nil for images that the release makes.
    let measurement: (any AttackMeasurement)?
    /// Network evaluations.
    let evaluations: Int
    /// `student: dime`.
    let label: String
}

/// Which attacks an audit makes, and what they need measured, in the order of the catalogue, within a budget of evaluations.
struct AuditPlan {
    /// The attacks on each view; without `gan-leaks`, which needs samples first.
    let attacks: [[any MembershipAttack]]
    /// Images that the release makes, of which quality is measured: outside of the budget, which is one of attacks.
    let samples: [AuditTask]
    /// What the attacks measure, in order.
    let tasks: [AuditTask]
    /// What the budget leaves out, as labels.
    let skipped: [String]
    /// Which attacks are wanted.
    private let selection: AttackSelection
    /// What was named and cannot be made, as a sentence; nil for nothing.
    let exclusion: String?
    /// Why quality cannot be measured, as half a sentence; nil if it can.
    let qualityObstacle: String?

    /// Whether sets of images are attacked too.
    var includesSets: Bool { selection.names.contains(AttackSelection.sets) }
    /// Whether the nearest of the release's images is an attack.
    var includesNearestImage: Bool { selection.names.contains(GANLeaks.name) }

    /// Plans; without a collective, but for an error.
    ///
    /// - Throws: `DiptychFailure` with code 64 for attacks with which there is nothing to attack.
    init(
        job: Job, subjects: AuditSubjects, request: AuditRequest, neighbours: NeighbourLean?, world: any Communicator
    ) throws {
        let (views, shadows, images) = (subjects.views, subjects.shadows, subjects.choice.items.count)
        let selection = try world.together("planning the audit") {
            do {
                return try AttackSelection(request.attacks, hasShadows: !request.shadows.isEmpty)
            } catch let error as AttackSelection.Unusable {
                throw DiptychFailure(.usage, "\(error)")
            }
        }
        self.selection = selection
        exclusion = selection.exclusion(isDistilled: neighbours != nil)
        qualityObstacle = AuditQuality.obstacle(samples: request.samples, split: subjects.split)
        let schedule = job.gaussianDiffusion.schedule
        attacks = views.map { view in
            AttackCatalogue.attacks(
                schedule: schedule, samples: nil, tensors: view.tensors, neighbours: neighbours,
                hasShadows: !shadows.isEmpty
            ).filter { selection.names.contains($0.name) }
        }
        let all =
            Self.releaseTasks(attacks, views, images: images) + Self.shadowTasks(attacks, shadows, images: images)
        var left = Int.max
        if case .evaluations(let count) = request.budget { left = count }
        var tasks: [AuditTask] = []
        var skipped: [String] = []
        for task in all {
            if task.evaluations <= left {
                tasks.append(task)
                left -= task.evaluations
            } else {
                skipped.append(task.label)
            }
        }
        self.tasks = tasks
        self.skipped = skipped
        let needsSamples = qualityObstacle == nil || selection.names.contains(GANLeaks.name)
        samples = !needsSamples ? [] : Self.samplingTasks(views, count: request.samples, steps: job.sample.steps)
    }

    /// The images that the release makes, with its own sampler.
    private static func samplingTasks(_ views: [AuditedView], count: Int, steps: Int) -> [AuditTask] {
        views.indices.filter { views[$0].part == nil }.map { index in
            AuditTask(
                subject: .release(index), measurement: nil, evaluations: count * steps,
                label: "\(views[index].name): samples")
        }
    }

    /// What the attacks measure on the release, measurement by measurement in the order of the catalogue.
    private static func releaseTasks(
        _ attacks: [[any MembershipAttack]], _ views: [AuditedView], images: Int
    ) -> [AuditTask] {
        var order: [String] = []
        for attack in attacks.joined() where !order.contains(attack.measurement.name) {
            order.append(attack.measurement.name)
        }
        return order.flatMap { name in
            views.indices.compactMap { view in
                attacks[view].first { $0.measurement.name == name }.map { attack in
                    AuditTask(
                        subject: .release(view), measurement: attack.measurement,
                        evaluations: attack.measurement.evaluations * images, label: "\(views[view].name): \(name)")
                }
            }
        }
    }

    /// What they measure on shadow models.
    private static func shadowTasks(
        _ attacks: [[any MembershipAttack]], _ shadows: [AuditShadow], images: Int
    ) -> [AuditTask] {
        var tasks: [AuditTask] = []
        for (index, shadow) in shadows.enumerated() {
            var asked: Set<String> = []
            for attack in attacks.joined() {
                let measurement = attack.measurement
                guard let subjects = attack.shadowImages,
                    asked.insert("\(measurement.name) \(subjects)").inserted
                else { continue }
                let count = subjects == .own ? shadow.choice.items.count : images
                tasks.append(
                    AuditTask(
                        subject: .shadow(index, subjects), measurement: measurement,
                        evaluations: measurement.evaluations * count,
                        label: "\(shadow.name), \(subjects.rawValue) images: \(measurement.name)"))
            }
        }
        return tasks
    }

    /// Network evaluations in all.
    var evaluations: Int { (samples + tasks).reduce(0) { $0 + $1.evaluations } }

    /// What the budget leaves out, as a line; nil for nothing.
    var skippedNote: String? {
        skipped.isEmpty ? nil : "left out, because the budget does not reach: " + skipped.joined(separator: ", ")
    }
}
