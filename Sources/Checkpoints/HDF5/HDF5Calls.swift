import CHDF5
import Synchronization

/// The calls into libhdf5 that take or fill memory: the one place of this module where HDF5 sees our pointers.
///
/// Call everything here under ``HDF5Library/locked(_:)``.
enum HDF5Calls {
    private static let counter = Atomic<Int>(0)

    /// A name for a file in memory. HDF5 takes two open files of one name for the same file.
    static func uniqueName() -> String {
        "memory-\(counter.add(1, ordering: .relaxed).newValue)"
    }

    // MARK: Files

    /// Bounds what the library keeps of a file's structure, which it otherwise does for every dataset up to 32 MB.
    private static func boundMetadata(_ list: hid_t) -> herr_t {
        var configuration = H5AC_cache_config_t()
        configuration.version = H5AC__CURR_CACHE_CONFIG_VERSION
        let known = H5Pget_mdc_config(list, &configuration)
        guard known >= 0 else { return known }
        (configuration.set_initial_size, configuration.initial_size) = (true, 1 << 19)
        (configuration.min_size, configuration.max_size) = (1 << 19, 1 << 20)
        return H5Pset_mdc_config(list, &configuration)
    }

    /// File access properties: format version fixed, no file locks (files appear by rename), nothing left open on close.
    static func accessList(file: String, inMemory: Bool, reading: Bool) throws -> hid_t {
        let list = try HDF5File.check(H5Pcreate(CHDF5_class_file_access()), "no properties", file: file)
        do {
            func set(_ result: herr_t) throws {
                try HDF5File.check(result, "file properties cannot be set", file: file)
            }
            try set(inMemory ? H5Pset_fapl_core(list, 1 << 20, false) : H5Pset_fapl_sec2(list))
            try set(boundMetadata(list))
            try set(H5Pset_libver_bounds(list, H5F_LIBVER_V18, reading ? H5F_LIBVER_V110 : H5F_LIBVER_V18))
            try set(H5Pset_fclose_degree(list, H5F_CLOSE_STRONG))
            try set(H5Pset_file_locking(list, false, true))
            return list
        } catch {
            H5Pclose(list)
            throw error
        }
    }

    static func createFile(_ path: String, flags: UInt32, access: hid_t, file: String) throws -> hid_t {
        let creation = try HDF5File.check(H5Pcreate(CHDF5_class_file_creation()), "no properties", file: file)
        defer { H5Pclose(creation) }
        try HDF5File.check(H5Pset_obj_track_times(creation, false), "object times cannot be turned off", file: file)
        return try HDF5File.check(H5Fcreate(path, flags, creation, access), "cannot be created", file: file)
    }

    static func setImage(_ image: [UInt8], access: hid_t, file: String) throws {
        // HDF5 copies the image here and does not write through the pointer.
        let result = image.withUnsafeBytes {
            H5Pset_file_image(access, UnsafeMutableRawPointer(mutating: $0.baseAddress), $0.count)
        }
        try HDF5File.check(result, "cannot be taken from memory", file: file)
    }

    /// The bytes of an open file; negative when HDF5 cannot tell.
    static func fileSize(_ file: hid_t) -> Int {
        var size: hsize_t = 0
        return H5Fget_filesize(file, &size) < 0 ? -1 : Int(clamping: size)
    }

    /// Bytes of an open file from an offset on, fewer at its end; nil when they cannot be read.
    ///
    /// - Parameter imageSize: The bytes of a file in memory; nil for one on disk.
    static func bytes(_ file: hid_t, imageSize: Int?, at offset: Int, count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        let read = CHDF5_read_raw(file, Int64(imageSize ?? -1), Int64(offset), Int64(count), &bytes)
        return read < 0 ? nil : Array(bytes.prefix(Int(read)))
    }

    static func imageSize(_ file: hid_t) -> Int {
        H5Fget_file_image(file, nil, 0)
    }

