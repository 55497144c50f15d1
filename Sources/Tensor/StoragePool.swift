import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Recycles the memory of tensors, so that a steady training step asks the system for nothing.
///
/// Blocks are kept by size class, eight classes an octave: a request is rounded up by at most an eighth.
/// What is rounded up is never touched and so costs addresses, not memory.
package final class StoragePool: Sendable {
    /// The pool of the process.
    package static let shared = StoragePool()

    /// A piece of memory.
    // Safe to send because a block has one owner at a time: the pool or whoever borrowed it.
    struct Block: @unchecked Sendable {
        let address: UnsafeMutableRawPointer
        let bytes: Int
    }

    /// What the pool has done so far.
    package struct Statistics: Sendable {
        /// How often memory was asked of the system.
        package var systemAllocations = 0
        /// Bytes held, lent or free.
        package var bytes = 0
        /// Bytes lent now.
        package var bytesInUse = 0
        /// The most bytes ever lent at one time.
        package var peakBytesInUse = 0
    }

    private struct State {
        var free: [Int: [Block]] = [:]
        var freeScratch: [Block] = []
        var statistics = Statistics()
    }

    private let state = Mutex(State())

    private init() {}

    /// What the pool has done so far.
    package var statistics: Statistics { state.withLock { $0.statistics } }

    /// Lends a block of at least so many bytes, contents arbitrary.
    func take(bytes: Int) -> Block {
        let size = StoragePool.sizeClass(bytes)
        let recycled: Block? = state.withLock { state in
            state.statistics.lend(size)
            if let block = state.free[size]?.popLast() { return block }
            state.statistics.allocate(size)
            return nil
        }
        return recycled ?? StoragePool.allocate(bytes: size)
    }

    /// Takes a block back.
    func giveBack(_ block: Block) {
        state.withLock { state in
            state.statistics.bytesInUse -= block.bytes
            state.free[block.bytes, default: []].append(block)
        }
    }

    /// Lends memory for the length of a call, contents arbitrary.
    ///
    /// A thread needs one such block at a time, so one that grows to the largest request serves all of them; by size class
    /// the scratch memory of a network's convolutions would add up to more than its tensors.
    func withScratch<Result>(bytes: Int, _ body: (UnsafeMutableRawPointer) -> Result) -> Result {
        let (found, outgrown): (Block?, Block?) = state.withLock { state in
            let block = state.freeScratch.popLast()
            if let block, block.bytes >= bytes {
                state.statistics.lend(block.bytes)
                return (block, nil)
            }
            state.statistics.bytes -= block?.bytes ?? 0
            return (nil, block)
        }
        if let outgrown { free(outgrown.address) }
        let block = found ?? newScratch(bytes: bytes)
        defer {
            state.withLock { state in
                state.statistics.bytesInUse -= block.bytes
                // The largest last, so that the next request finds it.
                let place = state.freeScratch.firstIndex { $0.bytes > block.bytes } ?? state.freeScratch.endIndex
                state.freeScratch.insert(block, at: place)
            }
        }
        return body(block.address)
    }

    private func newScratch(bytes: Int) -> Block {
        // Powers of two, so that it grows a few times only.
        let size = max(1 << 20, 1 << (Int.bitWidth - max(bytes - 1, 1).leadingZeroBitCount))
        state.withLock { state in
            state.statistics.lend(size)
            state.statistics.allocate(size)
        }
        return StoragePool.allocate(bytes: size)
    }

    /// Rounds up to 64 bytes, and above 512 bytes to one of eight steps an octave.
    static func sizeClass(_ bytes: Int) -> Int {
        let octave = Int.bitWidth - 1 - max(bytes, 512).leadingZeroBitCount
        let step = 1 << (octave - 3)
        return max(64, (bytes + step - 1) / step * step)
    }

    private static func allocate(bytes: Int) -> Block {
        let hugePage = 2 << 20
        let isLarge = bytes >= hugePage
        var address: UnsafeMutableRawPointer?
        let status = posix_memalign(&address, isLarge ? hugePage : 64, bytes)
        guard status == 0, let address else {
            fatalError(
                "out of memory: the system refused \(bytes) bytes for a tensor; use smaller lanes or fewer ranks")
        }
        #if os(Linux)
            // Fewer page faults and TLB misses; where huge pages are switched off this does nothing.
            if isLarge { madvise(address, bytes, MADV_HUGEPAGE) }
        #endif
        return Block(address: address, bytes: bytes)
    }
}

extension StoragePool.Statistics {
    fileprivate mutating func lend(_ size: Int) {
        bytesInUse += size
        peakBytesInUse = max(peakBytesInUse, bytesInUse)
    }

    fileprivate mutating func allocate(_ size: Int) {
        systemAllocations += 1
        bytes += size
    }
}
