/// What a walk along the chain of one model's manifests found.
public struct ChainReport: Hashable, Sendable {
    /// The first link that does not hold.
    public struct Break: Hashable, Sendable {
        /// The manifest.
        public let path: String
        /// Its step.
        public let step: Int
        /// What is wrong with it.
        public let reason: String
    }

    /// The model.
    public let model: String
    /// Manifests from the oldest on whose place in the chain is right.
    public let links: Int
    /// SHA-256 of the newest manifest among them, which stands for itself and all before it; nil when there is none.
    public let head: String?
    /// The first link that does not hold; nil when all do.
    public let firstBreak: Break?
}

extension CheckpointStore {
    /// Walks along the manifests of every model, from the oldest to the newest: each must be intact and name the one
    /// before it by step and hash. What the oldest names may have been removed by retention.
    ///
    /// - Throws: ``FileError`` when folders cannot be listed, or a manifest cannot be read now.
    public func chains() throws -> [ChainReport] {
        try models().map(chain)
    }

    /// The manifests of all models, sorted.
    public func manifestPaths() throws -> [String] {
        try models().flatMap { model in
            try steps(model: model).reversed().map { manifestPath(model: model, step: $0) }
                .filter { try Folder.contains($0) }
        }
    }

    private func chain(of model: String) throws -> ChainReport {
        var links = 0
        var last: (step: Int, hash: String)?
        func report(_ step: Int, _ reason: String) -> ChainReport {
            ChainReport(
                model: model, links: links, head: last?.hash,
                firstBreak: .init(path: manifestPath(model: model, step: step), step: step, reason: reason))
        }
        for step in try steps(model: model).reversed() {
            let found: (manifest: Manifest, hash: String)
            do {
                found = try manifestAndHash(model: model, step: step)
            } catch let error as FileError where !Self.canBePassedOver(error) {
                throw error
            } catch {
                return report(step, "\(error)")
            }
            let (manifest, hash) = found
            if let last {
                guard let previousStep = manifest.previousStep, let previousHash = manifest.previousManifestHash else {
                    return report(
                        step, "says that it is the first of its chain, but step \(last.step) stands before it")
                }
                guard previousStep == last.step else {
                    return report(
                        step,
                        "follows step \(previousStep), but step \(last.step) stands before it: one was removed or put in"
                    )
                }
                guard previousHash == last.hash else {
                    return report(
                        step,
                        "was saved after another checkpoint of step \(last.step): expected a manifest with SHA-256 "
                            + "\(previousHash), found \(last.hash)")
                }
            }
            links += 1
            last = (step, hash)
        }
        return ChainReport(model: model, links: links, head: last?.hash, firstBreak: nil)
    }
}
