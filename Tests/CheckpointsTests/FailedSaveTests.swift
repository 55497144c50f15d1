import Checkpoints
import Foundation
import Glibc
import Synchronization
import Testing

/// Saves that fail or are killed at any system call.
@Suite struct FailedSaveTests {
    /// The system's calls, counted; from the `first` on, they answer with an error: once, or for ever as if the process
    /// had been killed there.
    private final class Faults: Sendable {
        let count = Atomic<Int>(0)
        let first: Int
        let once: Bool
        let error: Int32

        init(first: Int, once: Bool, error: Int32 = EIO) {
            self.first = first
            self.once = once
            self.error = error
        }

        private func fails() -> Bool {
            let number = count.add(1, ordering: .relaxed).newValue
            return once ? number == first : number >= first
        }

        var calls: SystemCalls {
            let real = SystemCalls.real
            let answer = -Int(error)
            var calls = real
            calls.open = { self.fails() ? answer : real.open($0, $1, $2) }
            calls.write = { file, bytes in
                // A failing write has written half of it.
                if !self.fails() { return real.write(file, bytes) }
                _ = real.write(file, UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count / 2)]))
                return answer
            }
            calls.synchronize = { self.fails() ? answer : real.synchronize($0) }
            calls.close = { descriptor in
                // The descriptor goes either way, or the test would run out of them.
                let result = real.close(descriptor)
                return self.fails() ? answer : result
            }
            calls.rename = { self.fails() ? answer : real.rename($0, $1) }
            calls.unlink = { self.fails() ? answer : real.unlink($0) }
            return calls
        }
    }

    /// Tries a save that is hit at every system call in turn, after a checkpoint of step 1 was saved
    /// unless it is to be the first.
    private func atEveryCall(
        once: Bool, error: Int32, imageLimit: Int, first: Bool = false,
        _ check: (_ folder: String, _ thrown: (any Error)?) throws -> Void
    ) throws {
        var number = 1
        while true {
            let finished = try withFolder { folder in
                if !first { try CheckpointStore(directory: folder).save(sample(step: 1)) }
                let faults = Faults(first: number, once: once, error: error)
                let store = CheckpointStore(directory: folder, imageLimit: imageLimit, calls: faults.calls)
                var thrown: (any Error)?
                do { try store.save(sample(step: 2)) } catch { thrown = error }
                try check(folder, thrown)
                return faults.count.load(ordering: .relaxed) < number
            }
            if finished { break }
            number += 1
            try #require(number < 100)
        }
        #expect(number > 10, "the save is cut at all its calls")
    }

    @Test(arguments: [256 << 20, 0]) func killedSaveLeavesTheOldOrTheNew(imageLimit: Int) throws {
        var (olds, news) = (0, 0)
        try atEveryCall(once: false, error: EIO, imageLimit: imageLimit) { folder, _ in
            let store = CheckpointStore(directory: folder)
            let found = try store.newest(model: "teacher-0")
            let step = try #require(found.checkpoint?.step)
            try expectIdentical(found.checkpoint, sample(step: step))
            if step == 1 { olds += 1 } else { news += 1 }
            // The same command again.
            try store.save(sample(step: 2))
            try expectIdentical(try store.newest(model: "teacher-0").checkpoint, sample(step: 2))
            #expect(
                try names(in: "\(folder)/teacher-0")
                    == ["step-00000001.h5", "step-00000001.json", "step-00000002.h5", "step-00000002.json"])
        }
        #expect(olds > 5 && news > 1)
    }

    @Test func killedFirstSaveLeavesNothingOrAll() throws {
        var nothing = 0
        try atEveryCall(once: false, error: EIO, imageLimit: 256 << 20, first: true) { folder, _ in
            let store = CheckpointStore(directory: folder)
            let found = try store.newest(model: "teacher-0")
            if found.checkpoint == nil { nothing += 1 }
            #expect(found.skipped.isEmpty && found.stepsLost == 0)
            try store.save(sample(step: 2))
            try expectIdentical(try store.newest(model: "teacher-0").checkpoint, sample(step: 2))
        }
        #expect(nothing > 5)
    }

    @Test func lostManifestsAreNotAnInterruptedSave() throws {
        try withFolder { folder in
            let store = CheckpointStore(directory: folder)
            for step in 1...2 { try store.save(sample(step: step)) }
            for step in 1...2 {
                try FileManager.default.removeItem(atPath: store.manifestPath(model: "teacher-0", step: step))
            }
            let found = try store.newest(model: "teacher-0")
            #expect(found.checkpoint == nil && found.skipped.map(\.step) == [2, 1])
        }
    }

    @Test(arguments: [ENOSPC, EIO, EROFS], [256 << 20, 0])
    func failedSaveSaysWhyAndLeavesTheOld(error: Int32, imageLimit: Int) throws {
        try atEveryCall(once: true, error: error, imageLimit: imageLimit) { folder, thrown in
            let found = try CheckpointStore(directory: folder).newest(model: "teacher-0")
            let step = try #require(found.checkpoint?.step)
            try expectIdentical(found.checkpoint, sample(step: step))
            if thrown == nil {
                #expect(step == 2)
            } else {
                let failure = try #require(thrown as? FileError)
                #expect(failure.number == error)
                #expect(failure.description.contains(folder))
                #expect(failure.description.contains(String(cString: strerror(error))))
            }
            #expect(try !names(in: "\(folder)/teacher-0").contains(where: AtomicFile.isLeftover))
        }
    }

    /// Fails also when libhdf5 still holds a part of its file back while it is written to the medium.
    @Test(arguments: [256 << 20, 0]) func everythingReachesTheMediumBeforeItGetsItsName(imageLimit: Int) throws {
        try withFolder { folder in
            let log = Mutex<[String]>([])
            let synchronized = Mutex<[Data]>([])
            @Sendable func note(_ call: String) { log.withLock { $0.append(call) } }
            var calls = SystemCalls.real
            calls.open = { path, flags, mode in
                note(flags & O_DIRECTORY != 0 ? "open folder" : "create")
                return SystemCalls.real.open(path, flags, mode)
            }
            calls.write = {
                note("write")
                return SystemCalls.real.write($0, $1)
            }
            calls.synchronize = {
                note("fsync")
                // A folder has no bytes.
                if let bytes = try? Data(contentsOf: URL(filePath: "/proc/self/fd/\($0)")) {
                    synchronized.withLock { $0.append(bytes) }
                }
                return SystemCalls.real.synchronize($0)
            }
            calls.close = {
                note("close")
                return SystemCalls.real.close($0)
            }
            calls.rename = {
                note($1.hasSuffix("h5") ? "rename checkpoint" : "rename manifest")
                return SystemCalls.real.rename($0, $1)
            }
            try CheckpointStore(directory: folder, imageLimit: imageLimit, calls: calls).save(sample(step: 1))
            let file = ["create", "write", "fsync", "close"]
            let checkpoint = imageLimit > 0 ? file : file.filter { $0 != "write" }
            let synchronizedFolder = ["open folder", "fsync", "close"]
            #expect(
                log.withLock { $0 }
                    == checkpoint + ["rename checkpoint"] + synchronizedFolder + file + ["rename manifest"]
                    + synchronizedFolder)
            let files = try ["h5", "json"].map { try Data(bytes(of: "\(folder)/teacher-0/step-00000001.\($0)")) }
            #expect(synchronized.withLock { $0 } == files, "what is written to the medium is what gets its name")
        }
    }

    @Test func shortAndInterruptedWritesAreCarriedOn() throws {
        try withFolder { folder in
            let turn = Atomic<Int>(0)
            var calls = SystemCalls.real
            calls.write = { file, bytes in
                switch turn.add(1, ordering: .relaxed).newValue % 3 {
                case 0: -Int(EINTR)
                default: SystemCalls.real.write(file, UnsafeRawBufferPointer(rebasing: bytes.prefix(101)))
                }
            }
            let store = CheckpointStore(directory: "\(folder)/a", imageLimit: 256 << 20, calls: calls)
            try store.save(sample(step: 1))
            #expect(turn.load(ordering: .relaxed) > 20)
            try CheckpointStore(directory: "\(folder)/b").save(sample(step: 1))
            for suffix in ["h5", "json"] {
                let name = "teacher-0/step-00000001.\(suffix)"
                #expect(try bytes(of: "\(folder)/a/\(name)") == bytes(of: "\(folder)/b/\(name)"))
            }
        }
    }

    @Test func writesThatLieAreFound() throws {
        try withFolder { folder in
            try CheckpointStore(directory: folder).save(sample(step: 1))
            var calls = SystemCalls.real
            calls.write = { file, bytes in
                // The medium swaps one bit.
                var copy = Array(bytes)
                copy[copy.count / 2] ^= 4
                return copy.withUnsafeBytes { SystemCalls.real.write(file, $0) }
            }
            let store = CheckpointStore(directory: folder, imageLimit: 256 << 20, calls: calls)
            let error = try checkpointError { try store.save(sample(step: 2)) }
            #expect(error.code == .damaged)
            let found = try CheckpointStore(directory: folder).newest(model: "teacher-0")
            #expect(found.checkpoint?.step == 1 && found.skipped.isEmpty)
        }
    }

    /// What libhdf5 writes goes through none of our calls, so it is given one bit that is not there.
    ///
    /// Fails when a file of libhdf5's gets its name before its contents are compared with the state.
    @Test func contentsThatReadBackDifferentAreFound() throws {
        try withFolder { folder in
            try CheckpointStore(directory: folder).save(sample(step: 1))
            for vector in Checkpoint.Vector.allCases {
                let renamed = Mutex<[String]>([])
                var calls = SystemCalls.real
                calls.rename = { from, to in
                    renamed.withLock { $0.append(to) }
                    return SystemCalls.real.rename(from, to)
                }
                let store = CheckpointStore(directory: folder, imageLimit: 0, calls: calls)
                let state = SwappedBit(of: sample(step: 2), in: vector)
                let error = try checkpointError { try store.save(state) }
                #expect(error.code == .damaged && "\(error)".contains("\(vector.rawValue)/"), "\(error)")
                #expect(state.isSwapped && renamed.withLock { $0 } == [], "\(vector)")
                #expect(try names(in: "\(folder)/teacher-0") == ["step-00000001.h5", "step-00000001.json"])
            }
        }
    }

    @Test func onlyOwnLeftoversAreRemoved() throws {
        try withFolder { folder in
            let store = CheckpointStore(directory: folder)
            try store.save(sample(step: 1))
            let digits = "0123456789abcdef"
            let leftovers = ["step-00000002.h5.partial-\(digits)", "step-00000002.json.partial-\(digits)"]
            let foreign = ["notes.txt.partial-\(digits)", "step-00000002.h5.partial-12", "step-2.h5.partial-\(digits)"]
            for name in leftovers + foreign { try overwrite("\(folder)/teacher-0/\(name)", [1]) }
            _ = try CheckpointStore(directory: folder).newest(model: "teacher-0")
            #expect(try names(in: "\(folder)/teacher-0").count == 7, "reading removes nothing")
            try CheckpointStore(directory: folder).prepareForWriting(model: "teacher-0")
            let left = try names(in: "\(folder)/teacher-0")
            #expect(left.count == 5 && Set(foreign).isSubset(of: left))
        }
    }

    /// Fails when threads that come at once each remove the same leftovers: the second finds none, which is an error.
    @Test func leftoversAreRemovedByOneThreadAlone() throws {
        try withFolder { folder in
            try CheckpointStore(directory: folder).save(sample(step: 1))
            let leftovers = (0..<20).map { "step-00000002.h5.partial-\(String(format: "%016x", $0))" }
            for name in leftovers { try overwrite("\(folder)/teacher-0/\(name)", [1]) }
            var calls = SystemCalls.real
            calls.unlink = {
                usleep(1000)
                return SystemCalls.real.unlink($0)
            }
            let store = CheckpointStore(directory: folder, imageLimit: 256 << 20, calls: calls)
            let failures = Mutex<[String]>([])
            DispatchQueue.concurrentPerform(iterations: 4) { _ in
                do {
                    try store.prepareForWriting(model: "teacher-0")
                } catch {
                    failures.withLock { $0.append("\(error)") }
                }
            }
            let found = failures.withLock { $0 }
            #expect(found.isEmpty, "\(found)")
            #expect(try names(in: "\(folder)/teacher-0").count == 2)
        }
    }

    @Test func fullDiskUnderHDF5ItselfLeavesTheOld() async {
        // In a process of its own: the limit on file sizes holds for all of it.
        await #expect(processExitsWith: .success) {
            try withFolder { folder in
                let large = entries([("weight", [300_000])])
                let store = CheckpointStore(directory: folder, imageLimit: 0, calls: .real)
                try store.save(noise(step: 1, entries: large))
                signal(SIGXFSZ, SIG_IGN)
                var limit = rlimit()
                getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
                let soft = limit.rlim_cur
                limit.rlim_cur = 200_000
                setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
                #expect(throws: HDF5Error.self) { try store.save(noise(step: 2, entries: large)) }
                #expect(try names(in: "\(folder)/teacher-0") == ["step-00000001.h5", "step-00000001.json"])
                limit.rlim_cur = soft
                setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
                try store.save(noise(step: 2, entries: large))
                #expect(try store.newest(model: "teacher-0").checkpoint?.step == 2)
            }
        }
    }
}

/// A state that shows one bit of a vector swapped to who first asks for it, and the truth from then on.
private final class SwappedBit: CheckpointContents {
    private let truth: Checkpoint
    private let vector: Checkpoint.Vector
    private let swapped = Atomic<Bool>(false)

    init(of truth: Checkpoint, in vector: Checkpoint.Vector) {
        self.truth = truth
        self.vector = vector
    }

    var model: String { truth.model }
    var phase: String { truth.phase }
    var step: Int { truth.step }
    var jobHash: String { truth.jobHash }
    var ledger: String { truth.ledger }
    var entries: [Checkpoint.Entry] { truth.entries }
    var isSwapped: Bool { swapped.load(ordering: .relaxed) }

    func requireFinite() throws { try truth.requireFinite() }

    func floats(of vector: Checkpoint.Vector, in range: Range<Int>) throws -> ArraySlice<Float> {
        var floats = Array(truth.floats(of: vector, in: range))
        if vector == self.vector, !swapped.exchange(true, ordering: .relaxed) {
            floats[floats.count / 2] = Float(bitPattern: floats[floats.count / 2].bitPattern ^ 4)
        }
        return floats[...]
    }
}
