import Tensor

/// The order in which a part's images are trained on.
///
/// Batches are cut from the endless concatenation of the epochs' permutations: a batch may straddle epochs, all have
/// one size, and no image is dropped. Epoch e's permutation is addressed by (seed, `batchOrder`, model, step e), so
/// any batch can be had at any time. A part smaller than a batch simply fits more than once.
public final class BatchOrder {
    /// The part's images, as catalogue indices.
    public let part: [Int]
    /// Images per batch.
    public let batchSize: Int
    private let source: RandomSource
    private var cachedEpoch = -1
    private var cachedOrder: [Int] = []

    /// Makes the order of a part.
    ///
    /// - Parameters:
    ///   - part: The part's images as catalogue indices, ascending, at least one.
    ///   - batch: Images per batch, at least 1.
    ///   - seed: The job's seed.
    ///   - model: The address under which this order is drawn: the part's index, or any number kept apart from it.
    public init(part: [Int], batch: Int, seed: UInt64, model: Int) {
        precondition(!part.isEmpty, "the order of batches needs a part with at least one image")
        precondition(batch > 0, "a batch has at least one image, not \(batch)")
        self.part = part
        batchSize = batch
        source = RandomSource(seed: seed, purpose: .batchOrder, model: model)
    }

    /// The catalogue indices of one batch.
    ///
    /// - Parameter number: Which batch, from 0 on.
    /// - Complexity: O(batch) when batches are asked for in order, amortised; O(part) when a new epoch begins.
    public func batch(_ number: Int) -> [Int] {
        precondition(number >= 0, "batches are numbered from 0, not \(number)")
        var indices: [Int] = []
        indices.reserveCapacity(batchSize)
        var position = number * batchSize
        while indices.count < batchSize {
            let order = permutation(ofEpoch: position / part.count)
            let start = position % part.count
            let taken = min(batchSize - indices.count, part.count - start)
            for place in start..<start + taken { indices.append(part[order[place]]) }
            position += taken
        }
        return indices
    }

    private func permutation(ofEpoch epoch: Int) -> [Int] {
        if epoch != cachedEpoch {
            cachedOrder = source.permutation(of: part.count, step: epoch)
            cachedEpoch = epoch
        }
        return cachedOrder
    }
}
