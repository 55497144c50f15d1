/// How a parameter's first values are drawn.
public enum Initialization: Hashable, Sendable {
    /// All zeros.
    case zeros
    /// All ones.
    case ones
    /// Uniform in [-bound, bound).
    case uniform(bound: Float)
    /// Normal with mean zero.
    case normal(deviation: Float)

    /// PyTorch's default for the weight and the bias of a convolution or a linear layer: uniform within
    /// 1 / sqrt(fan-in), which is kaiming_uniform with a = sqrt(5) for the weight.
    ///
    /// - Parameter fanIn: Inputs of one output: input channels x kernel height x kernel width.
    public static func uniform(fanIn: Int) -> Initialization {
        precondition(fanIn > 0, "a fan-in must be positive, not \(fanIn)")
        return .uniform(bound: Float(1 / Double(fanIn).squareRoot()))
    }
}

/// A trainable array with a name: the leaf at which gradients end up.
///
/// Values and gradient are views into the flat memory of a ``ParameterVector`` once one has gathered the parameter.
public final class Parameter {
    /// The full name, path included, as in a checkpoint: `down_blocks.0.resnets.1.conv1.weight`.
    public let name: String
    /// The logical shape; memory is row-major in it.
    public let shape: [Int]
    /// How the first values are drawn by ``ParameterVector/initialize(seed:model:)``.
    public let initialization: Initialization
    /// Number of scalars.
    public let count: Int

    /// Where the scalars lie. Changes once, when a vector gathers the parameter.
    private(set) var memory: ParameterMemory
    private(set) var entry = 0
    /// Copies of the values in the formats that oneDNN's convolutions asked for.
    private(set) var reorderedValues: [ReorderedWeights] = []

    /// Makes a parameter with zeros, or ones if so initialised; random values come with
    /// ``ParameterVector/initialize(seed:model:)``.
    ///
    /// - Parameters:
    ///   - name: The full name, unique within the model.
    ///   - shape: The logical shape: (out, in, height, width) of a convolution, (out, in) of a linear layer.
    ///   - initialization: How the first values are drawn.
    public init(name: String, shape: [Int], initialization: Initialization) {
        precondition(shape.allSatisfy { $0 > 0 }, "parameter \(name): every extent must be positive, not \(shape)")
        self.name = name
        self.shape = shape
        self.initialization = initialization
        count = shape.reduce(1, *)
        memory = ParameterMemory(ranges: [0..<count], paddedCount: count)
        if initialization == .ones { values = [Float](repeating: 1, count: count) }
    }

    /// Where this parameter's scalars lie within its memory.
    var range: Range<Int> { memory.ranges[entry] }

    /// The values in logical row-major order.
    public var values: [Float] {
        get { Array(memory.values.unsafeElements[range]) }
        set {
            precondition(newValue.count == count, "parameter \(name) has \(count) values, not \(newValue.count)")
            _ = memory.values.unsafeElements[range].update(fromContentsOf: newValue)
            valuesChanged()
        }
    }

    /// The gradient in logical row-major order: zeros when no backward pass has reached this parameter.
    public var gradient: [Float] {
        guard !memory.isStale[entry] else { return [Float](repeating: 0, count: count) }
        let (buffer, start) = memory.gradients.buffer(holding: range)
        return buffer[start..<start + count]
    }

    /// Keeps a reordered copy of the values until they change, if the vector's owner reads them more than once.
    func keep(_ reordered: ReorderedWeights) {
        if memory.keepsReorderedValues { reorderedValues.append(reordered) }
    }

    /// Drops reordered copies; needed whenever values have been written.
    func valuesChanged() {
        reorderedValues.removeAll(keepingCapacity: true)
    }

    /// Moves to another memory, values included.
    func move(to newMemory: ParameterMemory, entry newEntry: Int) {
        let target = newMemory.values.unsafeElements[newMemory.ranges[newEntry]]
        precondition(target.count == count, "parameter \(name) moved to a place of \(target.count) scalars")
        _ = target.update(fromContentsOf: memory.values.unsafeElements[range])
        memory = newMemory
        entry = newEntry
        valuesChanged()
    }

    /// The values, for kernels.
    var unsafeValues: UnsafeMutablePointer<Float> {
        memory.values.unsafeElements.baseAddress! + range.lowerBound
    }

    /// The place for the gradient, and whether this pass has already left something in it: then a kernel must add,
    /// otherwise write.
    ///
    /// - Precondition: The gradient has not been declared final in this pass.
    func takeUnsafeGradient() -> (elements: UnsafeMutablePointer<Float>, adds: Bool) {
        precondition(!memory.isFinal[entry], "a contribution to the gradient of \(name) came after it was final")
        let adds = !memory.isStale[entry]
        memory.isStale[entry] = false
        let (buffer, start) = memory.gradients.buffer(holding: range)
        return (buffer.unsafeStart(of: start..<start + count), adds)
    }
}

/// The flat memory of one or many parameters, with the knowledge which gradients are left over from an earlier pass.
///
/// Clearing gradients only marks them, and gives their memory back: the next pass writes where it would have added, which
/// saves a pass over memory.
final class ParameterMemory {
    let ranges: [Range<Int>]
    let values: FloatBuffer
    /// The gradients, as far as there are any.
    let gradients: GradientVector
    /// Whether a parameter's gradient is to be read as zero, whatever its memory holds.
    var isStale: [Bool]
    /// Whether a parameter's gradient has had its last contribution of the pass that is going on.
    private(set) var isFinal: [Bool]
    /// Whether values are read more than once between changes, so that copies in other orders are worth their memory.
    var keepsReorderedValues = true

    init(ranges: [Range<Int>], paddedCount: Int) {
        self.ranges = ranges
        values = FloatBuffer(count: paddedCount)
        gradients = GradientVector(parameters: ranges, paddedCount: paddedCount)
        isStale = [Bool](repeating: true, count: ranges.count)
        isFinal = [Bool](repeating: false, count: ranges.count)
    }

    /// Hands the gradients over; here they read as zero from then on.
    func moveGradients() -> GradientVector {
        defer { clearGradients() }
        return gradients.move()
    }

    func clearGradients() {
        gradients.giveBack()
        for index in isStale.indices {
            isStale[index] = true
            isFinal[index] = false
        }
    }

    /// Writes the zeros that clearing left out, where no gradient has come since.
    func settle() {
        for index in isStale.indices { settle(index) }
    }

    /// Declares the gradients that lie in a range final until the pass ends.
    func finish(_ range: Range<Int>) {
        for index in ranges.indices where ranges[index].overlaps(range) {
            settle(index)
            isFinal[index] = true
        }
    }

    /// Ends a backward pass.
    func endPass() {
        settle()
        for index in isFinal.indices { isFinal[index] = false }
    }

    private func settle(_ index: Int) {
        guard isStale[index] else { return }
        gradients.fill(ranges[index], with: 0)
        isStale[index] = false
    }
}
