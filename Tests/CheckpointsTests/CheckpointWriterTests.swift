import Checkpoints
import Foundation
import Glibc
import Synchronization
import Testing

@Suite struct CheckpointWriterTests {
    @Test func savesInTheBackgroundAndRetains() throws {
        try withFolder { folder in
            let store = CheckpointStore(directory: folder)
            let writer = CheckpointWriter(store: store, keeping: 2)
            for step in 1...5 { try writer.save(sample(step: step)) }
            try writer.finish()
            #expect(writer.takeSaved().map(\.step) == [1, 2, 3, 4, 5])
            #expect(writer.takeSaved().isEmpty && !writer.isSaving)
            #expect(try store.verify().map(\.step) == [4, 5])
            try writer.finish()
        }
    }

    @Test func trainingGoesOnMeanwhile() throws {
        try withFolder { folder in
            let gate = DispatchSemaphore(value: 0)
            var calls = SystemCalls.real
            calls.synchronize = { descriptor in
                gate.wait()
                gate.signal()
                return SystemCalls.real.synchronize(descriptor)
            }
            let store = CheckpointStore(directory: folder, imageLimit: 256 << 20, calls: calls)
            let writer = CheckpointWriter(store: store, keeping: 1)
            try writer.save(sample(step: 1))
            // The save hangs at the medium, and this thread is here.
            #expect(writer.isSaving)
            #expect(writer.takeSaved().isEmpty)
            gate.signal()
            try writer.finish()
            #expect(writer.takeSaved().map(\.step) == [1])
        }
    }

    /// One nameless file serves all copies of a model, made before the first; after a failed save it is given up, for
    /// it may be what fills the disk.
    @Test func copiesShareOneFile() throws {
        try withFolder { folder in
            let made = Mutex<[String]>([])
            let full = Atomic<Bool>(false)
            var calls = SystemCalls.real
            calls.open = { path, flags, mode in
                if flags & O_EXCL != 0, flags & O_RDWR != 0 { made.withLock { $0.append(path) } }
                return SystemCalls.real.open(path, flags, mode)
            }
            calls.rename = { full.load(ordering: .relaxed) ? -Int(ENOSPC) : SystemCalls.real.rename($0, $1) }
            let store = CheckpointStore(directory: folder, imageLimit: 256 << 20, calls: calls)
            let writer = CheckpointWriter(store: store, keeping: 3)
            /// Makes a copy of a sample, saves it, and says how many files were made before it was saved.
            func save(_ step: Int) throws -> Int {
                let whole = sample(step: step)
                made.withLock { $0 = [] }
                let staged = writer.stage(
                    model: whole.model, phase: whole.phase, step: step, jobHash: whole.jobHash, entries: whole.entries)
                for vector in [whole.weights, whole.ema, whole.firstMoment, whole.secondMoment] {
                    staged.append(vector.span)
                }
                // The room that was made beforehand bears step 0.
                let count = made.withLock { $0.count { !$0.contains("step-00000000") } }
                try writer.save(staged)
                try writer.finish()
                try expectIdentical(store.newest(model: "teacher-0").checkpoint, whole)
                return count
            }
            writer.makeRoom(model: "teacher-0", parameters: sample(step: 1).weights.count)
            let early = try (1...3).map(save)
            #expect(early == [0, 0, 0])
            full.store(true, ordering: .relaxed)
            #expect(throws: FileError.self) { _ = try save(4) }
            full.store(false, ordering: .relaxed)
            let late = try (5...6).map(save)
            #expect(late == [1, 0])
            let kept = try store.verify().map(\.step)
            #expect(kept == [3, 5, 6])
        }
    }

