import Glibc

extension CheckpointStore {
    /// Saves a checkpoint, complete, durable and verified, or not at all.
    ///
    /// Saving the same state again does nothing. Older checkpoints are not touched: see ``retain(model:newest:)``.
    ///
    /// - Returns: The manifest.
    /// - Throws: ``CheckpointError``: `notFinite` when a value is NaN or infinite, `occupied` when a different valid
    ///   checkpoint of this step is there; ``FileError`` when the disk is full or broken; ``HDF5Error``.
    @discardableResult
    public func save(_ checkpoint: some CheckpointContents) throws -> Manifest {
        try requireModelName(checkpoint.model)
        try checkpoint.requireFinite()
        try prepareForWriting(model: checkpoint.model)
        if let standing = try standing(checkpoint) { return standing }
        let path = path(model: checkpoint.model, step: checkpoint.step)
        let previous = try newestLink(model: checkpoint.model, before: checkpoint.step)
        let (sha256, size) = try write(checkpoint, to: path)
        let manifest = try Manifest(
            checkpoint, file: Self.fileName(checkpoint.step), sha256: sha256, size: size, buildVersion: buildVersion,
            previous: previous)
        try AtomicFile.write(
            manifest.encoded(), to: manifestPath(model: checkpoint.model, step: checkpoint.step), calls: calls)
        // The file was read back and hashed before it got its name; the manifest is read back here.
        guard try manifestAndHash(model: checkpoint.model, step: checkpoint.step).manifest == manifest else {
            throw CheckpointError(code: .damaged, path: path, message: "its manifest reads back different")
        }
        try rememberVerified(manifest, path: path)
        return manifest
    }

    /// The step and the manifest's hash of the newest checkpoint before a step, damaged ones left out.
    ///
    /// - Throws: ``FileError`` for a manifest that is there and cannot be read: the chain would lack a link.
    private func newestLink(model: String, before step: Int) throws -> (step: Int, hash: String)? {
        for older in try steps(model: model) where older < step {
            do {
                return (older, try manifestAndHash(model: model, step: older).hash)
            } catch let error as FileError where ![0, ENOENT, ELOOP].contains(error.number) {
                throw error
            } catch  where Self.canBePassedOver(error) {}
        }
        return nil
    }

    /// The manifest of a valid checkpoint of the same step, when its state is the same; nil when there is none.
    private func standing(_ checkpoint: some CheckpointContents) throws -> Manifest? {
        let path = path(model: checkpoint.model, step: checkpoint.step)
        guard try steps(model: checkpoint.model).contains(checkpoint.step) else { return nil }
        let found: (manifest: Manifest, isSame: Bool)
        do {
            let saved = try load(model: checkpoint.model, step: checkpoint.step)
            found = (saved.manifest, try checkpoint.isIdentical(to: saved))
        } catch  where Self.canBePassedOver(error) {
            return nil
        }
        guard found.isSame else {
            throw CheckpointError(
                code: .occupied, path: path,
                message: "a valid checkpoint of another state stands here and is kept; move it away to save this one")
        }
        return found.manifest
    }

    /// Writes the HDF5 file under its name, durably.
    private func write(_ checkpoint: some CheckpointContents, to path: String) throws -> (sha256: String, size: Int) {
        let estimate = CheckpointEstimate(parameters: checkpoint.count, tensors: checkpoint.entries.count)
        let file = try AtomicFile(path, calls: calls)
        defer { file.discard() }
        var sent: String?
        if estimate.fileBytes <= imageLimit {
            let image = try Self.image(of: checkpoint, label: path, storage: storage)
            sent = sha256Hex(image)
            try file.write(image)
        } else {
            let contents = try HDF5File.create(at: file.temporaryPath, replacing: true)
            try checkpoint.write(to: contents, storage: storage)
            try contents.close()
        }
        var arrived = SHA256Stream()
        var size = 0
        try file.readBack {
            arrived.update($0)
            size += $0.count
        }
        let sha256 = arrived.hex()
        if let sent, sent != sha256 {
            throw CheckpointError(
                code: .damaged, path: file.temporaryPath, message: "what is read back is not what was written")
        }
        if sent == nil { try requireContents(of: checkpoint, in: file.temporaryPath) }
        try file.commit()
        return (sha256, size)
    }

    private static func image(
        of checkpoint: some CheckpointContents, label: String, storage: HDF5Storage
    ) throws -> [UInt8] {
        let file = try HDF5File.createInMemory(label: label)
        try checkpoint.write(to: file, storage: storage)
        return try file.image()
    }

    /// Reads a file that libhdf5 wrote by itself, and compares it with the state, parameter by parameter.
    private func requireContents(of checkpoint: some CheckpointContents, in path: String) throws {
        let file = try HDF5File.open(path: path)
        for vector in Checkpoint.Vector.allCases {
            for entry in checkpoint.entries {
                let name = "\(vector.rawValue)/\(entry.name)"
                let found = try file.read(Float.self, from: name, shape: entry.shape)
                guard bitsAreEqual(found[...], try checkpoint.floats(of: vector, entry)) else {
                    throw CheckpointError(
                        code: .damaged, path: path, message: "\(name) reads back different from what was written")
                }
            }
        }
    }

    // MARK: Retention

    /// Removes checkpoints older than the `count` newest valid ones.
    ///
    /// Valid means found to be what the manifest says, so the newest valid checkpoint always stays, and damaged ones do
    /// not count. What is newer than the oldest that is kept is not touched.
    ///
    /// - Returns: The steps removed.
    /// - Throws: ``FileError``.
    @discardableResult
    public func retain(model: String, newest count: Int) throws -> [Int] {
        precondition(count >= 1, "at least one checkpoint is always kept")
        let steps = try steps(model: model)
        var valid = 0
        guard
            let oldest = try steps.first(where: { step in
                do {
                    _ = try intactManifest(model: model, step: step)
                    valid += 1
                } catch  where Self.canBePassedOver(error) {}
                return valid == count
            })
        else { return [] }
        let removed = steps.filter { $0 < oldest }
        for step in removed {
            // The manifest first: a manifest without its file would look like damage.
            let manifest = manifestPath(model: model, step: step)
            for path in [manifest, path(model: model, step: step), Signature.path(of: manifest)] {
                do {
                    try calls.retrying("remove", path) { calls.unlink(path) }
                } catch let error as FileError where error.number == ENOENT {}
            }
        }
        return removed
    }
}
