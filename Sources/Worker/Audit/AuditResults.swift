import Datasets
import Privacy

/// What has been measured, on rank 0.
struct AuditResults {
    let plan: AuditPlan
    /// Tasks that the time did not reach.
    var outOfTime: [AuditTask] = []
    private var tables: [String: MeasurementTable] = [:]
    private var samples: [Int: ImageSet] = [:]

    init(plan: AuditPlan) { self.plan = plan }

    /// Keeps the numbers of a task.
    mutating func add(_ table: MeasurementTable, of task: AuditTask) {
        tables["\(task.view) \(task.measurement?.name ?? "")"] = table
    }

    /// Keeps the images that a view has made.
    mutating func add(_ images: ImageSet, of task: AuditTask) {
        samples[task.view] = images
    }

    /// The numbers of a measurement; nil if it was left out.
    func table(of measurement: any AttackMeasurement, view: Int) -> MeasurementTable? {
        tables["\(view) \(measurement.name)"]
    }

    /// The images that a view has made; nil if none.
    func samples(of view: Int) -> ImageSet? { samples[view] }
}