    @Test func roomIsTakenBeforeAllOfItIsMade() throws {
        try withFolder { folder in
            let made = Atomic<Int>(0)
            let pieces = Atomic<Int>(0)
            let started = DispatchSemaphore(value: 0)
            var calls = SystemCalls.real
            calls.open = { path, flags, mode in
                if flags & O_EXCL != 0 { made.add(1, ordering: .relaxed) }
                return SystemCalls.real.open(path, flags, mode)
            }
            calls.write = { _, bytes in
                if pieces.add(1, ordering: .relaxed).newValue == 1 { started.signal() }
                usleep(2_000)
                return bytes.count
            }
            let writer = CheckpointWriter(
                store: CheckpointStore(directory: folder, imageLimit: 0, calls: calls), keeping: 1)
            writer.makeRoom(model: "teacher-0", parameters: 64 << 20)
            try #require(started.wait(timeout: .now() + 60) == .success)
            let whole = sample(step: 1)
            _ = writer.stage(
                model: whole.model, phase: whole.phase, step: 1, jobHash: whole.jobHash, entries: whole.entries)
            #expect(made.load(ordering: .relaxed) == 1)
            #expect(pieces.load(ordering: .relaxed) < 1024, "all of the gigabyte was made first")
        }
    }

    @Test func errorsComeWithTheNextCallOnce() throws {
        try withFolder { folder in
            let full = Atomic<Bool>(false)
            var calls = SystemCalls.real
            calls.write = { full.load(ordering: .relaxed) ? -Int(ENOSPC) : SystemCalls.real.write($0, $1) }
            let store = CheckpointStore(directory: folder, imageLimit: 256 << 20, calls: calls)
            let writer = CheckpointWriter(store: store, keeping: 1)
            try writer.save(sample(step: 1))
            try writer.finish()
            full.store(true, ordering: .relaxed)
            try writer.save(sample(step: 2))
            let error = try #require(throws: FileError.self) { try writer.finish() }
            #expect(error.number == ENOSPC)
            #expect(error.description.contains("free some space"))
            #expect(try store.newest(model: "teacher-0").checkpoint?.step == 1)
            try writer.finish()

            // The error comes with the next save, which is begun all the same.
            try writer.save(sample(step: 2))
            while writer.isSaving { usleep(1000) }
            full.store(false, ordering: .relaxed)
            #expect(throws: FileError.self) { try writer.save(sample(step: 3)) }
            try writer.finish()
            #expect(try store.newest(model: "teacher-0").checkpoint?.step == 3)
            #expect(writer.takeSaved().map(\.step) == [1, 3])
        }
    }

    @Test func badStateIsRefusedAtOnce() throws {
        try withFolder { folder in
            let good = sample(step: 1)
            let bad = Checkpoint(
                model: "teacher-0", phase: "teach", step: 1, jobHash: "", entries: tinyEntries,
                weights: good.weights.map { _ in .nan }, ema: good.ema, firstMoment: good.firstMoment,
                secondMoment: good.secondMoment)
            let writer = CheckpointWriter(store: CheckpointStore(directory: folder), keeping: 1)
            let error = try checkpointError { try writer.save(bad) }
            #expect(error.code == .notFinite)
            try writer.save(good)
            try writer.finish()
        }
    }
    /// The copy is looked at piece by piece.
    @Test func allValuesThatAreNotFiniteAreCounted() throws {
        try withFolder { folder in
            let writer = CheckpointWriter(store: CheckpointStore(directory: folder), keeping: 1)
            let staged = writer.stage(
                model: "teacher-0", phase: "teach", step: 1, jobHash: "",
                entries: entries([("a", [200_000]), ("b", [200_000])]))
            var ema = [Float](repeating: 1, count: 400_000)
            for index in [270_001, 270_002, 399_999] { ema[index] = .infinity }
            for vector in [[Float](repeating: 0, count: 400_000), ema, ema, ema] { staged.append(vector.span) }
            let error = try checkpointError { try writer.save(staged) }
            #expect(error.code == .notFinite)
            #expect(
                error.message.contains("3 values of ema are not finite, the first is inf in b"), "\(error.message)")
        }
    }
}
