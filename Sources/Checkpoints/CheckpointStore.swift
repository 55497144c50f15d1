import Synchronization

/// The checkpoints of a run: one folder for each model, in it `step-00002000.h5` with its manifest
/// `step-00002000.json`.
///
/// A checkpoint exists once its manifest does. Different processes may write different models; a model has one writer
/// at a time. Opening a store changes nothing; the first save of a model creates its folder and removes what a killed
/// save has left there.
public final class CheckpointStore: Sendable {
    /// The folder of all models.
    public let directory: String
    /// Checkpoints up to this many bytes are built in memory, larger ones in their temporary file.
    let imageLimit: Int
    let storage: HDF5Storage
    let buildVersion: String
    let calls: SystemCalls
    /// Models whose folder this process has made ready for writing.
    private let prepared = Mutex<Set<String>>([])
    /// Files whose contents this process has found to be what their manifest says.
    let verified = Mutex<[String: [Int]]>([:])

    /// A store; nothing is read or written yet.
    ///
    /// - Parameters:
    ///   - directory: The folder of all models, `runs/NAME/checkpoints`; created by the first save.
    ///   - buildVersion: The program's version, for the manifests.
    ///   - storage: How parameters lie in new files.
    public convenience init(
        directory: String, buildVersion: String = "unknown", storage: HDF5Storage = .compressed()
    ) {
        self.init(
            directory: directory, buildVersion: buildVersion, storage: storage,
            imageLimit: CheckpointEstimate.largestImage,
            calls: .real)
    }

    /// A store with a limit and system calls of a test's choice.
    package init(
        directory: String, buildVersion: String = "unknown", storage: HDF5Storage = .compressed(), imageLimit: Int,
        calls: SystemCalls
    ) {
        self.directory = directory
        self.buildVersion = buildVersion
        self.storage = storage
        self.imageLimit = imageLimit
        self.calls = calls
    }

    // MARK: Names

    /// The models that have a folder, sorted.
    public func models() throws -> [String] {
        try Folder.names(directory).filter { try Self.isModelName($0) && Folder.exists("\(directory)/\($0)") }
    }

    /// The path of a checkpoint.
    public func path(model: String, step: Int) -> String {
        "\(directory)/\(model)/\(Self.fileName(step))"
    }

    /// The path of a checkpoint's manifest.
    public func manifestPath(model: String, step: Int) -> String {
        "\(directory)/\(model)/\(Self.fileName(step, extension: "json"))"
    }

    static func fileName(_ step: Int, extension suffix: String = "h5") -> String {
        let digits = String(step)
        return "step-" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits + ".\(suffix)"
    }

    /// The step in a file's name; nil for any other name.
    static func step(of name: String) -> Int? {
        guard let match = name.wholeMatch(of: /step-([0-9]{8,18})\.(h5|json)/), let step = Int(match.1) else {
            return nil
        }
        return fileName(step, extension: String(match.2)) == name ? step : nil
    }

    /// All steps of which there is a checkpoint or a manifest, newest first.
    func steps(model: String) throws -> [Int] {
        try requireModelName(model)
        return Set(try Folder.names("\(directory)/\(model)").compactMap(Self.step)).sorted(by: >)
    }

    private static func isModelName(_ name: String) -> Bool {
        name.wholeMatch(of: /[a-z0-9_-][a-z0-9._-]{0,63}/) != nil
    }

    func requireModelName(_ name: String) throws {
        guard Self.isModelName(name) else {
            throw CheckpointError(
                code: .invalidName, path: directory,
                message: "\"\(name)\" cannot name a model: up to 64 lower-case letters, digits, -, _ and . are allowed")
        }
    }

    // MARK: Writing

    /// Makes a model's folder ready: creates it, and removes what a killed process has left behind: temporary files, and
    /// checkpoints whose manifest retention had already removed.
    ///
    /// Called by the first ``save(_:)`` of a model; earlier by hand where problems should show before the training.
    ///
    /// - Throws: ``FileError``, ``CheckpointError`` for an invalid name.
    public func prepareForWriting(model: String) throws {
        try requireModelName(model)
        // One thread at a time: of two, each would find removed what it is about to remove.
        try prepared.withLock { prepared in
            if prepared.contains(model) { return }
            try removeLeftovers(of: model)
            prepared.insert(model)
        }
    }

    private func removeLeftovers(of model: String) throws {
        let folder = "\(directory)/\(model)"
        try Folder.create(folder)
        let names = try Folder.names(folder)
        // Retention begins with the oldest, so what lacks a manifest and is older than every manifest was its prey.
        let oldest = names.filter { $0.hasSuffix(".json") }.compactMap(Self.step).min() ?? 0
        let leftovers = names.filter { name in
            if let final = AtomicFile.finalName(ofLeftover: name) { return Self.step(of: final) != nil }
            let signed = name.hasSuffix(".sig") ? String(name.dropLast(4)) : name
            return Self.step(of: signed).map { $0 < oldest } ?? false
        }
        for name in leftovers {
            try calls.retrying("remove", "\(folder)/\(name)") { calls.unlink("\(folder)/\(name)") }
        }
    }
}
