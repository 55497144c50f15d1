import Diffusion

/// What attacks ask of a model about images: numbers for each image, from which attacks form scores without asking again.
///
/// Several attacks may share one measurement. A measurement of an image depends on the model, the image and its item
/// alone, and to the last bit so among batches of one size.
public protocol AttackMeasurement: Sendable {
    /// A stable name.
    var name: String { get }

    /// Evaluations of a network for one image; a backward pass counts as two.
    var evaluations: Int { get }

    /// How many numbers there are for each image.
    ///
    /// - Parameter imageSize: Values of one image, C * H * W.
    func width(imageSize: Int) -> Int

    /// Asks a model.
    ///
    /// - Returns: The numbers of all images, row-major, (batch.count, width).
    func measure(_ batch: CandidateBatch, of model: AttackedModel) -> [Float]
}

extension AttackMeasurement {
    /// Everything that the numbers depend on beside model and images: the type and its options.
    public var key: String { "\(type(of: self)) \(self)" }
}

/// The numbers of a measurement for many images.
public struct MeasurementTable: Sendable {
    /// Number of images.
    public let count: Int
    /// Numbers of one image.
    public let width: Int
    /// All numbers, row-major, (count, width).
    public let values: [Float]

    /// Wraps numbers.
    ///
    /// - Precondition: `values.count` is `count * width`.
    public init(count: Int, width: Int, values: [Float]) {
        precondition(values.count == count * width, "\(values.count) numbers do not make up \(count) rows of \(width)")
        self.count = count
        self.width = width
        self.values = values
    }

    /// One number of every image.
    public func column(_ index: Int) -> [Double] {
        precondition((0..<width).contains(index), "there is no column \(index) of \(width)")
        return (0..<count).map { Double(values[$0 * width + index]) }
    }

    /// Some consecutive numbers of one image.
    public func row(_ index: Int, _ columns: Range<Int>) -> ArraySlice<Float> {
        values[index * width + columns.lowerBound..<index * width + columns.upperBound]
    }
}
