/// All parameters of a model as one flat vector of floats.
///
/// The layout is canonical: parameters in the bytewise order of their names, each row-major, without gaps; the end is
/// padded with zeros to a multiple of ``blockSize``. Optimizers, exchanges and checkpoints work on it.
public final class ParameterVector {
    /// Floats in a block, the unit in which vectors are dealt to ranks and in which norms are added.
    public static let blockSize = 16_384

    /// Where one parameter lies.
    public struct Entry: Hashable, Sendable {
        /// The parameter's name.
        public let name: String
        /// Its logical shape.
        public let shape: [Int]
        /// Index of its first scalar in the vector.
        public let offset: Int
        /// Number of its scalars.
        public let count: Int
    }

    /// The parameters' places, in order.
    public let entries: [Entry]
    /// Scalars of all parameters, without the padding.
    public let count: Int
    /// Scalars with the padding: a multiple of ``blockSize``.
    public let paddedCount: Int
    private let parameters: [Parameter]
    let memory: ParameterMemory

    /// Moves the storage of every parameter of the module into a new vector; values stay, gradients start cleared.
    ///
    /// - Precondition: Names are unique.
    public init(_ module: some Module) {
        parameters = module.parameters.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        for (one, next) in zip(parameters, parameters.dropFirst()) {
            precondition(one.name != next.name, "two parameters are named \(one.name)")
        }
        var entries: [Entry] = []
        var offset = 0
        for parameter in parameters {
            entries.append(Entry(name: parameter.name, shape: parameter.shape, offset: offset, count: parameter.count))
            offset += parameter.count
        }
        self.entries = entries
        count = offset
        let block = ParameterVector.blockSize
        paddedCount = (offset + block - 1) / block * block
        memory = ParameterMemory(
            ranges: entries.map { $0.offset..<$0.offset + $0.count }, paddedCount: paddedCount)
        for (index, parameter) in parameters.enumerated() {
            parameter.move(to: memory, entry: index)
        }
    }

    /// Number of blocks, the padded last one included.
    public var blockCount: Int { paddedCount / ParameterVector.blockSize }

    /// Whether direct convolutions keep copies of their weights in the order that oneDNN wants until the values change: as
    /// much memory as these take, for each direction. Worth it when they are used more than once, the default.
    public var keepsReorderedValues: Bool {
        get { memory.keepsReorderedValues }
        set {
            memory.keepsReorderedValues = newValue
            valuesChanged()
        }
    }

    /// The values of all parameters. Call ``valuesChanged()`` after writing to them.
    public var values: FloatBuffer { memory.values }

    /// A copy of the gradients of all parameters; zero where no backward pass has come since ``clearGradients()``.
    public var gradients: FloatBuffer {
        memory.settle()
        let copy = FloatBuffer(uninitialized: paddedCount)
        memory.gradients.copy(0..<paddedCount, to: copy, at: 0)
        return copy
    }

    /// The gradients themselves, after a backward pass or in the course of one.
    public var gradientVector: GradientVector { memory.gradients }

    /// Drops what was derived from the values: the weights reordered for convolutions.
    public func valuesChanged() {
        for parameter in parameters { parameter.valuesChanged() }
    }

    /// Hands the gradients that a backward pass has left over, memory included; here they read as zero from then on.
    public func moveGradients() -> GradientVector { memory.moveGradients() }

    /// Makes every gradient read as zero, and gives their memory back.
    public func clearGradients() {
        memory.clearGradients()
    }

    /// Draws every parameter's first values from its ``Initialization``.
    ///
    /// Parameter number i takes elements 0, 1, ... of the source (seed, initialization, model, layer i), step 0, item 0.
    ///
    /// - Parameters:
    ///   - seed: The job's seed.
    ///   - model: The model's number, so that models differ.
    public func initialize(seed: UInt64, model: Int) {
        for (index, parameter) in parameters.enumerated() {
            let source = RandomSource(seed: seed, purpose: .initialization, model: model, layer: index)
            switch parameter.initialization {
            case .zeros:
                values.fill(parameter.range, with: 0)
            case .ones:
                values.fill(parameter.range, with: 1)
            case .uniform(let bound):
                let drawn = source.uniform(count: parameter.count, step: 0, item: 0)
                values.copy(from: drawn.map { bound * (2 * $0 - 1) }, at: parameter.range.lowerBound)
            case .normal(let deviation):
                let drawn = source.normal(count: parameter.count, step: 0, item: 0)
                values.copy(from: drawn.map { deviation * $0 }, at: parameter.range.lowerBound)
            }
        }
        valuesChanged()
    }
}
