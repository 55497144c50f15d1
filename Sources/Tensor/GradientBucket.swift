/// Blocks of a flat vector whose gradients become final together in the course of a backward pass.
///
/// The tape runs backwards, so the gradient of a parameter is final once the earliest entry that uses it has run; a
/// block is final with the last of the parameters in it. What is final can be sent while the pass goes on.
public struct GradientBucket: Hashable, Sendable {
    /// The number of entries left on the tape when all of this is final.
    public let entriesLeft: Int
    /// Whole blocks as ranges of floats, in order and apart from each other.
    public let ranges: [Range<Int>]

    /// Floats in all ranges.
    public var count: Int { ranges.reduce(0) { $0 + $1.count } }
}

extension ParameterVector {
    /// Cuts the vector into buckets in the order in which a recorded tape's backward pass makes them final.
    ///
    /// A function of the tape's operations and of the vector's layout alone, so all ranks get the same buckets. The last
    /// one is what can only be sent after the pass.
    ///
    /// - Parameters:
    ///   - tape: Recorded, its backward pass not begun.
    ///   - floats: The least size of a bucket but the last.
    /// - Returns: Buckets that together are the whole vector, padding included.
    public func gradientBuckets(of tape: Tape, floats: Int) -> [GradientBucket] {
        let size = ParameterVector.blockSize
        var left = [Int](repeating: tape.entryCount, count: blockCount)
        for (entry, entriesLeft) in zip(entries, tape.entriesLeftWhenFinal(in: memory)) {
            for block in entry.offset / size...(entry.offset + entry.count - 1) / size {
                left[block] = min(left[block], entriesLeft)
            }
        }
        let order = left.indices.sorted { (left[$1], $0) < (left[$0], $1) }
        var buckets: [GradientBucket] = []
        var blocks: [Int] = []
        for (block, next) in zip(order, order.dropFirst().map { left[$0] } + [-1]) {
            blocks.append(block)
            guard next < 0 || (blocks.count * size >= floats && next < left[block]) else { continue }
            buckets.append(GradientBucket(entriesLeft: left[block], ranges: ranges(ofBlocks: blocks)))
            blocks = []
        }
        return buckets
    }

    /// Declares that the gradients in a range have had their last contribution of the backward pass that is going on:
    /// where none has come, they are zero from now on, and one that comes later is a caller's bug and traps.
    public func finishGradients(in range: Range<Int>) {
        memory.finish(range)
    }

    private func ranges(ofBlocks blocks: [Int]) -> [Range<Int>] {
        let size = ParameterVector.blockSize
        var ranges: [Range<Int>] = []
        for block in blocks.sorted() {
            if let last = ranges.last, last.upperBound == block * size {
                ranges[ranges.count - 1] = last.lowerBound..<(block + 1) * size
            } else {
                ranges.append(block * size..<(block + 1) * size)
            }
        }
        return ranges
    }
}
