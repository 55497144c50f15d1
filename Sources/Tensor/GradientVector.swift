/// The gradient of a flat parameter vector, in memory that is there only while it holds something.
///
/// A backward pass frees activations as it goes, from the last layer to the first, and writes gradients in the same order.
/// So the vector is cut into segments of whole parameters, and a segment borrows its memory from the pool when its first
/// gradient comes: what activations have left. At the peak, when the backward pass begins, hardly any gradient is there.
public final class GradientVector {
    /// Floats that a segment has at least, but for the last: as many as make an exchange between ranks worth its latency.
    package static let segmentFloats = 1 << 18

    /// The segments, in order; together they are the vector, padding included.
    public let segments: [Range<Int>]
    private var buffers: [FloatBuffer?]
    /// Floats that belong to parameters; behind them is padding.
    private let used: Int

    /// A vector without memory.
    ///
    /// - Parameters:
    ///   - parameters: Where each parameter lies, in order and without gaps.
    ///   - paddedCount: Floats of the vector.
    package init(parameters: [Range<Int>], paddedCount: Int, segmentFloats: Int = GradientVector.segmentFloats) {
        var segments: [Range<Int>] = []
        var start = 0
        for parameter in parameters where parameter.upperBound - start >= segmentFloats {
            segments.append(start..<parameter.upperBound)
            start = parameter.upperBound
        }
        if start < paddedCount { segments.append(start..<paddedCount) }
        self.segments = segments
        used = parameters.last?.upperBound ?? 0
        buffers = Array(repeating: nil, count: segments.count)
    }

    private init(_ other: GradientVector) {
        segments = other.segments
        used = other.used
        buffers = other.buffers
    }

    /// Floats of the vector, padding included.
    public var count: Int { segments.last?.upperBound ?? 0 }

    /// Floats for which there is memory now.
    package var borrowedCount: Int { zip(segments, buffers).reduce(0) { $0 + ($1.1 == nil ? 0 : $1.0.count) } }

    /// Hands the memory over to a new vector, and keeps none.
    package func move() -> GradientVector {
        defer { giveBack() }
        return GradientVector(self)
    }

    /// Returns all memory to the pool.
    package func giveBack() {
        buffers = Array(repeating: nil, count: segments.count)
    }

    /// The parts of a range that lie in one segment each, in order.
    public func parts(of range: Range<Int>) -> [Range<Int>] {
        guard !range.isEmpty else { return [] }
        return segments[index(of: range.lowerBound)...index(of: range.upperBound - 1)].map { $0.clamped(to: range) }
    }

    /// The memory of a range within one segment: a buffer, and where the range begins in it. Borrowed if it was not there,
    /// contents arbitrary but for the padding, which is zero.
    ///
    /// - Precondition: The range lies within one segment.
    public func buffer(holding range: Range<Int>) -> (buffer: FloatBuffer, start: Int) {
        let index = index(of: range.lowerBound)
        let segment = segments[index]
        precondition(range.upperBound <= segment.upperBound, "gradients \(range) do not lie in one segment")
        let start = range.lowerBound - segment.lowerBound
        if let buffer = buffers[index] { return (buffer, start) }
        let buffer = FloatBuffer(uninitialized: segment.count)
        if segment.upperBound > used { buffer.fill(max(used - segment.lowerBound, 0)..<segment.count, with: 0) }
        buffers[index] = buffer
        return (buffer, start)
    }

    /// Sets a range to one value.
    public func fill(_ range: Range<Int>, with value: Float) {
        for part in parts(of: range) {
            let (buffer, start) = buffer(holding: part)
            buffer.fill(start..<start + part.count, with: value)
        }
    }

    /// Adds another vector's range to the same range of this one: `self[i] += other[i]`.
    ///
    /// - Precondition: Both are gradients of one parameter vector and have the range.
    public func add(_ other: GradientVector, range: Range<Int>) {
        precondition(segments == other.segments, "gradients of different parameter vectors cannot be added")
        for part in parts(of: range) {
            let (buffer, start) = buffer(holding: part)
            buffer.add(other.buffer(holding: part).buffer, range: start..<start + part.count)
        }
    }

    /// Adds a range to the same range of a buffer as long as the vector.
    public func add(_ range: Range<Int>, to target: FloatBuffer) {
        for part in parts(of: range) {
            let (buffer, start) = buffer(holding: part)
            target.add(buffer, range: start..<start + part.count, at: part.lowerBound)
        }
    }

    /// Copies a range into a buffer.
    public func copy(_ range: Range<Int>, to target: FloatBuffer, at position: Int) {
        for part in parts(of: range) {
            let (buffer, start) = buffer(holding: part)
            target.copy(
                from: buffer, range: start..<start + part.count, at: position + part.lowerBound - range.lowerBound)
        }
    }

    private func index(of offset: Int) -> Int {
        precondition(offset >= 0 && offset < count, "gradient \(offset) is none of \(count)")
        var (low, high) = (0, segments.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].upperBound <= offset { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
