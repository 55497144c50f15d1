/// A span of addresses, from which blocks are lent at the lowest free place that is large enough.
///
/// Tensors come and go much like the plates of a stack: what the forward pass keeps, the backward pass frees in reverse
/// order. So first fit with merging of free neighbours needs little more than what is in use at the peak, and an equal
/// step lends equal places.
package struct Arena {
    /// Bytes of the span.
    package let capacity: Int
    /// The end of the highest block ever lent: what lies above has never been touched.
    package private(set) var highWater = 0
    /// Free places, ascending; no two are adjacent.
    private var free: [Range<Int>]

    /// An arena with nothing lent.
    package init(capacity: Int) {
        self.capacity = capacity
        free = [0..<capacity]
    }

    /// Lends a place.
    ///
    /// - Returns: Its first byte, counted from the beginning of the span; nil when no free place is large enough.
    package mutating func take(_ bytes: Int) -> Int? {
        precondition(bytes > 0, "an arena lends one byte or more, not \(bytes)")
        guard let index = free.firstIndex(where: { $0.count >= bytes }) else { return nil }
        let start = free[index].lowerBound
        if free[index].count == bytes {
            free.remove(at: index)
        } else {
            free[index] = start + bytes..<free[index].upperBound
        }
        highWater = max(highWater, start + bytes)
        return start
    }

    /// Takes a place back.
    ///
    /// - Precondition: It was lent and has not been given back.
    package mutating func giveBack(_ place: Range<Int>) {
        // The first free place behind it.
        var (low, high) = (0, free.count)
        while low < high {
            let middle = (low + high) / 2
            if free[middle].lowerBound < place.lowerBound { low = middle + 1 } else { high = middle }
        }
        let before = low > 0 ? free[low - 1] : nil
        let after = low < free.count ? free[low] : nil
        precondition(
            (before?.upperBound ?? 0) <= place.lowerBound && place.upperBound <= after?.lowerBound ?? capacity,
            "bytes \(place) were given back to an arena that has not lent them")
        var merged = place
        var replaced = low..<low
        if let before, before.upperBound == place.lowerBound {
            merged = before.lowerBound..<merged.upperBound
            replaced = low - 1..<replaced.upperBound
        }
        if let after, after.lowerBound == place.upperBound {
            merged = merged.lowerBound..<after.upperBound
            replaced = replaced.lowerBound..<low + 1
        }
        free.replaceSubrange(replaced, with: [merged])
    }
}
