extension Checkpoint {
    /// What the attribute `format` says.
    static let format = "diptych-checkpoint"
    /// The version of the layout below; a reader refuses later ones.
    public static let formatVersion = 1
    /// The most parameters that a checkpoint of unknown contents may claim: four vectors of 8 GiB.
    static let parameterLimit = 1 << 31

    /// Reads a checkpoint, strictly: every object that is there must be expected, and the other way round.
    ///
    /// - Parameters:
    ///   - file: A file open for reading.
    ///   - expected: The model's parameters; without them, those of the file are taken.
    ///   - count: The number of parameters that the manifest names, checked before memory is taken for them.
    /// - Throws: ``CheckpointError`` for a newer format or other parameters, ``HDF5Error`` for everything else.
    public init(from file: HDF5File, expecting expected: [Entry]? = nil, count: Int? = nil) throws {
        try Self.requireKnownFormat(file)
        try Self.requireNames(file, in: "", ["ema", "optimizer", "weights"])
        try Self.requireNames(file, in: "optimizer", ["first_moment", "second_moment"])
        let entries = try Self.entries(of: file)
        if let expected { try Self.require(expected, found: entries, path: file.name) }
        let found = entries.last.map { $0.offset + $0.count } ?? 0
        guard found == count ?? found else {
            throw file.mismatch("", "has \(found) parameters, and \(count ?? 0) by its manifest")
        }
        let step = try file.integer("step")
        guard step >= 0 else { throw file.mismatch("@step", "is \(step), less than 0") }
        let names = entries.map(\.name)
        func read(_ vector: Vector) throws -> [Float] {
            try Self.requireNames(file, in: vector.rawValue, names)
            return try Self.read(vector, entries, from: file)
        }
        self.init(
            model: try file.text("model"), phase: try file.text("phase"), step: Int(step),
            jobHash: try file.text("job_hash"), ledger: try file.text("ledger"), entries: entries,
            weights: try read(.weights), ema: try read(.ema), firstMoment: try read(.firstMoment),
            secondMoment: try read(.secondMoment))
    }

    /// One flat vector of a file.
    static func read(_ vector: Vector, _ entries: [Entry], from file: HDF5File) throws -> [Float] {
        var flat = [Float](repeating: 0, count: entries.last.map { $0.offset + $0.count } ?? 0)
        for entry in entries {
            try file.read(
                from: "\(vector.rawValue)/\(entry.name)", shape: entry.shape, into: &flat, at: entry.offset)
        }
        return flat
    }

    /// The parameters that a file holds, by its weights.
    static func entries(of file: HDF5File) throws -> [Entry] {
        var entries: [Entry] = []
        var end = 0
        for name in try file.names(in: Vector.weights.rawValue).sorted(by: bytewise) {
            let path = "\(Vector.weights.rawValue)/\(name)"
            let (_, shape) = try file.description(of: path)
            guard let count = HDF5File.count(shape), count > 0, end + count <= parameterLimit else {
                throw file.mismatch(path, "shape \(shape) makes more than \(parameterLimit) parameters, or none")
            }
            entries.append(Entry(name: name, shape: shape, offset: end, count: count))
            end += count
        }
        return entries
    }

    private static func requireKnownFormat(_ file: HDF5File) throws {
        let found = try file.text("format")
        guard found == format else { throw file.mismatch("@format", "is \"\(found)\" instead of \"\(format)\"") }
        let version = try file.integer("format_version")
        guard version <= Int64(formatVersion) else { throw newerFormat(Int(version), path: file.name) }
    }

    private static func requireNames(_ file: HDF5File, in group: String, _ expected: [String]) throws {
        let found = try file.names(in: group).sorted(by: bytewise)
        guard found != expected else { return }
        let missing = Set(expected).subtracting(found).sorted(by: bytewise)
        let unknown = Set(found).subtracting(expected).sorted(by: bytewise)
        throw file.mismatch(group, "missing: \(missing); not expected: \(unknown)")
    }

    /// The error for a file that a later version of the program wrote.
    static func newerFormat(_ version: Int, path: String) -> CheckpointError {
        CheckpointError(
            code: .newerFormat, path: path,
            message: "written in format \(version), this build reads formats up to \(formatVersion); "
                + "use the program that wrote it, or a later one")
    }
}

extension CheckpointContents {
    /// Writes everything to an empty file. docs/file-formats.md describes the layout.
    ///
    /// - Parameters:
    ///   - file: A new file.
    ///   - storage: How the parameters lie in it.
    /// - Throws: ``HDF5Error``, ``FileError``.
    public func write(to file: HDF5File, storage: HDF5Storage = .compressed()) throws {
        try file.setAttribute("format", to: Checkpoint.format)
        try file.setAttribute("format_version", to: Int64(Checkpoint.formatVersion))
        try file.setAttribute("model", to: model)
        try file.setAttribute("phase", to: phase)
        try file.setAttribute("step", to: Int64(step))
        try file.setAttribute("job_hash", to: jobHash)
        try file.setAttribute("ledger", to: ledger)
        try file.setAttribute("libraries", to: "hdf5 \(HDF5Library.version), zstd \(HDF5Library.zstdVersion)")
        for vector in Checkpoint.Vector.allCases {
            try file.createGroup(vector.rawValue)
            for entry in entries {
                try file.write(
                    floats(of: vector, entry), to: "\(vector.rawValue)/\(entry.name)",
                    shape: entry.shape, storage: storage)
            }
        }
    }
}
