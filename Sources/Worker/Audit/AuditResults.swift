import Datasets
import Privacy

/// What has been measured, on rank 0.
struct AuditResults {
    let plan: AuditPlan
    /// Tasks that the time did not reach.
    var outOfTime: [AuditTask] = []
    /// What the shadow models have answered.
    private(set) var shadows: [ShadowModel]
    private var tables: [String: MeasurementTable] = [:]
    private var samples: [Int: ImageSet] = [:]
    private var answers: [AuditTraining: [Float]] = [:]
    /// Whether the time reached the networks that attacks train.
    var hasTimeForNetworks = true

    init(plan: AuditPlan, shadows: [AuditShadow]) {
        self.plan = plan
        self.shadows = shadows.map { ShadowModel(hasSeen: $0.hasSeen, isMember: $0.choice.isMember) }
    }

    /// Keeps the numbers of a measurement.
    mutating func add(_ table: MeasurementTable, of measurement: any AttackMeasurement, by subject: AuditTask.Subject) {
        switch subject {
        case .release(let view): tables["\(view) \(measurement.name)"] = table
        case .shadow(let index, let images): shadows[index].add(table, of: measurement, on: images)
        }
    }

    /// Keeps the images that a view has made.
    mutating func add(_ images: ImageSet, by subject: AuditTask.Subject) {
        if case .release(let view) = subject { samples[view] = images }
    }

    /// Keeps what a network that an attack trained says about every image.
    mutating func add(_ values: [Float]?, of training: AuditTraining) { answers[training] = values }

    /// What the networks of an attack say, in order; nil if they were not trained.
    func answers(of attack: any TrainedAttack, view: Int, _ members: AuditedMembers) -> [[Float]]? {
        let found = (0..<attack.networks).compactMap {
            answers[AuditTraining(view: view, members: members, attack: attack.name, network: $0)]
        }
        return found.count == attack.networks ? found : nil
    }

    /// The numbers of an attack's measurement; nil if it was left out, or what shadow models say to it.
    func table(of attack: any MembershipAttack, view: Int) -> MeasurementTable? {
        if let images = attack.shadowImages {
            guard shadows.allSatisfy({ $0.table(of: attack.measurement, on: images) != nil }) else { return nil }
        }
        return tables["\(view) \(attack.measurement.name)"]
    }

    /// The images that a view has made; nil if none.
    func samples(of view: Int) -> ImageSet? { samples[view] }
}
