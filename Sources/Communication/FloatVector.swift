/// A long vector of floats that need not lie in one place, nor be there before it is asked for.
public protocol FloatVector {
    /// Floats in the vector.
    var count: Int { get }

    /// The floats in a range. Where the vector lies in several places, ranges are asked for that lie in one.
    ///
    /// - Precondition: The range lies within the vector, and within one place.
    func region(_ range: Range<Int>) -> FloatRegion
}

extension FloatRegion: FloatVector {
    /// The floats in `range`, counted from this region's first.
    public func region(_ range: Range<Int>) -> FloatRegion { self[range] }
}
