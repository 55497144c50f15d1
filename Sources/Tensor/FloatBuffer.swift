/// Aligned float memory with a fixed address.
public final class FloatBuffer {
    /// Number of floats.
    public let count: Int
    /// The floats.
    public let unsafeElements: UnsafeMutableBufferPointer<Float>

    /// Makes a buffer of zeros.
    public init(count: Int) {
        self.count = count
        let memory = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1) * 4, alignment: 64)
        unsafeElements = UnsafeMutableBufferPointer(
            start: memory.bindMemory(to: Float.self, capacity: count), count: count)
        unsafeElements.initialize(repeating: 0)
    }

    deinit { unsafeElements.deallocate() }

    /// One float.
    public subscript(index: Int) -> Float {
        get { unsafeElements[index] }
        set { unsafeElements[index] = newValue }
    }
}
