import CHDF5

extension HDF5File {
    /// The largest chunk that is read. libhdf5 allocates whole chunks, whatever a file claims them to be.
    static let largestChunkBytes = 64 << 20
    /// The most bytes that zstd unpacks from one: a block of 4 repeats a byte 2^17 times.
    static let largestRatio = 1 << 15

    /// The type and shape of an open dataset. Call under the library's lock.
    ///
    /// - Throws: ``HDF5Error`` for a type outside ``HDF5Type`` or a data space without fixed dimensions.
    func describe(_ dataset: hid_t, path: String) throws -> (type: HDF5Type, shape: [Int]) {
        let found = try check(H5Dget_type(dataset), "has no type", object: path)
        defer { H5Tclose(found) }
        guard let type = HDF5Type.allCases.first(where: { H5Tequal(found, $0.identifier) > 0 }) else {
            let known = HDF5Type.allCases.map(\.rawValue).joined(separator: ", ")
            throw refusal(path, "has an element type other than little-endian \(known)")
        }
        let space = try check(H5Dget_space(dataset), "has no data space", object: path)
        defer { H5Sclose(space) }
        guard let shape = HDF5Calls.shape(space) else { throw refusal(path, "has no usable shape") }
        return (type, shape)
    }

    /// Makes sure that a dataset's elements are where a plain file keeps them: all of them, in this file, unfiltered or
    /// shuffled and compressed by us. Other files were refused before it was opened. Call under the library's lock.
    ///
    /// - Returns: Bytes of a chunk; 0 when not chunked.
    /// - Throws: ``HDF5Error`` for foreign filters, huge, missing or unfiltered chunks.
    func requirePlainStorage(_ dataset: hid_t, path: String) throws -> Int {
        let creation = try check(H5Dget_create_plist(dataset), "has no properties", object: path)
        defer { H5Pclose(creation) }
        let (type, shape) = try describe(dataset, path: path)
        guard let count = Self.count(shape), let bytes = Self.count([count, type.size]) else {
            throw refusal(path, "shape \(shape) is beyond this machine")
        }
        switch H5Pget_layout(creation) {
        case H5D_CONTIGUOUS, H5D_COMPACT:
            // An unallocated dataset reads as zeros of any size out of a tiny file.
            guard H5Dget_storage_size(dataset) == hsize_t(bytes) else {
                throw refusal(path, "holds \(H5Dget_storage_size(dataset)) bytes instead of \(bytes)")
            }
            try requireRoom(for: bytes, packed: false, path: path)
            return 0
        case H5D_CHUNKED:
            return try requirePlainChunks(dataset, creation, type: type, shape: shape, path: path)
        default:
            throw refusal(path, "has a virtual or unknown layout")
        }
    }

    /// Makes sure that a file of this size can hold so many bytes: memory is taken for them before they are read.
    private func requireRoom(for bytes: Int, packed: Bool, path: String) throws {
        let file = try check(HDF5Calls.fileSize(id), "has no size")
        let (room, overflow) = file.multipliedReportingOverflow(by: packed ? Self.largestRatio : 1)
        guard overflow || bytes <= room else {
            throw refusal(path, "claims \(bytes) bytes, more than a file of \(file) bytes can hold")
        }
    }

    private func requirePlainChunks(
        _ dataset: hid_t, _ creation: hid_t, type: HDF5Type, shape: [Int], path: String
    ) throws -> Int {
        let filters = HDF5Calls.filters(creation)
        guard [[], [ZstdFilter.identifier], [H5Z_FILTER_SHUFFLE, ZstdFilter.identifier]].contains(filters) else {
            throw refusal(path, "has filters \(filters); only shuffle (2) and zstd (\(ZstdFilter.identifier)) are read")
        }
        guard let chunk = HDF5Calls.chunkShape(creation, rank: shape.count), chunk.allSatisfy({ $0 > 0 }),
            let count = Self.count(chunk), let bytes = Self.count([count, type.size]), bytes <= Self.largestChunkBytes
        else {
            throw refusal(path, "has chunks of more than \(Self.largestChunkBytes) bytes, or without a shape")
        }
        // libhdf5 allocates whole chunks, however small the dataset.
        guard zip(chunk, shape).allSatisfy({ $0 <= $1 }) else {
            throw refusal(path, "has chunks of shape \(chunk), larger than its own \(shape)")
        }
        // The others are of later versions of the format than ours; that of chunks in a row has no entries to be counted,
        // so that a tiny file could claim 2^60 chunks.
        guard HDF5Calls.hasBTreeOfChunks(dataset) else {
            throw refusal(path, "has an index of chunks other than a B-tree of version 1")
        }
        // Chunks along each axis; a dataset with missing chunks reads as zeros of any size out of a tiny file, and
        // libhdf5 takes a chunk that skipped its filters at its word.
        let grid = zip(shape, chunk).map { ($0 + $1 - 1) / $1 }
        let stored = try check(Int64(HDF5Calls.storedChunks(dataset)), "has no chunk index", object: path)
        guard let total = Self.count(grid), stored == Int64(total) else {
            throw refusal(path, "holds \(stored) chunks; shape \(shape) in chunks of \(chunk) needs another number")
        }
        // zstd makes what it cannot compress a little larger; libhdf5 allocates whatever size the index claims.
        let limit = bytes + bytes / 128 + 1024
        var position = [Int](repeating: 0, count: shape.count)
        for number in 0..<total {
            var rest = number
            for axis in shape.indices.reversed() {
                position[axis] = rest % grid[axis] * chunk[axis]
                rest /= grid[axis]
            }
            guard HDF5Calls.chunkIsWhole(dataset, at: position, limit: limit) else {
                throw refusal(
                    path,
                    "the chunk at \(position) is missing, skipped the filters, or claims more bytes than one can have")
            }
        }
        if let whole = Self.count([bytes, total]) { try requireRoom(for: whole, packed: !filters.isEmpty, path: path) }
        return bytes
    }
}
