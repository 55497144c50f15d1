import CKernels

// The kernels on flat vectors. Ranges are checked here, so that nothing above handles a pointer.
extension FloatBuffer {
    /// Adds another buffer's range to the same range of this one: `self[i] += other[i]`.
    ///
    /// - Precondition: Both buffers have the range.
    public func add(_ other: FloatBuffer, range: Range<Int>) {
        add(other, range: range, at: range.lowerBound)
    }

    /// Adds another buffer's range to the floats from `start` on.
    ///
    /// - Precondition: Both buffers have what is added.
    public func add(_ other: FloatBuffer, range: Range<Int>, at start: Int) {
        diptych_accumulate(
            unsafeStart(of: start..<start + range.count), other.unsafeStart(of: range), range.count)
    }

    /// Multiplies a range by a factor.
    ///
    /// - Precondition: The buffer has the range.
    public func scale(_ range: Range<Int>, by factor: Float) {
        let start = unsafeStart(of: range)
        diptych_scale(start, factor, start, range.count)
    }

    /// The sum of the squares of a range, added in double precision in a fixed order.
    ///
    /// - Precondition: The buffer has the range.
    public func squaredNorm(of range: Range<Int>) -> Double {
        diptych_squared_norm(unsafeStart(of: range), range.count)
    }

    /// The address of a range's first float.
    func unsafeStart(of range: Range<Int>) -> UnsafeMutablePointer<Float> {
        checkRange(range)
        guard let base = unsafeElements.baseAddress else { preconditionFailure("a buffer has no memory") }
        return base + range.lowerBound
    }
}
