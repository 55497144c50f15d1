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

/// Which attacks an audit makes, and what they need measured, strongest attacks first, within a budget of evaluations.
struct AuditPlan {
    /// The attacks on each view; without `gan-leaks`, which needs samples first.
    let attacks: [[any MembershipAttack]]
    /// What is measured, in order.
    let tasks: [AuditTask]
    /// What the budget leaves out, as labels.
    let skipped: [String]
    /// Whether sets of images are attacked too.
    let includesSets: Bool

    /// The name of the test of sets, which is no attack of its own.
    static let sets = "set-level"

    /// Plans; without a collective, but for an error.
    ///
    /// - Throws: `DiptychFailure` with code 64 for an attack that there is not.
    init(
        job: Job, subjects: AuditSubjects, request: AuditRequest, neighbours: NeighbourLean?, world: any Communicator
    ) throws {
        let (views, shadows, images) = (subjects.views, subjects.shadows, subjects.choice.items.count)
        let wanted = try world.together("planning the audit") { try Self.wanted(request) }
        includesSets = wanted.contains(Self.sets)
        let schedule = job.gaussianDiffusion.schedule
        attacks = views.map { view in
            AttackCatalogue.attacks(
                schedule: schedule, samples: nil, tensors: view.tensors, neighbours: neighbours,
                hasShadows: !shadows.isEmpty
            ).filter { wanted.contains($0.name) }
        }
        var all = Self.releaseTasks(attacks, views, images: images)
        if wanted.contains("gan-leaks") {
            for (index, view) in views.enumerated() where view.part == nil {
                all.append(
                    AuditTask(
                        subject: .release(index), measurement: nil, evaluations: request.samples * job.sample.steps,
                        label: "\(view.name): gan-leaks"))
            }
        }
        all += Self.shadowTasks(attacks, shadows, images: images)
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
    }

    /// The names of the attacks that shall be made.
    private static func wanted(_ request: AuditRequest) throws -> Set<String> {
        let known = AttackCatalogue.all.map(\.name) + [sets]
        guard let named = request.attacks else { return Set(known) }
        if let unknown = Set(named).subtracting(known).sorted().first {
            throw DiptychFailure(
                .usage, "there is no attack \(unknown); there are \(known.joined(separator: ", "))")
        }
        let needy = AttackCatalogue.all.filter { $0.shadowImages != nil && named.contains($0.name) }
        guard let first = needy.first, request.shadows.isEmpty else { return Set(named) }
        throw DiptychFailure(
            .usage,
            "the attack \(first.name) needs shadow models: train runs of the same job with other seeds, and name "
                + "each with --shadow RUN")
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
    var evaluations: Int { tasks.reduce(0) { $0 + $1.evaluations } }

    /// What the budget leaves out, as a line; nil for nothing.
    var skippedNote: String? {
        skipped.isEmpty ? nil : "left out, because the budget does not reach: " + skipped.joined(separator: ", ")
    }
}
