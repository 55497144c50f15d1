/// Memory of one tensor: 64-byte aligned floats borrowed from the pool for as long as somebody refers to this object.
///
/// Reference counting is the lifetime plan: when the last tensor, tape entry or gradient lets go, the memory is free
/// for other tensors.
final class Storage {
    /// The floats. Their contents are whatever the previous owner left.
    let unsafeElements: UnsafeMutablePointer<Float>
    /// How many floats belong to this storage.
    let count: Int
    private let block: StoragePool.Block

    /// Borrows memory with arbitrary contents.
    ///
    /// - Parameter count: Number of floats.
    init(count: Int) {
        precondition(count >= 0, "a storage cannot hold \(count) floats")
        self.count = count
        block = StoragePool.shared.take(bytes: count * MemoryLayout<Float>.stride)
        unsafeElements = block.address.assumingMemoryBound(to: Float.self)
    }

    deinit {
        StoragePool.shared.giveBack(block)
    }

    /// Sets every float.
    func fill(with value: Float) {
        unsafeElements.update(repeating: value, count: count)
    }
}
