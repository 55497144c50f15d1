import Checkpoints
import Foundation
import Testing

/// A folder of its own for a test, removed afterwards.
func withFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appending(path: "diptych-\(UUID().uuidString)").path()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try body(folder)
}

func names(in folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
}

func bytes(of path: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(filePath: path)))
}

func overwrite(_ path: String, _ bytes: [UInt8]) throws {
    try Data(bytes).write(to: URL(filePath: path))
}

/// Entries without gaps for shapes whose names are in bytewise order.
func entries(_ shapes: [(String, [Int])]) -> [Checkpoint.Entry] {
    var offset = 0
    return shapes.map { name, shape in
        let count = shape.reduce(1, *)
        defer { offset += count }
        return Checkpoint.Entry(name: name, shape: shape, offset: offset, count: count)
    }
}

/// Two tiny tensors.
let tinyEntries = entries([("bias", [3]), ("weight", [2, 3])])

/// A checkpoint whose element e of tensor t in vector v is ((7 e + 13 t + 29 v + step - 7) mod 1001 - 500) / 512.
func sample(
    model: String = "teacher-0", step: Int, jobHash: String = "0123abcd", ledger: String = "{}",
    entries: [Checkpoint.Entry] = tinyEntries
) -> Checkpoint {
    func vector(_ number: Int) -> [Float] {
        entries.enumerated().flatMap { tensor, entry in
            (0..<entry.count).map { Float((7 * $0 + 13 * tensor + 29 * number + step - 7) % 1001 - 500) / 512 }
        }
    }
    return Checkpoint(
        model: model, phase: "teach", step: step, jobHash: jobHash, ledger: ledger, entries: entries,
        weights: vector(0), ema: vector(1), firstMoment: vector(2), secondMoment: vector(3))
}

/// A checkpoint of finite floats of which no bit but one can be foretold: the worst that zstd can be given.
func noise(step: Int, entries: [Checkpoint.Entry]) -> Checkpoint {
    var state = UInt64(step)
    let vector = entries.flatMap { entry in
        (0..<entry.count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(bitPattern: UInt32(state >> 32) & 0xbfff_ffff)
        }
    }
    return Checkpoint(
        model: "teacher-0", phase: "teach", step: step, jobHash: "", entries: entries, weights: vector, ema: vector,
        firstMoment: vector, secondMoment: vector)
}

/// Expects all of a checkpoint to be as it was, bit for bit.
func expectIdentical(
    _ found: SavedCheckpoint?, _ expected: Checkpoint, sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let found = try #require(found, sourceLocation: sourceLocation)
    #expect(found.model == expected.model, sourceLocation: sourceLocation)
    #expect(found.phase == expected.phase, sourceLocation: sourceLocation)
    #expect(found.step == expected.step, sourceLocation: sourceLocation)
    #expect(found.jobHash == expected.jobHash, sourceLocation: sourceLocation)
    #expect(found.ledger == expected.ledger, sourceLocation: sourceLocation)
    #expect(found.entries == expected.entries, sourceLocation: sourceLocation)
    for vector in Checkpoint.Vector.allCases {
        let bits = try found.floats(of: vector, in: 0..<found.count).map(\.bitPattern)
        let right = expected.floats(of: vector, in: 0..<expected.count).map(\.bitPattern)
        #expect(bits == right, "\(vector)", sourceLocation: sourceLocation)
    }
}

/// The `CheckpointError` that a piece of code throws.
func checkpointError(
    sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) throws -> CheckpointError {
    try #require(throws: CheckpointError.self, sourceLocation: sourceLocation) { try body() }
}

/// A program's exit code and everything it said.
func run(_ program: String, _ arguments: [String]) throws -> (code: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [program] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: output, as: UTF8.self))
}

/// The repository's folder of golden files and the scripts that make and read them.
let golden = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Golden").path()
