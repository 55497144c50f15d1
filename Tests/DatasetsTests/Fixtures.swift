import Datasets
import Foundation
import Tensor
import Testing

/// Fashion-MNIST as Debian's package dataset-fashion-mnist installs it.
enum Fashion {
    static let directory = "/usr/share/datasets/fashion-mnist/"
    static let training = source("train")
    static let test = source("t10k")

    /// The 60,000 training images, read once.
    static func catalogue() throws -> Catalogue { try loadedTraining.get() }
    /// The 10,000 test images, read once.
    static func testCatalogue() throws -> Catalogue { try loadedTest.get() }

    private static let loadedTraining = Result { try Catalogue.load(training) }
    private static let loadedTest = Result { try Catalogue.load(test) }

    private static func source(_ name: String) -> DataSource {
        DataSource(
            reader: .idx, images: directory + name + "-images-idx3-ubyte.gz",
            labels: directory + name + "-labels-idx1-ubyte.gz", classCount: 10)
    }
}

/// A directory of its own, removed when the test ends.
final class TemporaryDirectory {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("diptych-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file and returns its path.
    func file(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = path + "/" + name
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        return file
    }
}

/// The bytes of an IDX file of unsigned bytes.
func idx(_ dimensions: [Int], _ elements: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = [0, 0, 8, UInt8(dimensions.count)]
    for dimension in dimensions {
        for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: dimension >> shift)) }
    }
    return bytes + elements
}

/// The bytes of a gzip file that stores without compressing (RFC 1951, 3.2.4; RFC 1952).
func gzip(_ content: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255]
    func little(_ value: Int, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    var start = 0
    repeat {
        let end = min(start + 65_535, content.count)
        let length = end - start
        bytes += [end == content.count ? 1 : 0] + little(length, 2) + little(~length, 2) + content[start..<end]
        start = end
    } while start < content.count
    var checksum: UInt32 = ~0
    for byte in content {
        checksum ^= UInt32(byte)
        for _ in 0..<8 { checksum = checksum >> 1 ^ (checksum & 1 == 1 ? 0xEDB8_8320 : 0) }
    }
    return bytes + little(Int(~checksum), 4) + little(content.count, 4)
}

/// Random bytes, the same every time.
func randomBytes(_ count: Int, stream: Int = 0) -> [UInt8] {
    let source = RandomSource(seed: 11, purpose: .testing, model: stream)
    return (0..<count).map { UInt8(truncatingIfNeeded: source.word(step: 0, item: 0, element: $0)) }
}

/// Runs a Python program and returns what it prints.
func python(_ program: String, _ arguments: String...) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", "-c", program] + arguments
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "python3 is needed for this test, and its program must succeed")
    return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
}

/// Expects a `DatasetError` of one kind whose message holds each of some words.
func expectError<T>(
    _ kind: DatasetError.Kind, naming words: [String], sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> T
) {
    do {
        _ = try body()
        Issue.record("no error, expected \(kind)", sourceLocation: sourceLocation)
    } catch let error as DatasetError {
        #expect(error.kind == kind, "\(error)", sourceLocation: sourceLocation)
        for word in words {
            #expect(error.description.contains(word), "'\(word)' in: \(error)", sourceLocation: sourceLocation)
        }
    } catch {
        Issue.record("\(error)", sourceLocation: sourceLocation)
    }
}

/// (N, C, H, W).
func shape(_ images: ImageSet) -> [Int] { [images.count, images.channels, images.height, images.width] }
