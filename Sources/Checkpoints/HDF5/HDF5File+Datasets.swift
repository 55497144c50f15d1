import CHDF5
import Synchronization

extension HDF5File {
    /// Writes a new dataset, creating the groups above it.
    ///
    /// - Parameters:
    ///   - scalars: The elements in row-major order.
    ///   - path: Where; nothing may be there yet.
    ///   - shape: The dimensions; none makes a scalar. Their product must be the number of elements.
    ///   - storage: How the elements lie in the file.
    /// - Throws: ``HDF5Error``.
    public func write<Scalar: HDF5Scalar>(
        _ scalars: [Scalar], to path: String, shape: [Int], storage: HDF5Storage = .compressed()
    ) throws {
        try write(scalars[...], to: path, shape: shape, storage: storage)
    }

    /// Writes a new dataset from a slice; otherwise as the method that takes an array.
    public func write<Scalar: HDF5Scalar>(
        _ scalars: ArraySlice<Scalar>, to path: String, shape: [Int], storage: HDF5Storage = .compressed()
    ) throws {
        precondition(
            shape.allSatisfy { $0 >= 0 } && shape.count <= 32, "a dataset has at most 32 dimensions of 0 or more")
        precondition(
            scalars.count == shape.reduce(1, *), "\(path): \(scalars.count) elements do not fill shape \(shape)")
        let type = Scalar.hdf5Type
        var chunk: [Int]?
        var compressionLevel = 0
        if case .compressed(let level) = storage {
            precondition((1...19).contains(level), "zstd levels are 1 to 19, not \(level)")
            compressionLevel = level
            let worthwhile = !shape.isEmpty && scalars.count * type.size >= Self.smallestCompressedBytes
            chunk = worthwhile ? Self.chunkShape(shape, elementSize: type.size) : nil
        }
        let names = try components(path)
        try HDF5Library.locked {
            try createGroup(names.dropLast().joined(separator: "/"))
            let space = try check(HDF5Calls.space(shape), "no data space", object: path)
            defer { H5Sclose(space) }
            let creation = try HDF5Calls.creationList(chunk: chunk, level: compressionLevel, file: self, path: path)
            defer { H5Pclose(creation) }
            let dataset = try check(
                H5Dcreate2(id, path, type.identifier, space, CHDF5_default(), creation, CHDF5_default()),
                "cannot be created", object: path)
            let written = HDF5Calls.write(scalars, to: dataset)
            guard written >= 0 else {
                let error = Result { try check(written, "cannot be written", object: path) }
                H5Dclose(dataset)
                _ = try error.get()
                return
            }
            // Closing flushes the chunk cache: a full disk may show only here.
            try check(H5Dclose(dataset), "cannot be written", object: path)
        }
    }

    /// The type and shape of a dataset, all of whose elements are there.
    ///
    /// - Throws: ``HDF5Error`` when it is missing or holds anything that a strict reader refuses.
    public func description(of path: String) throws -> (type: HDF5Type, shape: [Int]) {
        try withDataset(path) { dataset in
            let description = try describe(dataset, path: path)
            _ = try requirePlainStorage(dataset, path: path)
            return description
        }
    }

    /// Reads a dataset of a known type and shape.
    ///
    /// - Returns: The elements in row-major order.
    /// - Throws: ``HDF5Error`` when type or shape differ, before anything is allocated; when the dataset is damaged; when
    ///   it holds anything that a strict reader refuses.
    public func read<Scalar: HDF5Scalar>(_: Scalar.Type, from path: String, shape: [Int]) throws -> [Scalar] {
        try withDataset(path) { dataset in
            try require(Scalar.hdf5Type, shape, dataset, path: path)
            _ = try requirePlainStorage(dataset, path: path)
            var scalars = [Scalar](repeating: .zero, count: shape.reduce(1, *))
            try read(dataset, into: &scalars, at: 0, path: path)
            return scalars
        }
    }

