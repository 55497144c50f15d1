/// A checkpoint of another run on its way into this one, which would have come to the same state: copied to a nameless file
/// beside this run's checkpoints, so that the save, which reads it several times, unpacks nothing of the other's again.
public struct TakenCheckpoint: CheckpointContents {
    /// The checkpoint of the other run.
    public let source: SavedCheckpoint
    private let copy: StagedCheckpoint

    /// Copies a checkpoint.
    ///
    /// - Parameters:
    ///   - source: The other run's.
    ///   - jobHash: This run's job.
    ///   - store: Where it will be saved.
    /// - Throws: What reading throws; what writing throws comes with the save.
    init(_ source: SavedCheckpoint, jobHash: String, in store: CheckpointStore) throws {
        self.source = source
        copy = StagedCheckpoint(
            model: source.model, phase: source.phase, step: source.step, jobHash: jobHash, ledger: source.ledger,
            entries: source.entries, store: store, room: nil)
        for vector in Checkpoint.Vector.allCases {
            try source.read(vector) { [copy] _, floats in copy.append(floats.span) }
        }
    }

    /// The model.
    public var model: String { copy.model }
    /// The phase that trains it.
    public var phase: String { copy.phase }
    /// The number of updates that made this state.
    public var step: Int { copy.step }
    /// The job of the run that it is saved in.
    public var jobHash: String { copy.jobHash }
    /// The privacy ledger, JSON.
    public var ledger: String { copy.ledger }
    /// The parameters, in bytewise order of their names.
    public var entries: [Checkpoint.Entry] { copy.entries }
    /// SHA-256 of the manifest that the state has in the other run.
    public var originManifestHash: String? { source.manifestHash }

    /// Some elements of one of the flat vectors.
    ///
    /// - Throws: ``FileError``.
    public func floats(of vector: Checkpoint.Vector, in range: Range<Int>) throws -> ArraySlice<Float> {
        try copy.floats(of: vector, in: range)
    }

    /// Throws unless every value is finite.
    ///
    /// - Throws: ``CheckpointError`` with code `notFinite`.
    public func requireFinite() throws { try copy.requireFinite() }
}

extension CheckpointStore {
    /// A checkpoint for another run that would have come to it, all of it checked.
    ///
    /// - Parameters:
    ///   - model: The model.
    ///   - step: The step.
    ///   - jobHash: The job that the checkpoint must belong to.
    ///   - newJobHash: The other run's job, under which that run may save it.
    ///   - store: The other run's checkpoints.
    ///   - entries: The parameters that it must have.
    /// - Throws: ``CheckpointError``, ``HDF5Error``, ``FileError``: whatever is wrong with it, or missing.
    public func taken(
        model: String, step: Int, jobHash: String, for newJobHash: String, in store: CheckpointStore,
        entries: [Checkpoint.Entry]
    ) throws -> TakenCheckpoint {
        try TakenCheckpoint(
            load(model: model, step: step, jobHash: jobHash, entries: entries), jobHash: newJobHash, in: store)
    }
}
