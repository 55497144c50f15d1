import CHDF5

/// The element types that a dataset may have: exactly these, little-endian.
public enum HDF5Type: String, CaseIterable, Hashable, Sendable {
    case uint8, int32, int64, float32

    /// Bytes of one element.
    public var size: Int {
        switch self {
        case .uint8: 1
        case .int32, .float32: 4
        case .int64: 8
        }
    }

    /// HDF5's identifier of the type, in the file as well as in memory. Call under the library's lock.
    var identifier: hid_t {
        switch self {
        case .uint8: CHDF5_type_uint8()
        case .int32: CHDF5_type_int32()
        case .int64: CHDF5_type_int64()
        case .float32: CHDF5_type_float()
        }
    }
}

/// A Swift number that a dataset can hold.
public protocol HDF5Scalar: BitwiseCopyable, Sendable {
    /// The type's counterpart in the file.
    static var hdf5Type: HDF5Type { get }
    /// The value of fresh memory.
    static var zero: Self { get }
}

extension UInt8: HDF5Scalar {
    /// ``HDF5Type/uint8``
    public static var hdf5Type: HDF5Type { .uint8 }
}

extension Int32: HDF5Scalar {
    /// ``HDF5Type/int32``
    public static var hdf5Type: HDF5Type { .int32 }
}

extension Int64: HDF5Scalar {
    /// ``HDF5Type/int64``
    public static var hdf5Type: HDF5Type { .int64 }
}

extension Float: HDF5Scalar {
    /// ``HDF5Type/float32``
    public static var hdf5Type: HDF5Type { .float32 }
}

/// How a dataset's elements lie in the file.
public enum HDF5Storage: Hashable, Sendable {
    /// One piece, as in memory.
    case contiguous
    /// Chunks of at most ``HDF5File/chunkBytes``, byte-shuffled and compressed by zstd (filter 32015) at this level,
    /// 1 to 19. A dataset below ``HDF5File/smallestCompressedBytes`` is stored contiguously instead.
    case compressed(level: Int = 1)
}
