import Checkpoints
import Foundation
import TestSupport
import Testing

/// Checkpoints that were found and are open: their vectors are read when they are asked for.
@Suite struct SavedCheckpointTests {
    private static let model = "teacher-0"

    /// Fails when a vector is in memory as a whole, or read more often than it is asked for.
    @Test(.disabled(if: isSanitized, "the sanitizer keeps memory that was given back"))
    func oneParameterIsReadAtATime() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "diptych-\(UUID().uuidString)").path()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let shapes = entries((0..<8).map { ("part-\($0)", [512, 1024]) })
        try CheckpointStore(directory: folder, imageLimit: 0, calls: .real).save(noise(step: 1, entries: shapes))
        // In a process of its own, whose memory nobody else takes.
        await #expect(processExitsWith: .success) { [folder = folder as String] in
            let store = CheckpointStore(directory: folder, imageLimit: 0, calls: .real)
            let size = try #require(try store.newestManifest(model: "teacher-0")).size
            ProcessCounts.forgetPeak()
            let (peak, start) = try (ProcessCounts.peakMemory(), ProcessCounts.bytesRead())
            /// Whether so many vectors were read since the start, and the whole file once, for its hash.
            func haveBeenRead(_ vectors: Int) throws -> Bool {
                try abs(ProcessCounts.bytesRead() - start - size - vectors * size / 4) < size / 20
            }
            let found = try #require(try store.newest(model: "teacher-0").checkpoint)
            try #require(try haveBeenRead(2), "weights and average have hashes of their own")
            try found.read(.ema) { _, _ in }
            try #require(try haveBeenRead(3))
            for vector in Checkpoint.Vector.allCases { try found.read(vector) { _, _ in } }
            try #require(try haveBeenRead(7))
            let taken = try ProcessCounts.peakMemory() - peak
            try #require(taken < 4 * found.count, "\(taken) bytes for vectors of \(4 * found.count)")
        }
    }

    /// Puts other bytes into a file, which stays the same file.
    private func write(_ bytes: [UInt8], into path: String) throws {
        // Files are dated by a clock that ticks every few milliseconds.
        usleep(30_000)
        let handle = try #require(FileHandle(forWritingAtPath: path))
        try handle.truncate(atOffset: 0)
        try handle.write(contentsOf: Data(bytes))
        try handle.close()
    }

    /// Fails when what is written into a large file after it was examined is believed: of the moments there is no other hash.
    @Test func whatIsWrittenIntoAnOpenFileIsNotBelieved() throws {
        try withFolder { folder in
            let (store, other) = (
                CheckpointStore(directory: "\(folder)/a", imageLimit: 0, calls: .real),
                CheckpointStore(directory: "\(folder)/b", imageLimit: 0, calls: .real)
            )
            let state = sample(step: 3)
            try store.save(state)
            try other.save(
                Checkpoint(
                    model: state.model, phase: state.phase, step: state.step, jobHash: state.jobHash,
                    entries: state.entries, weights: state.weights, ema: state.ema,
                    firstMoment: state.firstMoment.map { -$0 }, secondMoment: state.secondMoment))
            let path = store.path(model: Self.model, step: 3)
            let right = try bytes(of: path)
            let wrong = try bytes(of: other.path(model: Self.model, step: 3))
            #expect(right.count == wrong.count && right != wrong)
            let found = try #require(try store.newest(model: Self.model).checkpoint)
            try expectIdentical(found, state)
            try write(wrong, into: path)
            for vector in Checkpoint.Vector.allCases {
                let error = try checkpointError { try found.read(vector) { _, _ in } }
                #expect(error.code == .damaged && error.description.contains("its SHA-256 is"), "\(error)")
            }
            // The bytes count, not when they were written, nor who may.
            try write(right, into: path)
            chmod(path, 0o400)
            try expectIdentical(found, state)
        }
    }

    /// Fails when a file is opened again by its name.
    @Test(arguments: [0, 256 << 20]) func anotherFileUnderTheNameIsNotRead(imageLimit: Int) throws {
        try withFolder { folder in
            let store = CheckpointStore(directory: folder, imageLimit: imageLimit, calls: .real)
            try store.save(sample(step: 3))
            let path = store.path(model: Self.model, step: 3)
            let found = try #require(try store.newest(model: Self.model).checkpoint)
            usleep(30_000)
            try FileManager.default.moveItem(atPath: path, toPath: path + ".moved")
            try overwrite(path, Array("not examined".utf8))
            try expectIdentical(found, sample(step: 3))
        }
    }

    /// Fails when a small file is not read as it was when it was hashed.
    @Test func aSmallFileIsReadFromMemory() throws {
        try withFolder { folder in
            let store = CheckpointStore(directory: folder)
            try store.save(sample(step: 3))
            let found = try #require(try store.newest(model: Self.model).checkpoint)
            try write(Array("something else".utf8), into: store.path(model: Self.model, step: 3))
            try expectIdentical(found, sample(step: 3))
        }
    }
}
