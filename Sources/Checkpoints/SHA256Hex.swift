import Crypto

/// SHA-256 of some bytes, as 64 lower-case hexadecimal digits.
///
/// - Parameter bytes: What to hash, at once in memory.
public func sha256Hex(_ bytes: [UInt8]) -> String {
    var digest = SHA256Stream()
    digest.update(bytes)
    return digest.hex()
}

/// SHA-256 of numbers as their float32 little-endian bytes, as 64 lower-case hexadecimal digits.
public func sha256Hex(_ scalars: [Float]) -> String {
    var digest = SHA256Stream()
    digest.update(scalars[...])
    return digest.hex()
}

/// SHA-256 of a file's contents, read in pieces, as 64 lower-case hexadecimal digits.
///
/// - Parameter path: A regular file; a symbolic link is refused.
/// - Throws: ``FileError`` when the file cannot be opened or read.
public func sha256Hex(ofFile path: String) throws -> String {
    try InputFile(path).sha256Hex()
}

/// SHA-256 of a stream of bytes that comes in pieces.
public struct SHA256Stream: Sendable {
    private var function = SHA256()

    /// A hash of nothing yet.
    public init() {}

    /// Hashes some more bytes.
    public mutating func update(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { function.update(bufferPointer: $0) }
    }

    /// Hashes the float32 little-endian bytes of some numbers.
    public mutating func update(_ scalars: ArraySlice<Float>) {
        // Every machine that Swift on Linux runs on keeps numbers in little-endian order.
        scalars.withUnsafeBytes { function.update(bufferPointer: $0) }
    }

    /// Hashes bytes in place.
    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        function.update(bufferPointer: bytes)
    }

    /// The hash of all bytes so far, as 64 lower-case hexadecimal digits.
    public func hex() -> String {
        hexadecimal(function.finalize())
    }
}

/// Bytes as lower-case hexadecimal digits, two a byte.
func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
}
