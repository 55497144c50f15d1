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
        let outline = try CheckpointOutline(of: file, expecting: expected, count: count)
        func read(_ vector: Vector) throws -> [Float] { try Self.read(vector, outline.entries, from: file) }
        self.init(
            model: outline.model, phase: outline.phase, step: outline.step, jobHash: outline.jobHash,
            ledger: outline.ledger, entries: outline.entries, weights: try read(.weights), ema: try read(.ema),
            firstMoment: try read(.firstMoment), secondMoment: try read(.secondMoment))
    }

    /// One flat vector of a file.
    private static func read(_ vector: Vector, _ entries: [Entry], from file: HDF5File) throws -> [Float] {
        var flat = [Float](repeating: 0, count: entries.last.map { $0.offset + $0.count } ?? 0)
        for entry in entries {
            try file.read(
                from: "\(vector.rawValue)/\(entry.name)", shape: entry.shape, into: &flat, at: entry.offset)
        }
        return flat
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
