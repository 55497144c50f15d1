/// The address of a dropout mask: which random numbers decide what is dropped.
struct DropoutMask {
    let source: RandomSource
    let step: Int
    let items: [UInt32]
}

extension Tape {
    /// Sets a random share of values to zero and scales the others by 1 / (1 - rate), so that the mean stays.
    ///
    /// Srivastava et al. 2014. Element e of image n, in logical (C, H, W) order, is kept if and only if
    /// `source.uniform(step: step, item: items[n], element: e) >= rate`. The backward pass draws the same numbers again.
    ///
    /// - Parameters:
    ///   - x: Shape (N, ...).
    ///   - rate: Share of values to drop, in [0, 1).
    ///   - source: The layer's random numbers.
    ///   - step: The training step, at least 0.
    ///   - items: One number per image, in 0..<2^32: its index in the data set.
    /// - Returns: The shape of `x`.
    public func dropout(_ x: Tensor, rate: Float, source: RandomSource, step: Int, items: [Int]) -> Tensor {
        precondition(rate >= 0 && rate < 1, "a dropout rate lies in [0, 1), not \(rate)")
        precondition(items.count == x.shape.first, "\(items.count) items for a batch of shape \(x.shape)")
        guard rate > 0 else { return x }
        let mask = DropoutMask(source: source, step: step, items: items.map { UInt32($0) })
        func compute(_ x: Tensor) -> Tensor {
            let y = Tensor(uninitialized: x.shape)
            Kernels.dropout(x, rate: rate, mask: mask, into: y)
            return y
        }
        let saved = SavedTensor(x)
        let result = record(compute(x), from: x) { gradient in
            let dx = gradient.reusableForResult()
            Kernels.dropout(gradient, rate: rate, mask: mask, into: dx)
            saved.node?.receive(dx)
        }
        // The backward pass draws the mask again and needs no values.
        return recomputable(result) {
            defer { saved.finishReading() }
            return compute(saved.tensor)
        }
    }
}
