extension FloatBuffer {
    /// 64 bits that stand for the bits of all floats, in order: for comparing copies that should be equal.
    ///
    /// Equal buffers have equal fingerprints. A change within one float is certain to show, because every word passes
    /// through steps that can be undone; other changes go unseen with a chance of about 2^-32. Not for adversaries.
    ///
    /// - Complexity: One pass over memory, sixteen words at a time.
    public var fingerprint: UInt64 {
        let prime: UInt32 = 0x9E37_79B1
        let words = UnsafeRawBufferPointer(unsafeElements)
        var lanes = SIMD16<UInt32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) &* prime
        let whole = count / 16
        for block in 0..<whole {
            let word = words.loadUnaligned(fromByteOffset: 64 * block, as: SIMD16<UInt32>.self)
            lanes = (((lanes &<< 5) | (lanes &>> 27)) ^ word) &* prime
        }
        var rest: UInt32 = 0
        for index in 16 * whole..<count {
            rest = ((rest &<< 5 | rest &>> 27) ^ unsafeElements[index].bitPattern) &* prime
        }
        var hash = UInt64(truncatingIfNeeded: count)
        for lane in (0..<16).map({ lanes[$0] }) + [rest] {
            hash = (hash ^ UInt64(lane)) &* 0x9E37_79B9_7F4A_7C15
            hash ^= hash &>> 32
        }
        return hash
    }
}
