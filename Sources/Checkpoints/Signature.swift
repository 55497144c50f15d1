import Crypto
import Foundation

/// Signatures of files with Ed25519 (RFC 8032): 64 bytes in `FILE.sig`, over the file's bytes as they are.
///
/// Keys are PEM files as `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout` write them, and
/// `openssl pkeyutl -verify -rawin` checks the signatures too.
public enum Signature {
    /// Bytes of a signature.
    static let size = 64

    /// The file that holds a file's signature.
    public static func path(of file: String) -> String { file + ".sig" }

    /// The 32 bytes of a key in a PEM file, whose DER frame is fixed for Ed25519 (RFC 8410).
    fileprivate static func key(_ path: String, label: String, frame: [UInt8]) throws -> [UInt8] {
        let text = String(decoding: try InputFile(path).bytes(limit: 4096), as: UTF8.self)
        let lines = text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
        guard let begin = lines.firstIndex(of: "-----BEGIN \(label)-----"),
            let end = lines[begin...].firstIndex(of: "-----END \(label)-----"),
            let bytes = Data(base64Encoded: lines[(begin + 1)..<end].joined()), bytes.count == frame.count + 32,
            bytes.starts(with: frame)
        else {
            throw CheckpointError(
                code: .invalidKey, path: path,
                message: "is no \(label.lowercased()) of Ed25519 in PEM, as `openssl genpkey -algorithm ed25519` and "
                    + "`openssl pkey -pubout` write them")
        }
        return Array(bytes.suffix(32))
    }
}

/// A private key that signs files.
public struct SigningKey: Sendable {
    private let key: Curve25519.Signing.PrivateKey

    /// Reads a key.
    ///
    /// - Parameter path: A PEM file, not a symbolic link.
    /// - Throws: ``CheckpointError`` with code `invalidKey`, ``FileError``.
    public init(path: String) throws {
        let frame: [UInt8] = [0x30, 0x2E, 2, 1, 0, 0x30, 5, 6, 3, 0x2B, 0x65, 0x70, 4, 0x22, 4, 0x20]
        let bytes = try Signature.key(path, label: "PRIVATE KEY", frame: frame)
        key = try Curve25519.Signing.PrivateKey(rawRepresentation: bytes)
    }

    /// Signs a file; the signature appears beside it whole or not at all.
    ///
    /// - Throws: ``FileError``.
    public func sign(_ file: String, limit: Int = 1 << 20) throws {
        try sign(file, holding: InputFile(file).bytes(limit: limit))
    }

    /// Signs a file by the bytes that it must hold, whoever may have written to it since.
    func sign(_ file: String, holding bytes: [UInt8]) throws {
        try AtomicFile.write(Array(key.signature(for: bytes)), to: Signature.path(of: file))
    }
}

/// A public key that checks signatures.
public struct VerifyingKey: Sendable {
    private let key: Curve25519.Signing.PublicKey

    /// Reads a key.
    ///
    /// - Parameter path: A PEM file, not a symbolic link.
    /// - Throws: ``CheckpointError`` with code `invalidKey`, ``FileError``.
    public init(path: String) throws {
        let frame: [UInt8] = [0x30, 0x2A, 0x30, 5, 6, 3, 0x2B, 0x65, 0x70, 3, 0x21, 0]
        let bytes = try Signature.key(path, label: "PUBLIC KEY", frame: frame)
        key = try Curve25519.Signing.PublicKey(rawRepresentation: bytes)
    }

    /// What is wrong with a file's signature; nil when it is right.
    ///
    /// - Throws: ``FileError`` when one of the two cannot be read now, which says nothing about them.
    public func fault(of file: String, limit: Int = 1 << 20) throws -> String? {
        do {
            return try fault(of: file, holding: InputFile(file).bytes(limit: limit))
        } catch {
            return try Self.words(error)
        }
    }

    /// What is wrong with the signature of a file whose bytes were read before; nil when it is right.
    func fault(of file: String, holding bytes: [UInt8]) throws -> String? {
        do {
            let signature = try InputFile(Signature.path(of: file)).bytes(limit: Signature.size)
            return key.isValidSignature(signature, for: bytes) ? nil : "\(file): its signature is not of this key"
        } catch {
            return try Self.words(error)
        }
    }

    private static func words(_ error: any Error) throws -> String {
        guard let error = error as? FileError else { return "\(error)" }
        guard CheckpointStore.canBePassedOver(error) else { throw error }
        return error.number == ENOENT ? "\(error.path): is missing" : "\(error)"
    }
}
