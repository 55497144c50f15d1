/// Float memory with a fixed address, aligned to 64 bytes: what flat parameter vectors and optimizer states live in.
///
/// A buffer is shared by reference and not synchronised: one thread at a time.
public final class FloatBuffer {
    /// Number of floats.
    public let count: Int

    /// The floats; valid for as long as the buffer lives.
    public let unsafeElements: UnsafeMutableBufferPointer<Float>

    private let storage: Storage

    /// Makes a buffer of zeros.
    ///
    /// - Precondition: `count >= 0`.
    public convenience init(count: Int) {
        self.init(uninitialized: count)
        unsafeElements.update(repeating: 0)
    }

    /// Makes a buffer with arbitrary contents. Its memory is the pool's, like that of tensors: on large pages where it is
    /// large, and free for others when nobody refers to the buffer.
    init(uninitialized count: Int) {
        precondition(count >= 0, "a buffer needs a count of zero or more, not \(count)")
        self.count = count
        storage = Storage(count: count)
        unsafeElements = UnsafeMutableBufferPointer(start: storage.unsafeElements, count: count)
    }

    /// Makes a buffer that holds a copy of an array.
    public convenience init(_ scalars: [Float]) {
        self.init(count: scalars.count)
        copy(from: scalars)
    }

    /// One float.
    public subscript(index: Int) -> Float {
        get { unsafeElements[index] }
        set { unsafeElements[index] = newValue }
    }

    /// A copy of some floats.
    public subscript(range: Range<Int>) -> [Float] {
        checkRange(range)
        return Array(unsafeElements[range])
    }

    /// A copy of all floats.
    public var scalars: [Float] { Array(unsafeElements) }

    /// Lends the floats for reading.
    public func withSpan<Result, Failure: Error>(
        _ body: (Span<Float>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeBufferPointer(unsafeElements).span)
    }

    /// Lends the floats for writing.
    public func withMutableSpan<Result, Failure: Error>(
        _ body: (inout MutableSpan<Float>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var span = unsafeElements.mutableSpan
        return try body(&span)
    }

    /// Copies an array to the floats from `start` on.
    ///
    /// - Precondition: The array fits.
    public func copy(from scalars: [Float], at start: Int = 0) {
        checkRange(start..<start + scalars.count)
        _ = unsafeElements[start...].update(fromContentsOf: scalars)
    }

    /// Copies a range of another buffer to the same range of this one.
    ///
    /// - Precondition: Both buffers have the range.
    public func copy(from other: FloatBuffer, range: Range<Int>) {
        copy(from: other, range: range, at: range.lowerBound)
    }

    /// Copies a range of another buffer to the floats from `start` on.
    ///
    /// - Precondition: Both buffers have what is copied.
    public func copy(from other: FloatBuffer, range: Range<Int>, at start: Int) {
        other.checkRange(range)
        checkRange(start..<start + range.count)
        _ = unsafeElements[start...].update(fromContentsOf: other.unsafeElements[range])
    }

    /// Sets a range to one value.
    ///
    /// - Precondition: The buffer has the range.
    public func fill(_ range: Range<Int>, with value: Float) {
        checkRange(range)
        unsafeElements[range].update(repeating: value)
    }

    func checkRange(_ range: Range<Int>) {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= count,
            "elements \(range) are not all in a buffer of \(count)")
    }
}
