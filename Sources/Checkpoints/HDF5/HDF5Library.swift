import CHDF5
import CZstd
import Foundation
import Synchronization

/// libhdf5 as a whole: started once, used by one thread at a time, silent.
///
/// Not every libhdf5 is built for threads, so every call into it happens inside ``locked(_:)``. Plug-ins are never
/// loaded: a foreign file together with `HDF5_PLUGIN_PATH` could otherwise bring its own code.
enum HDF5Library {
    private static let lock = NSRecursiveLock()

    private static let started: Void = {
        // Files are closed by us; an exit handler would close them under the feet of a thread that is still saving.
        H5dont_atexit()
        precondition(H5open() >= 0, "libhdf5 cannot be started")
        precondition(H5PLset_loading_state(0) >= 0, "libhdf5 does not let us forbid plug-ins")
        precondition(ZstdFilter.register(), "libhdf5 refuses the zstd filter")
    }()

    /// Runs `body` while no other thread uses libhdf5.
    static func locked<Result>(_ body: () throws -> Result) rethrows -> Result {
        try lock.withLock {
            _ = started
            // A setting of the calling thread, in a libhdf5 that is built for threads.
            H5Eset_auto2(CHDF5_default(), nil, nil)
            return try body()
        }
    }

    /// Gives back what the library keeps for later, and the C library for this thread: a save takes it for a moment alone.
    static func releaseMemory() {
        _ = locked { H5garbage_collect() }
        malloc_trim(0)
    }

    /// The library's version, such as `1.10.8`.
    static let version: String = locked {
        var (major, minor, release): (UInt32, UInt32, UInt32) = (0, 0, 0)
        H5get_libversion(&major, &minor, &release)
        return "\(major).\(minor).\(release)"
    }

    /// zstd's version, such as `1.5.4`.
    static let zstdVersion = String(cString: ZSTD_versionString())

    /// The messages on HDF5's error stack, from the cause outwards, and empties the stack.
    static func takeMessages() -> [String] {
        var messages: [String] = []
        if let reason = ZstdFilter.failure.withLock({ $0.take() }) { messages.append(reason) }
        withUnsafeMutablePointer(to: &messages) { pointer in
            _ = H5Ewalk2(
                CHDF5_default(), H5E_WALK_UPWARD,
                { _, entry, context in
                    guard let text = entry?.pointee.desc else { return 0 }
                    context?.assumingMemoryBound(to: [String].self).pointee.append(String(cString: text))
                    return 0
                }, pointer)
        }
        H5Eclear2(CHDF5_default())
        return messages
    }
}
