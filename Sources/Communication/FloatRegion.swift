/// Floats at a fixed address, with the object that keeps them alive.
///
/// Communication reads and writes memory while the caller computes, so it needs an address that stays; this is the one
/// type that carries it. It does not know whose memory it is: a parameter vector's, or its own.
public struct FloatRegion {
    /// Alignment of memory made here: a cache line, and one AVX-512 vector.
    private static let alignment = 64

    private let elements: UnsafeMutableBufferPointer<Float>
    private let owner: AnyObject

    /// A view of memory that `owner` keeps alive and does not move.
    public init(unsafeElements: UnsafeMutableBufferPointer<Float>, owner: AnyObject) {
        elements = unsafeElements
        self.owner = owner
    }

    /// New memory filled with zeros.
    public init(zeros count: Int) {
        let storage = Storage(count: count)
        self.init(unsafeElements: storage.elements, owner: storage)
    }

    /// New memory with these floats.
    public init(_ scalars: [Float]) {
        self.init(zeros: scalars.count)
        _ = elements.update(fromContentsOf: scalars)
    }

    /// The number of floats.
    public var count: Int { elements.count }

    /// A copy of the floats.
    public var scalars: [Float] { Array(elements) }

    /// The floats in `range`, counted from this region's first.
    ///
    /// - Precondition: `range` lies within the region.
    public subscript(range: Range<Int>) -> FloatRegion {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= count, "\(range) does not lie within 0..<\(count)")
        return FloatRegion(unsafeElements: UnsafeMutableBufferPointer(rebasing: elements[range]), owner: owner)
    }

    /// Copies all floats from a region of the same length.
    public func copy(from other: FloatRegion) {
        precondition(count == other.count, "\(count) floats cannot be copied from \(other.count)")
        guard count > 0, elements.baseAddress != other.elements.baseAddress else { return }
        _ = elements.update(fromContentsOf: other.elements)
    }

    /// Copies all floats from an array of the same length.
    func copy(from other: [Float]) {
        precondition(count == other.count, "\(count) floats cannot be copied from \(other.count)")
        _ = elements.update(fromContentsOf: other)
    }

    /// Adds a region of the same length, element by element.
    public func add(_ other: FloatRegion) {
        setSum(of: self, and: other)
    }

    /// Makes each float `left + right`. The three regions have one length; each pair is apart or the same.
    public func setSum(of left: FloatRegion, and right: FloatRegion) {
        precondition(
            count == left.count && count == right.count,
            "regions of \(left.count) and \(right.count) floats cannot be added into \(count)")
        guard let target = elements.baseAddress, let first = left.elements.baseAddress,
            let second = right.elements.baseAddress
        else { return }
        // Explicit vectors: the compiler's own would fall back to single floats whenever target and source coincide.
        let width = 16
        let whole = count / width * width
        for index in stride(from: 0, to: whole, by: width) {
            let sum =
                UnsafeRawPointer(first + index).loadUnaligned(as: SIMD16<Float>.self)
                + UnsafeRawPointer(second + index).loadUnaligned(as: SIMD16<Float>.self)
            UnsafeMutableRawPointer(target + index).storeBytes(of: sum, as: SIMD16<Float>.self)
        }
        for index in whole..<count { target[index] = first[index] + second[index] }
    }

    /// The address, for the file that calls MPI.
    func withUnsafeElements<Result>(_ body: (UnsafeMutableBufferPointer<Float>) -> Result) -> Result {
        body(elements)
    }

    private final class Storage {
        let elements: UnsafeMutableBufferPointer<Float>

        init(count: Int) {
            precondition(count >= 0, "memory for \(count) floats cannot be made")
            let bytes = UnsafeMutableRawBufferPointer.allocate(
                byteCount: max(count, 1) * MemoryLayout<Float>.stride, alignment: FloatRegion.alignment)
            elements = UnsafeMutableBufferPointer(
                start: bytes.bindMemory(to: Float.self).baseAddress, count: count)
            elements.initialize(repeating: 0)
        }

        deinit { elements.baseAddress?.deallocate() }
    }
}
