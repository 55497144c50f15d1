import CKernels

// Many numbers at once: the kernels compute 16 Philox blocks side by side, and give the same words as the definition.
extension RandomSource {
    /// Standard normal numbers: elements `0..<count` of (step, item).
    ///
    /// Box and Muller (1958) on pairs of words: elements 2k and 2k + 1 are r cos(2 pi u2) and r sin(2 pi u2) with
    /// r = sqrt(-2 ln u1), u1 = (word 2k + 1) 2^-32 in (0, 1] and u2 = (word 2k + 1's successor) 2^-32, in double
    /// precision, rounded once. The same bits on every processor.
    ///
    /// - Precondition: `count >= 0`.
    public func normal(count: Int, step: Int, item: Int) -> [Float] {
        [Float](unsafeUninitializedCapacity: count) { elements, filled in
            fillNormal(elements, count: count, step: step, item: item)
            filled = count
        }
    }

    /// Numbers uniform in [0, 1): elements `0..<count` of (step, item), as ``uniform(step:item:element:)`` gives them.
    ///
    /// - Precondition: `count >= 0`.
    public func uniform(count: Int, step: Int, item: Int) -> [Float] {
        [Float](unsafeUninitializedCapacity: count) { elements, filled in
            fillUniform(elements, count: count, step: step, item: item)
            filled = count
        }
    }

    /// Writes the first `count` numbers of ``normal(count:step:item:)`` to memory.
    package func fillNormal(_ elements: UnsafeMutableBufferPointer<Float>, count: Int, step: Int, item: Int) {
        precondition(count >= 0 && count <= elements.count, "\(count) numbers do not fit \(elements.count) places")
        guard let start = elements.baseAddress, count > 0 else { return }
        diptych_fill_normal(start, count, address(step: step), UInt32(item))
    }

    /// Writes the first `count` numbers of ``uniform(count:step:item:)`` to memory.
    package func fillUniform(_ elements: UnsafeMutableBufferPointer<Float>, count: Int, step: Int, item: Int) {
        precondition(count >= 0 && count <= elements.count, "\(count) numbers do not fit \(elements.count) places")
        guard let start = elements.baseAddress, count > 0 else { return }
        diptych_fill_uniform(start, count, address(step: step), UInt32(item))
    }

    /// What all kernels that draw from this source in one step are told.
    func address(step: Int) -> diptych_address {
        diptych_address(key0: key.x, key1: key.y, step: UInt64(step))
    }
}
