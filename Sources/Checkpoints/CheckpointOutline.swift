/// What an HDF5 file says of a checkpoint, all but the numbers in its four vectors.
struct CheckpointOutline: Sendable {
    let model: String
    let phase: String
    let step: Int
    let jobHash: String
    let ledger: String
    let entries: [Checkpoint.Entry]

    /// Reads it strictly: every object that is there must be expected, and the other way round.
    ///
    /// - Parameters:
    ///   - file: A file open for reading.
    ///   - expected: The model's parameters; without them, those of the file are taken.
    ///   - count: The number of parameters that the manifest names, checked before memory is taken for them.
    /// - Throws: ``CheckpointError`` for a newer format or other parameters, ``HDF5Error`` for everything else.
    init(of file: HDF5File, expecting expected: [Checkpoint.Entry]?, count: Int?) throws {
        try Self.requireKnownFormat(file)
        try Self.requireNames(file, in: "", ["ema", "optimizer", "weights"])
        try Self.requireNames(file, in: "optimizer", ["first_moment", "second_moment"])
        entries = try Self.entries(of: file)
        if let expected { try Checkpoint.require(expected, found: entries, path: file.name) }
        let found = entries.last.map { $0.offset + $0.count } ?? 0
        guard found == count ?? found else {
            throw file.mismatch("", "has \(found) parameters, and \(count ?? 0) by its manifest")
        }
        let step = try file.integer("step")
        guard step >= 0 else { throw file.mismatch("@step", "is \(step), less than 0") }
        self.step = Int(step)
        model = try file.text("model")
        phase = try file.text("phase")
        jobHash = try file.text("job_hash")
        ledger = try file.text("ledger")
        for vector in Checkpoint.Vector.allCases { try requireVector(vector, in: file) }
    }

    /// Throws unless a vector is there, though its numbers may be damaged.
    private func requireVector(_ vector: Checkpoint.Vector, in file: HDF5File) throws {
        try Self.requireNames(file, in: vector.rawValue, entries.map(\.name))
        for entry in entries {
            try file.requireReadable("\(vector.rawValue)/\(entry.name)", type: .float32, shape: entry.shape)
        }
    }

    /// The parameters that a file holds, by its weights.
    private static func entries(of file: HDF5File) throws -> [Checkpoint.Entry] {
        let limit = Checkpoint.parameterLimit
        var entries: [Checkpoint.Entry] = []
        var end = 0
        for name in try file.names(in: Checkpoint.Vector.weights.rawValue).sorted(by: bytewise) {
            let path = "\(Checkpoint.Vector.weights.rawValue)/\(name)"
            let (_, shape) = try file.description(of: path)
            guard let count = HDF5File.count(shape), count > 0, end + count <= limit else {
                throw file.mismatch(path, "shape \(shape) makes more than \(limit) parameters, or none")
            }
            entries.append(Checkpoint.Entry(name: name, shape: shape, offset: end, count: count))
            end += count
        }
        return entries
    }

    private static func requireKnownFormat(_ file: HDF5File) throws {
        let (format, known) = (Checkpoint.format, Checkpoint.formatVersion)
        let found = try file.text("format")
        guard found == format else { throw file.mismatch("@format", "is \"\(found)\" instead of \"\(format)\"") }
        let version = try file.integer("format_version")
        guard version <= Int64(known) else { throw Checkpoint.newerFormat(Int(version), path: file.name) }
    }

    private static func requireNames(_ file: HDF5File, in group: String, _ expected: [String]) throws {
        let found = try file.names(in: group).sorted(by: bytewise)
        guard found != expected else { return }
        let missing = Set(expected).subtracting(found).sorted(by: bytewise)
        let unknown = Set(found).subtracting(expected).sorted(by: bytewise)
        throw file.mismatch(group, "missing: \(missing); not expected: \(unknown)")
    }
}