    static func image(_ id: hid_t, size: Int, file: String) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            count = try HDF5File.check(
                H5Fget_file_image(id, buffer.baseAddress, size), "cannot be copied from memory", file: file)
        }
    }

    // MARK: Data spaces

    /// A data space of a shape; no dimensions make a scalar.
    static func space(_ shape: [Int]) -> hid_t {
        shape.isEmpty ? H5Screate(H5S_SCALAR) : H5Screate_simple(Int32(shape.count), shape.map(hsize_t.init), nil)
    }

    /// The dimensions of a data space; nil when it is neither a scalar nor a simple one, or a dimension exceeds Int.
    static func shape(_ space: hid_t) -> [Int]? {
        switch H5Sget_simple_extent_type(space) {
        case H5S_SCALAR: return []
        case H5S_SIMPLE: break
        default: return nil
        }
        var dimensions = [hsize_t](repeating: 0, count: Int(max(0, H5Sget_simple_extent_ndims(space))))
        guard H5Sget_simple_extent_dims(space, &dimensions, nil) == dimensions.count else { return nil }
        let shape = dimensions.compactMap { Int(exactly: $0) }
        return shape.count == dimensions.count ? shape : nil
    }

    // MARK: Datasets

    /// Writes all elements of a dataset.
    static func write<Scalar: HDF5Scalar>(_ scalars: ArraySlice<Scalar>, to dataset: hid_t) -> herr_t {
        scalars.withUnsafeBytes {
            H5Dwrite(
                dataset, Scalar.hdf5Type.identifier, CHDF5_all(), CHDF5_all(), CHDF5_default(), $0.baseAddress)
        }
    }

    /// Reads all elements of a dataset into `scalars` from `offset` on; the caller has checked that they fit.
    static func read<Scalar: HDF5Scalar>(_ dataset: hid_t, into scalars: inout [Scalar], at offset: Int) -> herr_t {
        scalars.withUnsafeMutableBufferPointer {
            H5Dread(
                dataset, Scalar.hdf5Type.identifier, CHDF5_all(), CHDF5_all(), CHDF5_default(),
                $0.baseAddress.map { $0 + offset })
        }
    }

    /// Dataset creation properties: chunked, shuffled, compressed when `chunk` is given, else contiguous.
    static func creationList(chunk: [Int]?, level: Int, file: HDF5File, path: String) throws -> hid_t {
        let list = try file.check(H5Pcreate(CHDF5_class_dataset_creation()), "no properties", object: path)
        do {
            func set(_ result: herr_t) throws {
                try file.check(result, "properties cannot be set", object: path)
            }
            try set(H5Pset_obj_track_times(list, false))
            if let chunk {
                var level = UInt32(level)
                try set(H5Pset_chunk(list, Int32(chunk.count), chunk.map(hsize_t.init)))
                try set(H5Pset_shuffle(list))
                try set(H5Pset_filter(list, ZstdFilter.identifier, UInt32(H5Z_FLAG_MANDATORY), 1, &level))
            }
            return list
        } catch {
            H5Pclose(list)
            throw error
        }
    }

    /// The chunk's dimensions of a chunked dataset; nil when HDF5 cannot tell.
    static func chunkShape(_ creation: hid_t, rank: Int) -> [Int]? {
        var dimensions = [hsize_t](repeating: 0, count: rank)
        guard rank > 0, H5Pget_chunk(creation, Int32(rank), &dimensions) == rank else { return nil }
        let shape = dimensions.compactMap { Int(exactly: $0) }
        return shape.count == rank ? shape : nil
    }

    /// The filters of a dataset in the order in which they are applied when writing.
    static func filters(_ creation: hid_t) -> [H5Z_filter_t] {
        (0..<max(0, H5Pget_nfilters(creation))).map { position in
            var (flags, parameters): (UInt32, Int) = (0, 0)
            return H5Pget_filter2(creation, UInt32(position), &flags, &parameters, nil, 0, nil, nil)
        }
    }

    /// Whether the chunks of a dataset are found by a B-tree of version 1, as in every file of ours.
    static func hasBTreeOfChunks(_ dataset: hid_t) -> Bool {
        var index = H5D_CHUNK_IDX_NTYPES
        return H5Dget_chunk_index_type(dataset, &index) >= 0 && index == H5D_CHUNK_IDX_BTREE
    }

    /// The number of chunks that are stored; negative when HDF5 cannot tell.
    static func storedChunks(_ dataset: hid_t) -> Int {
        let space = H5Dget_space(dataset)
        defer { H5Sclose(space) }
        var count: hsize_t = 0
        return H5Dget_num_chunks(dataset, space, &count) < 0 ? -1 : Int(clamping: count)
    }

    /// Whether a chunk is stored in at most `limit` bytes, with all of the dataset's filters applied.
    static func chunkIsWhole(_ dataset: hid_t, at position: [Int], limit: Int) -> Bool {
        var mask: UInt32 = 0
        var (address, size): (haddr_t, hsize_t) = (0, 0)
        let result = H5Dget_chunk_info_by_coord(dataset, position.map(hsize_t.init), &mask, &address, &size)
        return result >= 0 && mask == 0 && size > 0 && size <= hsize_t(limit) && address != haddr_t.max
    }

    // MARK: Names

    /// The names of a group's links in bytewise order; stops with nil after `limit` of them.
    static func names(_ group: hid_t, limit: Int) -> (result: herr_t, names: [String]?) {
        struct Listing {
            var names: [String] = []
            let limit: Int
            var exceeded = false
        }
        var listing = Listing(limit: limit)
        let result = withUnsafeMutablePointer(to: &listing) { pointer in
            CHDF5_visit_names(
                group,
                { name, context in
                    guard let name, let listing = context?.assumingMemoryBound(to: Listing.self) else { return -1 }
                    listing.pointee.exceeded = listing.pointee.names.count == listing.pointee.limit
                    if listing.pointee.exceeded { return 1 }
                    listing.pointee.names.append(String(cString: name))
                    return 0
                }, pointer)
        }
        return (result, listing.exceeded ? nil : listing.names.sorted(by: bytewise))
    }

    // MARK: Attributes

    /// A UTF-8 text of fixed length, ended by a zero byte.
    static func textType(size: Int) -> hid_t {
        let type = H5Tcopy(CHDF5_type_string())
        guard H5Tset_size(type, size) >= 0, H5Tset_cset(type, H5T_CSET_UTF8) >= 0 else {
            H5Tclose(type)
            return -1
        }
        return type
    }

    /// Writes an attribute's value from memory laid out as `type` says.
    static func write(_ bytes: [UInt8], to attribute: hid_t, type: hid_t) -> herr_t {
        bytes.withUnsafeBytes { H5Awrite(attribute, type, $0.baseAddress) }
    }

    /// Reads an attribute's value of `size` bytes.
    static func read(_ attribute: hid_t, type: hid_t, size: Int) -> (result: herr_t, bytes: [UInt8]) {
        var bytes = [UInt8](repeating: 0, count: size)
        let result = bytes.withUnsafeMutableBytes { H5Aread(attribute, type, $0.baseAddress) }
        return (result, bytes)
    }
}
