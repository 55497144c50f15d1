import Glibc
import Synchronization

/// Recycles the memory of tensors, so that the tensors of a steady training step take none from the system.
///
/// Large blocks come from an ``Arena``: freed neighbours merge, so blocks of all sizes share one memory. Small ones are
/// kept by size class, eight classes an octave.
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
        /// How often memory was asked of the system, or an arena grew.
        package var systemAllocations = 0
        /// Bytes held, lent or free.
        package var bytes = 0
        /// Bytes lent now.
        package var bytesInUse = 0
        /// The most bytes ever lent at one time.
        package var peakBytesInUse = 0
    }

    /// Addresses reserved from the system, of which only what was lent once takes memory.
    // Safe to send because it is reached through the pool's lock alone.
    fileprivate struct Region: @unchecked Sendable {
        let base: UnsafeMutableRawPointer
        var arena: Arena

        func offset(of address: UnsafeMutableRawPointer) -> Int? {
            let offset = address - base
            return (0..<arena.capacity).contains(offset) ? offset : nil
        }
    }

    fileprivate struct State {
        var regions: [Region] = []
        var small: [Int: [Block]] = [:]
        var statistics = Statistics()
    }

    /// Blocks from this size on lie in arenas, on whole pages.
    fileprivate static let smallestLarge = 64 << 10
    fileprivate static let page = 4096
    fileprivate static let hugePage = 2 << 20

    private let state = Mutex(State())

    private init() {}

    /// What the pool has done so far.
    package var statistics: Statistics { state.withLock { $0.statistics } }

    /// Lends a block of at least so many bytes, contents arbitrary.
    func take(bytes: Int) -> Block {
        state.withLock { state in
            let block = bytes < Self.smallestLarge ? state.takeSmall(bytes) : state.takeLarge(bytes)
            state.statistics.lend(block.bytes)
            return block
        }
    }

    /// Takes a block back.
    func giveBack(_ block: Block) {
        state.withLock { state in
            state.statistics.bytesInUse -= block.bytes
            for index in state.regions.indices {
                guard let offset = state.regions[index].offset(of: block.address) else { continue }
                return state.regions[index].arena.giveBack(offset..<offset + block.bytes)
            }
            state.small[block.bytes, default: []].append(block)
        }
    }

    /// Lends memory for the length of a call, contents arbitrary.
    func withScratch<Result>(bytes: Int, _ body: (UnsafeMutableRawPointer) -> Result) -> Result {
        let block = take(bytes: bytes)
        defer { giveBack(block) }
        return body(block.address)
    }

    /// Rounds up to 64 bytes, and above 512 bytes to one of eight steps an octave.
    static func sizeClass(_ bytes: Int) -> Int {
        let octave = Int.bitWidth - 1 - max(bytes, 512).leadingZeroBitCount
        let step = 1 << (octave - 3)
        return max(64, (bytes + step - 1) / step * step)
    }

    fileprivate static func outOfMemory(_ bytes: Int) -> Never {
        fatalError("out of memory: the system refused \(bytes) bytes for a tensor; use smaller lanes or fewer ranks")
    }
}

extension StoragePool.State {
    fileprivate mutating func takeSmall(_ bytes: Int) -> StoragePool.Block {
        let size = StoragePool.sizeClass(bytes)
        if let block = small[size]?.popLast() { return block }
        var address: UnsafeMutableRawPointer?
        guard posix_memalign(&address, 64, size) == 0, let address else { StoragePool.outOfMemory(size) }
        statistics.grow(by: size)
        return StoragePool.Block(address: address, bytes: size)
    }

    fileprivate mutating func takeLarge(_ bytes: Int) -> StoragePool.Block {
        let size = (bytes + StoragePool.page - 1) / StoragePool.page * StoragePool.page
        for index in regions.indices {
            let highWater = regions[index].arena.highWater
            guard let offset = regions[index].arena.take(size) else { continue }
            let growth = regions[index].arena.highWater - highWater
            if growth > 0 { statistics.grow(by: growth) }
            return StoragePool.Block(address: regions[index].base + offset, bytes: size)
        }
        reserve(atLeast: size)
        return takeLarge(bytes)
    }

    /// Adds a region: large, because addresses cost nothing, unless the system counts them.
    private mutating func reserve(atLeast bytes: Int) {
        let least = (bytes + StoragePool.hugePage - 1) / StoragePool.hugePage * StoragePool.hugePage
        for capacity in [64 << 30, 4 << 30, 256 << 20, 0].map({ max($0, least) }) {
            let memory = mmap(
                nil, capacity + StoragePool.hugePage, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
            guard let memory, memory != MAP_FAILED else { continue }
            let base = memory.alignedUp(toMultipleOf: StoragePool.hugePage)
            // Fewer page faults and TLB misses; where huge pages are switched off this does nothing.
            madvise(base, capacity, MADV_HUGEPAGE)
            regions.append(StoragePool.Region(base: base, arena: Arena(capacity: capacity)))
            return
        }
        StoragePool.outOfMemory(bytes)
    }
}

extension StoragePool.Statistics {
    fileprivate mutating func lend(_ size: Int) {
        bytesInUse += size
        peakBytesInUse = max(peakBytesInUse, bytesInUse)
    }

    fileprivate mutating func grow(by size: Int) {
        systemAllocations += 1
        bytes += size
    }
}
