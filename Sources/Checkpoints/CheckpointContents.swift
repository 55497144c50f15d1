/// All state of one model at one step, wherever its vectors lie: what can be saved.
public protocol CheckpointContents: Sendable {
    /// The model: `teacher-0`, `student`.
    var model: String { get }
    /// The phase that trains it: `teach`, `distill`.
    var phase: String { get }
    /// The number of updates that made this state.
    var step: Int { get }
    /// The job's hash.
    var jobHash: String { get }
    /// The privacy ledger, JSON; kept as it is.
    var ledger: String { get }
    /// The parameters, in bytewise order of their names, without gaps from 0 on.
    var entries: [Checkpoint.Entry] { get }
    /// SHA-256 of the manifest that the state had in another run, if it was taken from there.
    var originManifestHash: String? { get }

    /// Some elements of one of the flat vectors.
    ///
    /// - Throws: ``FileError`` when they cannot be read.
    func floats(of vector: Checkpoint.Vector, in range: Range<Int>) throws -> ArraySlice<Float>

    /// Throws unless every value is finite.
    ///
    /// - Throws: ``CheckpointError`` with code `notFinite` that names the first value that is not.
    func requireFinite() throws
}

extension CheckpointContents {
    /// None: the state was computed in this run.
    public var originManifestHash: String? { nil }

    /// The number of elements of each vector.
    public var count: Int { entries.last.map { $0.offset + $0.count } ?? 0 }

    /// Throws unless every value is finite, one parameter after the other.
    public func requireFinite() throws {
        for vector in Checkpoint.Vector.allCases {
            var (bad, first): (Int, (position: Int, value: Float)?) = (0, nil)
            for entry in entries {
                let values = try floats(of: vector, entry)
                bad += values.withUnsafeBufferPointer(countNotFinite)
                guard bad > 0, first == nil, let index = values.firstIndex(where: { !$0.isFinite }) else { continue }
                first = (entry.offset + index - values.startIndex, values[index])
            }
            if let first { throw notFinite(vector, bad: bad, first: first.position, value: first.value) }
        }
    }

    /// One parameter's part of a vector.
    func floats(of vector: Checkpoint.Vector, _ entry: Checkpoint.Entry) throws -> ArraySlice<Float> {
        try floats(of: vector, in: entry.offset..<entry.offset + entry.count)
    }

    /// SHA-256 over the float32 little-endian bytes of a vector, row-major, names sorted bytewise.
    func hash(of vector: Checkpoint.Vector) throws -> String {
        var digest = SHA256Stream()
        for entry in entries { digest.update(try floats(of: vector, entry)) }
        return digest.hex()
    }

    /// Whether all state is equal, bit for bit.
    func isIdentical(to other: some CheckpointContents) throws -> Bool {
        guard
            model == other.model && phase == other.phase && step == other.step && jobHash == other.jobHash
                && ledger == other.ledger && entries == other.entries
        else { return false }
        for vector in Checkpoint.Vector.allCases {
            for entry in entries {
                guard bitsAreEqual(try floats(of: vector, entry), try other.floats(of: vector, entry)) else {
                    return false
                }
            }
        }
        return true
    }

    /// The error for a state that is never saved.
    ///
    /// - Parameters:
    ///   - bad: How many values of the vector are not finite.
    ///   - position: Where the first is.
    ///   - value: What it is.
    func notFinite(_ vector: Checkpoint.Vector, bad: Int, first position: Int, value: Float) -> CheckpointError {
        let name = entries.last { $0.offset <= position }?.name ?? ""
        return CheckpointError(
            code: .notFinite, path: "",
            message: "\(model), step \(step): \(bad) values of \(vector.rawValue) are not finite, the first is "
                + "\(value) in \(name); a bad state is never saved")
    }
}

/// How many values are infinite or not a number.
func countNotFinite(_ values: UnsafeBufferPointer<Float>) -> Int {
    // An exponent of all ones is infinity or not a number. The sum lets the compiler use vector registers.
    values.reduce(0) { $0 &+ ($1.bitPattern & 0x7f80_0000 == 0x7f80_0000 ? 1 : 0) }
}
