import Datasets
import Tensor

/// The images of a protocol in batches of one size, so that a score does not depend on who computes it: the last batch is
/// filled up with images from the beginning, whose numbers are dropped.
public struct CandidateBatches: Sendable {
    /// Images of a batch; part of the result's definition.
    public static let size = 16
    private let items: [Int]
    private let catalogue: Catalogue
    private let isClassConditional: Bool
    private let randomness: AttackRandomness

    /// Cuts batches.
    ///
    /// - Parameters:
    ///   - items: Catalogue indices, in the order of the measurements' rows.
    ///   - catalogue: The data set.
    ///   - isClassConditional: Whether the models are told the labels.
    ///   - randomness: Where attacks draw from.
    public init(items: [Int], catalogue: Catalogue, isClassConditional: Bool, randomness: AttackRandomness) {
        precondition(!items.isEmpty, "there is no image to attack")
        self.items = items
        self.catalogue = catalogue
        self.isClassConditional = isClassConditional
        self.randomness = randomness
    }

    /// Number of batches.
    public var count: Int { (items.count + Self.size - 1) / Self.size }

    /// The rows that a batch's numbers belong to; as many as the batch has images, but for the last.
    public func rows(of batch: Int) -> Range<Int> {
        batch * Self.size..<min((batch + 1) * Self.size, items.count)
    }

    /// One batch.
    public func batch(_ index: Int) -> CandidateBatch {
        let chosen = (0..<Self.size).map { items[(index * Self.size + $0) % items.count] }
        return CandidateBatch(
            images: imageBatch(catalogue, indices: chosen).scalars,
            shape: [catalogue.channels, catalogue.height, catalogue.width], items: chosen,
            labels: isClassConditional ? catalogue.labels.map { labels in chosen.map { labels[$0] } } : nil,
            randomness: randomness)
    }

    /// The numbers of a batch's rows.
    public func measure(_ measurement: some AttackMeasurement, _ index: Int, of model: AttackedModel) -> [Float] {
        let values = measurement.measure(batch(index), of: model)
        return Array(values.prefix(rows(of: index).count * (values.count / Self.size)))
    }
}
