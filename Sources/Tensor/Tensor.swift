/// An array of floats with a shape: images are (N, C, H, W), tokens (N, T, C), scalars [].
///
/// A value type: no operation changes a tensor that somebody else can see. How the scalars lie in memory is the
/// module's business; ``scalars`` and ``init(_:shape:)`` speak logical row-major order.
public struct Tensor {
    /// Extents, outermost first; empty for a scalar.
    public let shape: [Int]
    var storage: Storage
    /// Where the gradient gathers; nil when nobody wants it.
    let node: GradientNode?
    /// Makes the same values again, for backward passes that would rather not keep them; see ``SavedTensor``.
    var recomputation: Recomputation?

    /// Makes a tensor from scalars in logical row-major order.
    ///
    /// - Precondition: `scalars.count` is the product of `shape`.
    public init(_ scalars: [Float], shape: [Int]) {
        precondition(
            scalars.count == shape.reduce(1, *),
            "shape \(shape) needs \(shape.reduce(1, *)) scalars, not \(scalars.count)")
        self.init(uninitialized: shape)
        scalars.withUnsafeBufferPointer { Kernels.load($0, into: self) }
    }

    /// A tensor whose contents are yet to be written, padding included.
    init(uninitialized shape: [Int]) {
        precondition(shape.allSatisfy { $0 > 0 }, "every extent of a shape must be positive, not \(shape)")
        self.shape = shape
        storage = Storage(count: Layout(shape: shape).physicalCount(of: shape))
        node = nil
    }

    /// The same tensor with another place for its gradient.
    init(_ other: Tensor, node: GradientNode?) {
        shape = other.shape
        storage = other.storage
        self.node = node
    }

    /// A tensor of zeros.
    public static func zeros(_ shape: [Int]) -> Tensor {
        let result = Tensor(uninitialized: shape)
        result.storage.fill(with: 0)
        return result
    }

    /// What a backward pass would compute again instead of keeping this tensor; nil if it keeps it.
    package var madeAgain: Tensor? { recomputation?.tensor }

    /// The scalars in logical row-major order.
    public var scalars: [Float] {
        [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            Kernels.store(self, into: buffer)
            initialized = count
        }
    }

    /// Number of scalars.
    public var count: Int { shape.reduce(1, *) }

    var layout: Layout { Layout(shape: shape) }

    /// Whether nobody else refers to the memory, so that it may be written in place.
    mutating func isSoleOwner() -> Bool {
        isKnownUniquelyReferenced(&storage)
    }

    /// The same values in memory of their own.
    func copied() -> Tensor {
        let copy = Tensor(uninitialized: shape)
        copy.storage.unsafeElements.update(from: storage.unsafeElements, count: storage.count)
        return copy
    }

    /// A tensor of this shape to write a result into that is computed value by value: this one's memory when nobody else
    /// refers to it, otherwise new memory.
    mutating func reusableForResult() -> Tensor {
        isSoleOwner() ? self : Tensor(uninitialized: shape)
    }
}
