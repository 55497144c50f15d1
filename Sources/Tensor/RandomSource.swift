/// What a random number is for; part of its address, so that no two uses share numbers.
public enum RandomPurpose: UInt32, Sendable, CaseIterable {
    case initialization = 1
    case selection
    case split
    case batchOrder
    case flip
    case timestep
    case noise
    case dropout
    case sampling
    case testing
    case classDropout
    case audit
    case attack
}

/// Random numbers addressed by (seed, purpose, model, layer, step, item, element), never drawn from a stream:
/// the same address gives the same number on any rank, in any order and after any restart.
///
/// The key is one Philox block over (purpose, model, layer) under the seed; the counter holds
/// (element / 4, item, step), and an element's word is its index modulo 4 within the block.
public struct RandomSource: Sendable, Hashable {
    /// The Philox key that this source's addresses share.
    public let key: SIMD2<UInt32>

    /// Makes the source of one purpose.
    ///
    /// - Parameters:
    ///   - seed: The job's seed.
    ///   - purpose: What the numbers are for.
    ///   - model: Which model draws: teacher index, or any number the caller keeps apart; in 0..<2^32.
    ///   - layer: Which layer of the model draws; in 0..<2^32.
    public init(seed: UInt64, purpose: RandomPurpose, model: Int = 0, layer: Int = 0) {
        let block = Philox.block(
            counter: SIMD4(purpose.rawValue, UInt32(model), UInt32(layer), 0x4449_5054),
            key: SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
        key = SIMD2(block.x, block.y)
    }

    /// Four words: elements `4 * block ..< 4 * block + 4` of (step, item).
    public func words(step: Int, item: Int, block: Int) -> SIMD4<UInt32> {
        let wideStep = UInt64(step)
        return Philox.block(
            counter: SIMD4(
                UInt32(block), UInt32(item), UInt32(truncatingIfNeeded: wideStep), UInt32(wideStep >> 32)),
            key: key)
    }

    /// The word of one element.
    public func word(step: Int, item: Int, element: Int = 0) -> UInt32 {
        words(step: step, item: item, block: element / 4)[element % 4]
    }

    /// A uniform integer in `0..<bound`, from 64 random bits by multiplication (bias below `bound / 2^64`).
    ///
    /// - Precondition: `bound > 0`.
    public func integer(below bound: Int, step: Int, item: Int, element: Int = 0) -> Int {
        precondition(bound > 0, "a random integer needs a positive bound, not \(bound)")
        let block = words(step: step, item: item, block: element / 2)
        let low = element % 2 * 2
        let bits = UInt64(block[low + 1]) << 32 | UInt64(block[low])
        return Int(bits.multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// A uniform number in [0, 1) with 24 random bits.
    public func uniform(step: Int, item: Int, element: Int = 0) -> Float {
        Float(word(step: step, item: item, element: element) >> 8) * 0x1p-24
    }

    /// A uniformly random order of `0..<count` (Fisher and Yates), the same for every caller with this address.
    public func permutation(of count: Int, step: Int, item: Int = 0) -> [Int] {
        var order = Array(0..<count)
        for last in stride(from: count - 1, to: 0, by: -1) {
            order.swapAt(last, integer(below: last + 1, step: step, item: item, element: last))
        }
        return order
    }
}
