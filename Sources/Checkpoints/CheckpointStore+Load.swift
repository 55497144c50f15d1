import Glibc
import Synchronization

/// A checkpoint that a search passed over, and why.
public struct SkippedCheckpoint: Hashable, Sendable {
    /// The checkpoint's file.
    public let path: String
    /// Its step.
    public let step: Int
    /// What is wrong with it.
    public let reason: String
}

/// What a search for the newest checkpoint of a model found.
public struct CheckpointSearch: Sendable {
    /// The newest valid checkpoint; nil when there is none.
    public let checkpoint: SavedCheckpoint?
    /// The newer ones that are not valid, newest first. A model's very first save, killed before it was complete, never
    /// was a checkpoint and is not listed.
    public let skipped: [SkippedCheckpoint]

    /// Steps between the newest that was saved and the newest that is valid: what damage has cost.
    public var stepsLost: Int { (skipped.map(\.step).max() ?? checkpoint?.step ?? 0) - (checkpoint?.step ?? 0) }
}

/// What `diptych verify` says about a checkpoint.
public struct CheckpointReport: Hashable, Sendable {
    /// The checkpoint's file.
    public let path: String
    /// The model.
    public let model: String
    /// The step.
    public let step: Int
    /// Whether a resume would accept it.
    public let valid: Bool
    /// What is wrong; nil when valid.
    public let reason: String?
    /// The hash of the weights; nil when the manifest cannot be believed.
    public let weightsHash: String?
    /// The hash of the moving average; nil when the manifest cannot be believed.
    public let emaHash: String?
}

extension CheckpointStore {
    /// The newest valid checkpoint of a model. A file's SHA-256 is checked before libhdf5 sees it.
    ///
    /// The numbers of the moments, which have no hash of their own, are read only when they are asked for: in a file with the
    /// right hash they are what was saved.
    ///
    /// - Parameters:
    ///   - model: The model.
    ///   - jobHash: The job that the checkpoint must belong to; nil accepts any.
    ///   - entries: The parameters that it must have; nil accepts any.
    /// - Returns: The checkpoint, with those that were passed over because they are damaged.
    /// - Throws: ``CheckpointError``: `otherJob`, `newerFormat`, `otherParameters`, `invalidName`; ``FileError`` when files
    ///   cannot be read for another reason than damage.
    public func newest(
        model: String, jobHash: String? = nil, entries: [Checkpoint.Entry]? = nil
    ) throws -> CheckpointSearch {
        var skipped: [SkippedCheckpoint] = []
        for step in try steps(model: model) {
            do {
                let found = try load(model: model, step: step, jobHash: jobHash, entries: entries)
                return CheckpointSearch(checkpoint: found, skipped: skipped)
            } catch  where Self.canBePassedOver(error) {
                skipped.append(SkippedCheckpoint(path: path(model: model, step: step), step: step, reason: "\(error)"))
            }
        }
        // A model's first save, killed between its two files, leaves one file without a manifest: never a checkpoint, and
        // no reason not to begin. Several such files are somebody's checkpoints without their manifests.
        if skipped.count == 1, try !Folder.contains(manifestPath(model: model, step: skipped[0].step)) { skipped = [] }
        return CheckpointSearch(checkpoint: nil, skipped: skipped)
    }

    /// The manifest of the newest checkpoint of a model whose file is what the manifest says; nil when there is none.
    ///
    /// - Throws: ``CheckpointError``, ``FileError``, as ``newest(model:jobHash:entries:)``.
    public func newestManifest(model: String) throws -> Manifest? {
        for step in try steps(model: model) {
            do {
                return try intactManifest(model: model, step: step)
            } catch  where Self.canBePassedOver(error) {
                continue
            }
        }
        return nil
    }

    /// Walks along the checkpoints of a model from the newest on, as ``newest(model:jobHash:entries:)`` does, and has the
    /// caller look at each in a way of its own, such as in another process, until one is found good.
    ///
    /// - Parameters:
    ///   - model: The model.
    ///   - isGood: Whether the checkpoint of a manifest is good. Not asked where the manifest cannot be believed: nothing
    ///     reads the file of such a one.
    /// - Throws: ``CheckpointError`` for an invalid name, ``FileError`` when the folder cannot be listed, and what `isGood`
    ///   throws.
    public func search(model: String, until isGood: (Manifest) throws -> Bool) throws {
        for step in try steps(model: model) {
            let believed: Manifest
            do {
                believed = try manifest(model: model, step: step)
            } catch let error as FileError where !Self.canBePassedOver(error) {
                throw error
            } catch {
                continue
            }
            if try isGood(believed) { return }
        }
    }

