import Communication
import Diffusion
import Jobs
import Privacy

/// One thing to measure on one view of the release.
struct AuditTask {
    /// Index of the view.
    let view: Int
    /// What is measured; nil for images that the release makes.
    let measurement: (any AttackMeasurement)?
    /// Network evaluations.
    let evaluations: Int

    /// `student: dime`.
    func label(_ views: [AuditedView]) -> String { "\(views[view].name): \(measurement?.name ?? "gan-leaks")" }
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
        job: Job, views: [AuditedView], request: AuditRequest, images: Int, neighbours: NeighbourLean?,
        world: any Communicator
    ) throws {
        let known = AttackCatalogue.all.map(\.name) + [Self.sets]
        let wanted = Set(request.attacks ?? known)
        if let unknown = wanted.subtracting(known).sorted().first {
            throw world.shared(
                DiptychFailure(.usage, "there is no attack \(unknown); there are \(known.joined(separator: ", "))"),
                "planning the audit")
        }
        includesSets = wanted.contains(Self.sets)
        let schedule = job.gaussianDiffusion.schedule
        attacks = views.map { view in
            AttackCatalogue.attacks(schedule: schedule, samples: nil, tensors: view.tensors, neighbours: neighbours)
                .filter { wanted.contains($0.name) }
        }
        var all: [AuditTask] = []
        var order: [String] = []
        for attack in attacks.joined() where !order.contains(attack.measurement.name) {
            order.append(attack.measurement.name)
        }
        for name in order {
            for view in views.indices {
                guard let attack = attacks[view].first(where: { $0.measurement.name == name }) else { continue }
                all.append(
                    AuditTask(
                        view: view, measurement: attack.measurement,
                        evaluations: attack.measurement.evaluations * images))
            }
        }
        if wanted.contains("gan-leaks") {
            for (index, view) in views.enumerated() where view.part == nil {
                all.append(AuditTask(view: index, measurement: nil, evaluations: request.samples * job.sample.steps))
            }
        }
        var left = Int.max
        if case .evaluations(let count) = request.budget { left = count }
        var tasks: [AuditTask] = []
        var skipped: [String] = []
        for task in all {
            if task.evaluations <= left {
                tasks.append(task)
                left -= task.evaluations
            } else {
                skipped.append(task.label(views))
            }
        }
        self.tasks = tasks
        self.skipped = skipped
    }

    /// Network evaluations in all.
    var evaluations: Int { tasks.reduce(0) { $0 + $1.evaluations } }

    /// What the budget leaves out, as a line; nil for nothing.
    var skippedNote: String? {
        skipped.isEmpty ? nil : "left out, because the budget does not reach: " + skipped.joined(separator: ", ")
    }
}
