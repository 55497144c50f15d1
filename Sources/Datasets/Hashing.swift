import Crypto

/// A SHA-256 digest, 32 bytes.
public struct Digest256: Hashable, Sendable, CustomStringConvertible {
    private let words: SIMD4<UInt64>

    /// Makes a digest from its bytes.
    ///
    /// - Precondition: there are 32.
    public init(bytes: some Collection<UInt8>) {
        precondition(bytes.count == 32, "a SHA-256 digest has 32 bytes, not \(bytes.count)")
        var words = SIMD4<UInt64>()
        for (index, byte) in bytes.enumerated() { words[index / 8] = words[index / 8] << 8 | UInt64(byte) }
        self.words = words
    }

    /// The 32 bytes.
    public var bytes: [UInt8] {
        (0..<32).map { UInt8(truncatingIfNeeded: words[$0 / 8] >> UInt64(56 - $0 % 8 * 8)) }
    }

    /// 64 hexadecimal digits.
    public var description: String {
        (0..<4).map { index in
            let digits = String(words[index], radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    /// The digest of some bytes.
    static func of(_ bytes: [UInt8]) -> Digest256 {
        bytes.withUnsafeBytes { unsafeDigest($0) }
    }

    /// The digest of each image over its pixels.
    static func ofImages(_ images: ImageSet) -> [Digest256] {
        images.pixels.withUnsafeBytes { buffer in
            (0..<images.count).map { unsafeDigest(UnsafeRawBufferPointer(rebasing: buffer[images.range(of: $0)])) }
        }
    }

    private static func unsafeDigest(_ buffer: UnsafeRawBufferPointer) -> Digest256 {
        var function = SHA256()
        function.update(bufferPointer: buffer)
        return function.finalize().withUnsafeBytes { Digest256(bytes: $0) }
    }
}
