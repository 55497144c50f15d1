import Foundation
import TestSupport

/// A file that a script in Tests/Golden wrote; formula.py describes the format.
struct GoldenFile {
    /// What the script recorded beside the arrays.
    struct Header: Decodable {
        struct Array: Decodable {
            let name: String
            let offset: Int
            let count: Int
        }
        let configuration: String
        let batch: Int
        let tools: [String: String]
        let parameters: [String]
        let shapes: [[Int]]
        let arrays: [Array]
        let loss: Double?
        let losses: [Double]?
        let timesteps: [Int]?
        let labels: [Int]?
        let norms: [Double]?
        let convolution_and_linear_multiply_adds_per_image: Int?
    }

    let header: Header
    private let payload: Data

    /// The folder of golden files and the scripts that write them.
    static let folder = goldenFolder

    /// Reads a committed file; an absent or foreign one is a failure.
    init(named name: String) throws {
        try self.init(contentsOf: GoldenFile.folder.appending(path: name))
    }

    init(contentsOf url: URL) throws {
        let data = try Data(contentsOf: url)
        let magic = Data("DPGOLDEN".utf8)
        guard data.count > 16, data.prefix(8) == magic, GoldenFile.word(data, at: 8) == 1 else {
            throw Failure(description: "\(url.lastPathComponent) is no golden file of version 1; run its script again")
        }
        let length = Int(GoldenFile.word(data, at: 12))
        header = try JSONDecoder().decode(Header.self, from: data[16..<16 + length])
        payload = data[(16 + length)...]
    }

    struct Failure: Error, CustomStringConvertible { let description: String }

    /// An array by name.
    func array(_ name: String) throws -> [Float] {
        guard let place = header.arrays.first(where: { $0.name == name }) else {
            throw Failure(description: "the golden file holds no array \(name)")
        }
        let start = payload.startIndex + 4 * place.offset
        return payload[start..<start + 4 * place.count].withUnsafeBytes { bytes in
            (0..<place.count).map {
                Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)))
            }
        }
    }

    private static func word(_ data: Data, at offset: Int) -> UInt32 {
        data[offset..<offset + 4].withUnsafeBytes { UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self)) }
    }
}