    /// Reads a dataset of a known type and a shape to be found out.
    ///
    /// - Parameter maximumCount: The most elements that the caller is ready to hold.
    /// - Returns: The elements in row-major order, and the shape.
    /// - Throws: ``HDF5Error``, as the method that takes a shape; when there are more elements than `maximumCount`.
    public func read<Scalar: HDF5Scalar>(
        _: Scalar.Type, from path: String, maximumCount: Int
    ) throws -> (scalars: [Scalar], shape: [Int]) {
        let (_, shape) = try description(of: path)
        guard let count = Self.count(shape), count <= maximumCount else {
            throw mismatch(path, "shape \(shape) has more than the \(maximumCount) elements that may be read")
        }
        return (try read(Scalar.self, from: path, shape: shape), shape)
    }

    /// Reads a dataset of a known shape into a part of an array.
    ///
    /// - Parameters:
    ///   - path: The dataset.
    ///   - shape: Its shape.
    ///   - scalars: Where its elements go.
    ///   - offset: Of its first element there; all must fit.
    /// - Throws: ``HDF5Error``, as the other readers.
    public func read<Scalar: HDF5Scalar>(
        from path: String, shape: [Int], into scalars: inout [Scalar], at offset: Int
    ) throws {
        precondition(
            offset >= 0 && offset + shape.reduce(1, *) <= scalars.count, "\(path) does not fit at offset \(offset)")
        try withDataset(path) { dataset in
            try require(Scalar.hdf5Type, shape, dataset, path: path)
            try read(dataset, into: &scalars, at: offset, path: path)
        }
    }

    /// Makes sure that a dataset can be read, but for what its elements are.
    ///
    /// - Parameters:
    ///   - path: The dataset.
    ///   - type: Its type.
    ///   - shape: Its shape.
    /// - Throws: ``HDF5Error``, as the readers, unless it is the elements' own bytes that are damaged.
    func requireReadable(_ path: String, type: HDF5Type, shape: [Int]) throws {
        try withDataset(path) { dataset in
            try require(type, shape, dataset, path: path)
            _ = try requirePlainStorage(dataset, path: path)
        }
    }

    private func withDataset<Result>(_ path: String, _ body: (hid_t) throws -> Result) throws -> Result {
        try HDF5Library.locked {
            let dataset = try openObject(path, as: H5I_DATASET)
            defer { H5Oclose(dataset) }
            return try body(dataset)
        }
    }

    private func require(_ type: HDF5Type, _ shape: [Int], _ dataset: hid_t, path: String) throws {
        let found = try describe(dataset, path: path)
        guard found.type == type, found.shape == shape else {
            throw mismatch(
                path,
                "expected \(type.rawValue) of shape \(shape), found \(found.type.rawValue) of shape \(found.shape)")
        }
    }

    private func read<Scalar: HDF5Scalar>(
        _ dataset: hid_t, into scalars: inout [Scalar], at offset: Int, path: String
    ) throws {
        let chunkBytes = try requirePlainStorage(dataset, path: path)
        ZstdFilter.expectedBytes.store(chunkBytes, ordering: .relaxed)
        defer { ZstdFilter.expectedBytes.store(0, ordering: .relaxed) }
        try check(HDF5Calls.read(dataset, into: &scalars, at: offset), "cannot be read", object: path)
    }

    /// The shape of the chunks of a dataset: rows kept whole from the last axis on, as many as fit into `chunkBytes`,
    /// and evenly dealt, so that the last chunk of an axis is nearly full.
    static func chunkShape(_ shape: [Int], elementSize: Int) -> [Int] {
        var chunk = [Int](repeating: 1, count: shape.count)
        var room = max(1, chunkBytes / elementSize)
        for axis in shape.indices.reversed() {
            let pieces = (shape[axis] + room - 1) / room
            chunk[axis] = (shape[axis] + pieces - 1) / pieces
            room /= chunk[axis]
            if pieces > 1 || room == 0 { break }
        }
        return chunk
    }

    /// The product of dimensions; nil when it exceeds Int.
    static func count(_ shape: [Int]) -> Int? {
        var count = 1
        for dimension in shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
            if overflow { return nil }
            count = product
        }
        return count
    }
}
