import CHDF5
import CZstd
import Synchronization

/// HDF5's registered filter 32015: zstd frames with content size and checksum, one for each chunk.
///
/// The reference plug-in trusts the size that a frame claims and ignores zstd's errors. This one knows from the
/// reader how large a chunk is, refuses any other size before it allocates, and reports every error.
enum ZstdFilter {
    static let identifier: H5Z_filter_t = 32015

    /// Bytes of a chunk of the dataset being read; 0 refuses to decode. Set under the library's lock by the reader.
    static let expectedBytes = Atomic<Int>(0)
    /// Why the filter last failed. HDF5 itself only learns that it did.
    static let failure = Mutex<String?>(nil)

    /// Makes the filter known to HDF5. Call once, under the library's lock.
    static func register() -> Bool {
        CHDF5_register_zstd { flags, parameterCount, parameters, count, capacity, buffer in
            guard let buffer, let capacity, let input = buffer.pointee else { return 0 }
            let level = parameterCount > 0 ? Int32(clamping: parameters?[0] ?? 1) : 1
            let source = UnsafeRawBufferPointer(start: input, count: count)
            let decoding = flags & UInt32(H5Z_FLAG_REVERSE) != 0
            guard let output = decoding ? ZstdFilter.decode(source) : ZstdFilter.encode(source, level: level) else {
                return 0
            }
            H5free_memory(input)
            buffer.pointee = output.baseAddress
            capacity.pointee = output.count
            return output.count
        } >= 0
    }

    private static func fail(_ reason: String) -> UnsafeMutableRawBufferPointer? {
        failure.withLock { $0 = reason }
        return nil
    }

    private static func encode(_ source: UnsafeRawBufferPointer, level: Int32) -> UnsafeMutableRawBufferPointer? {
        let capacity = ZSTD_compressBound(source.count)
        guard let context = ZSTD_createCCtx(), let memory = H5allocate_memory(capacity, false) else {
            return fail("out of memory compressing a chunk of \(source.count) bytes")
        }
        defer { ZSTD_freeCCtx(context) }
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
        ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 1)
        ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
        let written = ZSTD_compress2(context, memory, capacity, source.baseAddress, source.count)
        guard ZSTD_isError(written) == 0 else {
            H5free_memory(memory)
            return fail("zstd: \(String(cString: ZSTD_getErrorName(written)))")
        }
        return UnsafeMutableRawBufferPointer(start: memory, count: written)
    }

    private static func decode(_ source: UnsafeRawBufferPointer) -> UnsafeMutableRawBufferPointer? {
        let expected = expectedBytes.load(ordering: .relaxed)
        let claimed = ZSTD_getFrameContentSize(source.baseAddress, source.count)
        guard expected > 0, claimed == UInt64(expected) else {
            return fail("a zstd chunk does not hold the \(expected) bytes expected of it")
        }
        guard ZSTD_findFrameCompressedSize(source.baseAddress, source.count) == source.count else {
            return fail("a zstd chunk is cut short or followed by other bytes")
        }
        guard let memory = H5allocate_memory(expected, false) else {
            return fail("out of memory decompressing a chunk of \(expected) bytes")
        }
        let written = ZSTD_decompress(memory, expected, source.baseAddress, source.count)
        guard ZSTD_isError(written) == 0, written == expected else {
            H5free_memory(memory)
            let reason = ZSTD_isError(written) != 0 ? String(cString: ZSTD_getErrorName(written)) : "chunk too short"
            return fail("zstd: \(reason)")
        }
        return UnsafeMutableRawBufferPointer(start: memory, count: expected)
    }
}