    /// Whether whoever loads a checkpoint comes as far as its HDF5 file: place in the chain, size and hash are right.
    ///
    /// - Throws: ``FileError`` when that cannot be told now.
    public func isParsed(_ manifest: Manifest) throws -> Bool {
        do {
            try requireChain(manifest)
            try requireFile(manifest, path: path(model: manifest.model, step: manifest.step))
            return true
        } catch let error as FileError where !Self.canBePassedOver(error) {
            throw error
        } catch {
            return false
        }
    }

    /// Examines every checkpoint of every model, to the last number.
    ///
    /// - Throws: ``FileError`` when folders cannot be listed, or a file cannot be read now.
    public func verify() throws -> [CheckpointReport] {
        try verify { try fault(model: $0.model, step: $0.step) }
    }

    /// Examines every checkpoint of every model in a way of the caller's choice, such as in a process of its own: libhdf5
    /// is not made for files of strangers, and who can write the file can write the hash in its manifest, too.
    ///
    /// - Parameter examine: What is wrong with the checkpoint of a manifest; nil when nothing is. Not asked where the
    ///   manifest itself cannot be believed.
    /// - Throws: ``FileError`` when folders cannot be listed, or a manifest cannot be read now, which says nothing about it;
    ///   what `examine` throws.
    public func verify(by examine: (Manifest) throws -> String?) throws -> [CheckpointReport] {
        try models().flatMap { model in
            try steps(model: model).reversed().map { step in
                let (manifest, reason): (Manifest?, String?)
                switch Result(catching: { try self.manifest(model: model, step: step) }) {
                case .success(let believed): (manifest, reason) = (believed, try examine(believed))
                case .failure(let error as FileError) where !Self.canBePassedOver(error): throw error
                case .failure(let error): (manifest, reason) = (nil, "\(error)")
                }
                return CheckpointReport(
                    path: path(model: model, step: step), model: model, step: step, valid: reason == nil,
                    reason: reason, weightsHash: manifest?.weightsHash, emaHash: manifest?.emaHash)
            }
        }
    }

    /// What keeps a checkpoint from being accepted by a resume; nil when nothing does.
    ///
    /// - Throws: ``FileError`` when it cannot be read now, which says nothing about it: a resume ends with that, too.
    public func fault(model: String, step: Int) throws -> String? {
        do {
            try requireModelName(model)
            try load(model: model, step: step).requireMoments()
            return nil
        } catch let error as FileError where !Self.canBePassedOver(error) {
            throw error
        } catch {
            return "\(error)"
        }
    }

    /// A checkpoint, open for reading, all of it checked but the numbers of the moments.
    func load(
        model: String, step: Int, jobHash: String? = nil, entries: [Checkpoint.Entry]? = nil
    ) throws -> SavedCheckpoint {
        let path = path(model: model, step: step)
        let (manifest, manifestHash) = try manifestAndHash(model: model, step: step)
        try requireChain(manifest)
        let source = try InputFile(path)
        try requireSize(manifest, source.size, path: path)
        let isImage = manifest.size <= imageLimit
        let file =
            try isImage
            ? verifiedImage(manifest, source, path: path) : verifiedFile(manifest, source, path: path)
        if let jobHash, manifest.jobHash != jobHash {
            throw CheckpointError(
                code: .otherJob, path: path,
                message: "belongs to job \(manifest.jobHash), not to \(jobHash); give the run another directory")
        }
        let outline = try CheckpointOutline(of: file, expecting: entries, count: manifest.parameters)
        let saved = SavedCheckpoint(
            store: self, manifest: (manifest, manifestHash), source: source, file: file, isImage: isImage,
            outline: outline)
        try saved.requireContents()
        return saved
    }

    /// Opens the file of a manifest after its hash was found right: the bytes that were hashed are the bytes that are
    /// parsed, as long as whoever reads them looks again afterwards.
    private func verifiedFile(_ manifest: Manifest, _ source: borrowing InputFile, path: String) throws -> HDF5File {
        try requireHash(manifest, source, path: path)
        return try HDF5File.open(source)
    }

