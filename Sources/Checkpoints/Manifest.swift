import Foundation

/// The small JSON file beside a checkpoint that says what the checkpoint must be.
///
/// Equal contents make equal bytes. The manifest protects itself: `manifest_sha256` is the SHA-256 of its own bytes with
/// 64 zeros in that place. Manifests of one model form a chain, each holding the hash of the one saved before it.
public struct Manifest: Hashable, Sendable {
    /// The checkpoint's file name, in the same folder.
    public let file: String
    /// SHA-256 of the checkpoint's bytes.
    public let sha256: String
    /// The number of its bytes.
    public let size: Int
    /// The model.
    public let model: String
    /// The phase.
    public let phase: String
    /// The number of updates.
    public let step: Int
    /// The number of parameters.
    public let parameters: Int
    /// The job's hash.
    public let jobHash: String
    /// SHA-256 over the float32 little-endian bytes of the weights, row-major, names sorted bytewise.
    public let weightsHash: String
    /// The same over the moving average.
    public let emaHash: String
    /// The step of the checkpoint saved before this one; nil for the first.
    public let previousStep: Int?
    /// SHA-256 of that checkpoint's manifest; nil for the first.
    public let previousManifestHash: String?
    /// SHA-256 of the manifest that the state had in another run, if it was taken from there.
    public let originManifestHash: String?
    /// The version of the format.
    public let formatVersion: Int
    /// The version of the program that wrote it.
    public let buildVersion: String

    /// The largest manifest that is read, in bytes.
    static let largest = 1 << 16

    private static let selfHashLabel = Array(#""manifest_sha256": ""#.utf8)
    private static let zeros = String(repeating: "0", count: 64)

    /// The file's bytes: one object, keys sorted, one a line.
    public func encoded() -> [UInt8] {
        let fields: [(String, String?)] = [
            ("build_version", Self.quoted(buildVersion)), ("ema_sha256", Self.quoted(emaHash)),
            ("file", Self.quoted(file)), ("format", Self.quoted(Checkpoint.format)),
            ("format_version", String(formatVersion)), ("job_hash", Self.quoted(jobHash)),
            ("manifest_sha256", Self.quoted(Self.zeros)), ("model", Self.quoted(model)),
            ("origin_manifest_sha256", originManifestHash.map(Self.quoted)),
            ("parameters", String(parameters)), ("phase", Self.quoted(phase)),
            ("previous_manifest_sha256", previousManifestHash.map(Self.quoted) ?? "null"),
            ("previous_step", previousStep.map { String($0) } ?? "null"), ("sha256", Self.quoted(sha256)),
            ("size", String(size)), ("step", String(step)), ("weights_sha256", Self.quoted(weightsHash)),
        ]
        let lines = fields.compactMap { name, value in value.map { #"  "\#(name)": \#($0)"# } }
        var bytes = Array(("{\n" + lines.joined(separator: ",\n") + "\n}\n").utf8)
        guard let place = Self.selfHashPlace(bytes) else { preconditionFailure("a manifest lacks its own hash") }
        bytes.replaceSubrange(place, with: sha256Hex(bytes).utf8)
        return bytes
    }

    /// Reads a manifest.
    ///
    /// - Parameters:
    ///   - bytes: The file.
    ///   - path: Its name, for errors.
    /// - Throws: ``CheckpointError``: `damaged` when a byte has changed, `newerFormat`.
    public init(_ bytes: [UInt8], path: String) throws {
        func damaged(_ reason: String) -> CheckpointError {
            CheckpointError(code: .damaged, path: path, message: "the manifest is damaged: \(reason)")
        }
        guard let place = Self.selfHashPlace(bytes) else { throw damaged("it does not hold its own hash") }
        var blank = bytes
        blank.replaceSubrange(place, with: Self.zeros.utf8)
        let found = String(decoding: bytes[place], as: UTF8.self)
        guard found == sha256Hex(blank) else { throw damaged("its contents do not fit its own hash") }
        do {
            let version = try JSONDecoder().decode(Version.self, from: Data(bytes)).format_version
            if version > Checkpoint.formatVersion { throw Checkpoint.newerFormat(version, path: path) }
            let fields = try JSONDecoder().decode(Fields.self, from: Data(bytes))
            guard fields.format == Checkpoint.format else { throw damaged("it is of another format, \(fields.format)") }
            self.init(fields)
        } catch let error as DecodingError {
            throw damaged("\(error)")
        }
    }

    /// Where in a manifest's bytes the 64 digits of its own hash stand.
    private static func selfHashPlace(_ bytes: [UInt8]) -> Range<Int>? {
        guard let label = bytes.firstRange(of: selfHashLabel), label.upperBound + 64 <= bytes.count else { return nil }
        return label.upperBound..<label.upperBound + 64
    }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\u{0}"..<"\u{20}":
                quoted += "\\u00" + hexadecimal(CollectionOfOne(UInt8(truncatingIfNeeded: scalar.value)))
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}

extension Manifest {
    private struct Version: Decodable {
        let format_version: Int
    }

    private struct Fields: Decodable {
        let build_version, ema_sha256, file, format: String
        let format_version: Int
        let job_hash, model, phase: String
        let origin_manifest_sha256: String?
        let parameters: Int
        let previous_manifest_sha256: String?
        let previous_step: Int?
        let sha256: String
        let size, step: Int
        let weights_sha256: String
    }

    private init(_ fields: Fields) {
        file = fields.file
        sha256 = fields.sha256
        size = fields.size
        model = fields.model
        phase = fields.phase
        step = fields.step
        parameters = fields.parameters
        jobHash = fields.job_hash
        weightsHash = fields.weights_sha256
        emaHash = fields.ema_sha256
        previousStep = fields.previous_step
        previousManifestHash = fields.previous_manifest_sha256
        originManifestHash = fields.origin_manifest_sha256
        formatVersion = fields.format_version
        buildVersion = fields.build_version
    }

    /// The manifest of a checkpoint that lies in a file.
    init(
        _ checkpoint: some CheckpointContents, file: String, sha256: String, size: Int, buildVersion: String,
        previous: (step: Int, hash: String)?
    ) throws {
        self.file = file
        self.sha256 = sha256
        self.size = size
        model = checkpoint.model
        phase = checkpoint.phase
        step = checkpoint.step
        parameters = checkpoint.count
        jobHash = checkpoint.jobHash
        weightsHash = try checkpoint.hash(of: .weights)
        emaHash = try checkpoint.hash(of: .ema)
        previousStep = previous?.step
        previousManifestHash = previous?.hash
        originManifestHash = checkpoint.originManifestHash
        formatVersion = Checkpoint.formatVersion
        self.buildVersion = buildVersion
    }
}
