import Foundation
import Testing

/// An `.npz` archive with one array of images, read by the rules of ZIP and NumPy alone.
struct ImageArray {
    /// Images, height, width, channels.
    let shape: [Int]
    let pixels: [UInt8]

    /// Reads `arr_0`.
    ///
    /// - Throws: `TestFailure` unless the file is a ZIP whose first member is an uncompressed array of bytes.
    init(path: String) throws {
        guard let bytes = FileManager.default.contents(atPath: path).map({ [UInt8]($0) }) else {
            throw TestFailure("\(path) is not there")
        }
        func number(_ offset: Int, bytes count: Int) -> Int {
            (0..<count).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
        }
        guard bytes.count > 30, number(0, bytes: 4) == 0x0403_4b50 else { throw TestFailure("\(path) is no ZIP file") }
        let nameEnd = 30 + number(26, bytes: 2)
        let name = String(decoding: bytes[30..<nameEnd], as: UTF8.self)
        guard name == "arr_0.npy", number(8, bytes: 2) == 0 else {
            throw TestFailure("\(path) begins with \(name), method \(number(8, bytes: 2)); expected arr_0.npy, stored")
        }
        let start = nameEnd + number(28, bytes: 2)
        let size = number(18, bytes: 4)
        guard Array(bytes[start..<start + 6]) == [0x93] + Array("NUMPY".utf8) else {
            throw TestFailure("\(path): arr_0.npy is no NumPy array")
        }
        let dataStart = start + 10 + number(start + 8, bytes: 2)
        let header = String(decoding: bytes[start + 10..<dataStart], as: UTF8.self)
        guard header.contains("'descr': '|u1'"), header.contains("'fortran_order': False"),
            let match = header.firstMatch(of: /'shape': \(([0-9, ]+)\)/)
        else { throw TestFailure("\(path): the header is \(header)") }
        shape = match.1.split(separator: ",").compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
        pixels = Array(bytes[dataStart..<start + size])
        guard pixels.count == shape.reduce(1, *) else {
            throw TestFailure("\(path): \(pixels.count) pixels in an array of shape \(shape)")
        }
    }
}

/// The size of a PNG file whose chunks are all there and whole.
///
/// - Throws: `TestFailure` when a checksum is wrong, or the file does not go from IHDR over IDAT to IEND.
func sizeOfPNG(_ path: String) throws -> (width: Int, height: Int) {
    guard let bytes = FileManager.default.contents(atPath: path).map({ [UInt8]($0) }) else {
        throw TestFailure("\(path) is not there")
    }
    guard bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) else {
        throw TestFailure("\(path) is no PNG file")
    }
    func number(_ offset: Int) -> Int { (0..<4).reduce(0) { $0 << 8 | Int(bytes[offset + $1]) } }
    var kinds: [String] = []
    var offset = 8
    while offset + 12 <= bytes.count {
        let end = offset + 8 + number(offset)
        guard end + 4 <= bytes.count, crc32(bytes[(offset + 4)..<end]) == UInt32(number(end)) else {
            throw TestFailure("\(path): a chunk is damaged at byte \(offset)")
        }
        kinds.append(String(decoding: bytes[(offset + 4)..<(offset + 8)], as: UTF8.self))
        offset = end + 4
    }
    guard offset == bytes.count, kinds.first == "IHDR", kinds.contains("IDAT"), kinds.last == "IEND" else {
        throw TestFailure("\(path) has the chunks \(kinds)")
    }
    return (number(16), number(20))
}

/// The checksum of PNG (ISO 3309).
private func crc32(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    ~bytes.reduce(0xFFFF_FFFF as UInt32) { sum, byte in
        (0..<8).reduce(sum ^ UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
    }
}

/// Expects a grid and an array of a number of Fashion-MNIST's images.
func expectImages(
    _ base: String, count: Int, sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let array = try ImageArray(path: base + ".npz")
    #expect(array.shape == [count, 28, 28, 1], sourceLocation: sourceLocation)
    #expect(Set(array.pixels).count > 16, "the images are empty", sourceLocation: sourceLocation)
    let images = stride(from: 0, to: array.pixels.count, by: 784).map { Array(array.pixels[$0..<$0 + 784]) }
    #expect(Set(images).count == count, "two images are the same", sourceLocation: sourceLocation)
    let size = try sizeOfPNG(base + ".png")
    #expect(size.width * size.height >= count * 784, sourceLocation: sourceLocation)
}
