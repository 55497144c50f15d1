import Synchronization

/// A checkpoint in a store that was found to be what its manifest says, open for reading.
///
/// Its vectors stay in the file until they are asked for, and come one parameter at a time: a large model's four take
/// more memory than its training. What is read is what was verified: a small file's image in memory; a larger file stays
/// open, and each time it has changed since, its hash is checked again.
public final class SavedCheckpoint: CheckpointContents, @unchecked Sendable {
    // Safe because it only reads: calls into libhdf5 are serialised, and what changes here is locked.
    /// Its manifest.
    public let manifest: Manifest
    /// SHA-256 of the manifest's bytes.
    let manifestHash: String
    private let store: CheckpointStore
    private let source: InputFile
    private let file: HDF5File
    private let outline: CheckpointOutline
    /// What the file was when it had the right hash; nil when what is read is its image in memory.
    private let verified: Mutex<[Int]?>

    /// A checkpoint whose file has the right hash; the vectors' own hashes are still to be compared.
    ///
    /// - Parameters:
    ///   - store: Where it is.
    ///   - manifest: Its manifest, and the hash of that.
    ///   - source: Its file, as it was opened before it was hashed.
    ///   - file: The same file, or its image in memory.
    ///   - isImage: Whether it is the image.
    ///   - outline: What stands in it.
    init(
        store: CheckpointStore, manifest: (manifest: Manifest, hash: String), source: consuming InputFile,
        file: HDF5File, isImage: Bool, outline: CheckpointOutline
    ) {
        self.store = store
        self.manifest = manifest.manifest
        manifestHash = manifest.hash
        verified = Mutex(isImage ? nil : source.identity)
        self.source = source
        self.file = file
        self.outline = outline
    }

    /// The model.
    public var model: String { outline.model }
    /// The phase that trains it.
    public var phase: String { outline.phase }
    /// The number of updates that made this state.
    public var step: Int { outline.step }
    /// The job's hash.
    public var jobHash: String { outline.jobHash }
    /// The privacy ledger, JSON.
    public var ledger: String { outline.ledger }
    /// The parameters, in bytewise order of their names.
    public var entries: [Checkpoint.Entry] { outline.entries }
    /// SHA-256 of the manifest that the state had in another run, if it was taken from there.
    public var originManifestHash: String? { manifest.originManifestHash }

    /// Reads a vector, one parameter after the other.
    ///
    /// - Parameters:
    ///   - vector: Which.
    ///   - body: Takes the elements of a parameter, and the place of the first in the vector.
    /// - Throws: ``CheckpointError`` with code `damaged` when the file is not what it was any more, ``HDF5Error``,
    ///   ``FileError``, and what `body` throws.
    public func read(
        _ vector: Checkpoint.Vector, _ body: (_ offset: Int, _ floats: [Float]) throws -> Void
    ) throws {
        for entry in entries { try body(entry.offset, floats(of: entry, in: vector)) }
    }

    /// Some elements of one of the flat vectors.
    ///
    /// - Throws: As ``read(_:_:)``.
    public func floats(of vector: Checkpoint.Vector, in range: Range<Int>) throws -> ArraySlice<Float> {
        var parts: [ArraySlice<Float>] = []
        for entry in entries {
            let part = range.clamped(to: entry.offset..<entry.offset + entry.count)
            guard !part.isEmpty else { continue }
            let floats = try floats(of: entry, in: vector)
            parts.append(floats[part.lowerBound - entry.offset..<part.upperBound - entry.offset])
        }
        return parts.count == 1 ? parts[0] : ArraySlice(parts.joined())
    }

    private func floats(of entry: Checkpoint.Entry, in vector: Checkpoint.Vector) throws -> [Float] {
        let floats = try file.read(Float.self, from: "\(vector.rawValue)/\(entry.name)", shape: entry.shape)
        try requireSameBytes()
        return floats
    }

    /// Throws unless the bytes that are read are those that were hashed. Not only what was written changes a file's state,
    /// so the bytes decide.
    private func requireSameBytes() throws {
        guard let known = verified.withLock({ $0 }) else { return }
        // Asked before the bytes are looked at: what changes in between shows the next time.
        let present = source.presentIdentity
        if present == known { return }
        try store.requireHash(manifest, source, path: file.name)
        verified.withLock { $0 = present ?? known }
    }

    /// Throws unless the contents are what the manifest says. The moments, which it has no hashes of, are not read.
    func requireContents() throws {
        let hashes = try (weights: hash(of: .weights), ema: hash(of: .ema))
        let claims = [
            model == manifest.model, step == manifest.step, phase == manifest.phase, jobHash == manifest.jobHash,
            count == manifest.parameters, hashes.weights == manifest.weightsHash, hashes.ema == manifest.emaHash,
        ]
        guard claims.allSatisfy({ $0 }) else {
            throw CheckpointError(
                code: .damaged, path: file.name, message: "its contents are not what the manifest says")
        }
    }

    /// Throws unless the numbers that the manifest has no hashes for can be read.
    func requireMoments() throws {
        for vector in [Checkpoint.Vector.firstMoment, .secondMoment] { try read(vector) { _, _ in } }
    }
}
