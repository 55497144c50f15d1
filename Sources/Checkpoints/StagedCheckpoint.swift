import Glibc

/// A model's state on its way into a checkpoint: copied to a nameless file in the checkpoints' folder, from which the
/// checkpoint is written while training goes on; see ``StagingFile``.
///
/// A copy of a large model in memory would double its memory for as long as the save takes.
///
/// The four vectors are appended one after the other, in the order of ``Checkpoint/Vector``. A failure to write is kept
/// and thrown by the save, like any other of its failures.
public final class StagedCheckpoint: CheckpointContents, @unchecked Sendable {
    // Safe because it is appended to by one thread, and afterwards only read.
    /// The model.
    public let model: String
    /// The phase that trains it.
    public let phase: String
    /// The number of updates that made this state.
    public let step: Int
    /// The job's hash.
    public let jobHash: String
    /// The privacy ledger, JSON.
    public let ledger: String
    /// The parameters, in bytewise order of their names.
    public let entries: [Checkpoint.Entry]

    /// Floats that fit into a core's own cache.
    private static let pieceFloats = 1 << 17

    /// The copy; nil when no file could be made.
    private var file: StagingFile?
    private var failure: (any Error)?
    /// The values of one vector that are not finite.
    private var bad: (vector: Checkpoint.Vector, count: Int, first: Int, value: Float)?
    /// Floats of all vectors appended so far.
    private var appended = 0

    /// Makes room in a store, or takes the room that there is; a failure shows when the checkpoint is saved.
    init(
        model: String, phase: String, step: Int, jobHash: String, ledger: String, entries: [Checkpoint.Entry],
        store: CheckpointStore, room: StagingFile?
    ) {
        self.model = model
        self.phase = phase
        self.step = step
        self.jobHash = jobHash
        self.ledger = ledger
        self.entries = entries
        attempt {
            file = try room ?? StagingFile(in: store, model: model, step: step)
            try file?.rewind()
        }
    }

    /// The file for the next copy, when this one has been saved; nil for a very large model.
    var reusableFile: StagingFile? {
        4 * count * MemoryLayout<Float>.stride <= StagingFile.largestKept ? file : nil
    }

    private func attempt(_ body: () throws -> Void) {
        guard failure == nil else { return }
        do { try body() } catch { failure = error }
    }

    /// Appends elements to the vectors.
    ///
    /// - Precondition: No vector is exceeded.
    public func append(_ floats: Span<Float>) {
        floats.withUnsafeBufferPointer { append(elements: $0) }
    }

    private func append(elements floats: UnsafeBufferPointer<Float>) {
        let (index, position) = (appended / max(count, 1), appended % max(count, 1))
        precondition(
            index < Checkpoint.Vector.allCases.count && position + floats.count <= count,
            "\(floats.count) floats appended to vector \(index) of \(count) at \(position)")
        appended += floats.count
        // Piece by piece, so that what was looked at is written from the processor's cache.
        for start in stride(from: 0, to: floats.count, by: Self.pieceFloats) {
            let piece = UnsafeBufferPointer(rebasing: floats[start..<min(start + Self.pieceFloats, floats.count)])
            note(piece, of: Checkpoint.Vector.allCases[index], at: position + start)
            attempt { try file?.write(UnsafeRawBufferPointer(piece)) }
        }
    }

    private func note(_ floats: UnsafeBufferPointer<Float>, of vector: Checkpoint.Vector, at position: Int) {
        guard bad == nil || bad?.vector == vector else { return }
        let count = countNotFinite(floats)
        bad?.count += count
        guard bad == nil, count > 0, let first = floats.firstIndex(where: { !$0.isFinite }) else { return }
        bad = (vector, count, position + first, floats[first])
    }

    /// Throws unless every value appended so far is finite.
    ///
    /// - Throws: ``CheckpointError`` with code `notFinite`.
    public func requireFinite() throws {
        if let bad { throw notFinite(bad.vector, bad: bad.count, first: bad.first, value: bad.value) }
    }

    /// Some elements of one of the flat vectors, read from the file.
    ///
    /// - Throws: ``FileError``: this read's, or that of the first write that failed.
    /// - Precondition: All four vectors have been appended.
    public func floats(of vector: Checkpoint.Vector, in range: Range<Int>) throws -> ArraySlice<Float> {
        if let failure { throw failure }
        precondition(appended == 4 * count, "a staged checkpoint is saved with \(appended) of \(4 * count) floats")
        let index = Checkpoint.Vector.allCases.firstIndex(of: vector) ?? 0
        let size = MemoryLayout<Float>.stride
        let floats = try [Float](unsafeUninitializedCapacity: range.count) { buffer, initialized in
            try file?.read(
                into: UnsafeMutableRawBufferPointer(buffer), at: (index * count + range.lowerBound) * size)
            initialized = range.count
        }
        return floats[...]
    }
}

extension CheckpointWriter {
    /// Begins to copy a state out of training; to be appended to, then saved.
    ///
    /// - Parameters:
    ///   - model: The model's name.
    ///   - phase: The phase.
    ///   - step: The number of updates, 0 or more.
    ///   - jobHash: The job's hash.
    ///   - ledger: JSON text; without zero bytes.
    ///   - entries: Ascending in bytewise order of names, without gaps from 0 on.
    public func stage(
        model: String, phase: String, step: Int, jobHash: String, ledger: String = "{}", entries: [Checkpoint.Entry]
    ) -> StagedCheckpoint {
        precondition(step >= 0, "a checkpoint's step is 0 or more, not \(step)")
        Checkpoint.requireOrder(of: entries)
        return StagedCheckpoint(
            model: model, phase: phase, step: step, jobHash: jobHash, ledger: ledger, entries: entries, store: store,
            room: takeRoom())
    }
}
