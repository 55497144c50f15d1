/// A model of the attacker's own, trained as the release was but on other images of the same source. The attacker knows
/// every one of them, and so how such a model answers about images that it has seen and about others.
public struct ShadowModel: Sendable {
    /// What a shadow model is asked about.
    public enum Images: String, Hashable, Sendable, CaseIterable {
        /// The attacked images.
        case candidates
        /// Its own: images that it was trained on, and images held out from it.
        case own
    }

    /// Whether the shadow was trained on each attacked image, in the order of the measurements' rows.
    public let hasSeen: [Bool]
    /// Whether it was trained on each of its own images, in the order of those measurements' rows.
    public let isMember: [Bool]
    private var tables: [Images: [String: MeasurementTable]] = [:]

    /// Describes a shadow model that has not been asked anything.
    public init(hasSeen: [Bool], isMember: [Bool]) {
        self.hasSeen = hasSeen
        self.isMember = isMember
    }

    /// Its answers; nil if it was not asked.
    public func table(of measurement: any AttackMeasurement, on images: Images) -> MeasurementTable? {
        tables[images]?[measurement.name]
    }

    /// Keeps its answers.
    ///
    /// - Precondition: There is a row for each image.
    public mutating func add(_ table: MeasurementTable, of measurement: any AttackMeasurement, on images: Images) {
        let count = images == .own ? isMember.count : hasSeen.count
        precondition(table.count == count, "\(table.count) rows are not those of \(count) \(images.rawValue) images")
        tables[images, default: [:]][measurement.name] = table
    }
}