    /// As ``verifiedFile(_:_:path:)``, of a copy in memory that nobody else can change.
    private func verifiedImage(_ manifest: Manifest, _ source: borrowing InputFile, path: String) throws -> HDF5File {
        let image = try source.bytes(limit: manifest.size)
        try requireHash(manifest, sha256Hex(image), path: path)
        return try HDF5File.open(image: image, label: path)
    }

    /// The manifest of a checkpoint whose file is what it says.
    ///
    /// - Parameter trustingEarlier: Whether a file that this process has verified before, and that has not been written
    ///   to since, is not read again.
    func intactManifest(model: String, step: Int, trustingEarlier: Bool = false) throws -> Manifest {
        let manifest = try manifest(model: model, step: step)
        try requireFile(manifest, path: path(model: model, step: step), trustingEarlier: trustingEarlier)
        return manifest
    }

    private func requireFile(_ manifest: Manifest, path: String, trustingEarlier: Bool = false) throws {
        let file = try InputFile(path)
        try requireSize(manifest, file.size, path: path)
        let known = verified.withLock { $0["\(path) \(manifest.sha256)"] }
        if trustingEarlier, known == file.identity { return }
        try requireHash(manifest, file, path: path)
    }

    /// Throws unless a file has the manifest's hash, and remembers that it has.
    func requireHash(_ manifest: Manifest, _ file: borrowing InputFile, path: String) throws {
        try requireHash(manifest, try file.sha256Hex(), path: path)
        let identity = file.identity
        verified.withLock { $0["\(path) \(manifest.sha256)"] = identity }
    }

    /// Notes that a file has just been read back and found right.
    func rememberVerified(_ manifest: Manifest, path: String) throws {
        let file = try InputFile(path)
        try requireSize(manifest, file.size, path: path)
        let identity = file.identity
        verified.withLock { $0["\(path) \(manifest.sha256)"] = identity }
    }

    private func requireSize(_ manifest: Manifest, _ size: Int, path: String) throws {
        guard size == manifest.size else { throw damaged(path, "has \(size) bytes instead of \(manifest.size)") }
    }

    private func requireHash(_ manifest: Manifest, _ hash: String, path: String) throws {
        guard hash == manifest.sha256 else {
            throw damaged(path, "its SHA-256 is \(hash), the manifest says \(manifest.sha256)")
        }
    }

    private func manifest(model: String, step: Int) throws -> Manifest {
        try manifestAndHash(model: model, step: step).manifest
    }

    /// A manifest that fits its place, and the SHA-256 of its bytes.
    func manifestAndHash(model: String, step: Int) throws -> (manifest: Manifest, hash: String) {
        let path = manifestPath(model: model, step: step)
        let bytes: [UInt8]
        do {
            bytes = try InputFile(path).bytes(limit: Manifest.largest)
        } catch let error as FileError where error.number == ENOENT {
            throw damaged(path, "is missing; the save was interrupted")
        }
        let manifest = try Manifest(bytes, path: path)
        guard manifest.model == model, manifest.step == step, manifest.file == Self.fileName(step) else {
            throw damaged(path, "is the manifest of \(manifest.model), step \(manifest.step)")
        }
        return (manifest, sha256Hex(bytes))
    }

    /// Throws when the manifest of the checkpoint saved before is there and intact, but not the one that was.
    private func requireChain(_ manifest: Manifest) throws {
        guard let step = manifest.previousStep, let hash = manifest.previousManifestHash,
            let previous = try? manifestAndHash(model: manifest.model, step: step), previous.hash != hash
        else { return }
        throw damaged(
            manifestPath(model: manifest.model, step: manifest.step),
            "was saved after another checkpoint of step \(step) than the one that is there")
    }

    private func damaged(_ path: String, _ message: String) -> CheckpointError {
        CheckpointError(code: .damaged, path: path, message: message)
    }

    /// Whether an older checkpoint may stand in for one that failed like this: it is damaged, or gone. A lack of rights,
    /// another job or a newer format would be hidden by that.
    static func canBePassedOver(_ error: any Error) -> Bool {
        switch error {
        case let error as CheckpointError: error.code == .damaged
        case is HDF5Error: true
        case let error as FileError: [0, ENOENT, EIO, ELOOP].contains(error.number)
        default: false
        }
    }
}
