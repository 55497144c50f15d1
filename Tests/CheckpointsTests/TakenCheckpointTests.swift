import Checkpoints
import Testing

/// Checkpoints that another run takes over.
@Suite struct TakenCheckpointTests {
    private let model = "teacher-0"

    @Test func theOtherRunSavesTheSameStateUnderItsOwnJob() throws {
        try withFolder { folder in
            let source = CheckpointStore(directory: "\(folder)/source")
            let store = CheckpointStore(directory: "\(folder)/store")
            for step in [5, 10] { try source.save(sample(step: step, jobHash: "aa", ledger: #"{"a": 1}"#)) }
            let taken = try source.taken(
                model: model, step: 10, jobHash: "aa", for: "bb", in: store, entries: tinyEntries)
            let expected = sample(step: 10, jobHash: "bb", ledger: #"{"a": 1}"#)
            let manifest = try store.save(taken)
            try expectIdentical(
                try store.newest(model: model, jobHash: "bb", entries: tinyEntries).checkpoint, expected)
            let origin = try sha256Hex(bytes(of: source.manifestPath(model: model, step: 10)))
            #expect(manifest.originManifestHash == origin && manifest.previousStep == nil)
            #expect(try store.newestManifest(model: model) == manifest, "it is read back from the file")
            #expect(try store.verify().map(\.valid) == [true] && store.chains().allSatisfy { $0.firstBreak == nil })
            // The file is what the other run would have written by itself.
            let own = CheckpointStore(directory: "\(folder)/own")
            #expect(try own.save(expected).originManifestHash == nil)
            #expect(try bytes(of: own.path(model: model, step: 10)) == bytes(of: store.path(model: model, step: 10)))
            #expect(try store.save(taken) == manifest, "saving it again does nothing")
        }
    }

    @Test func whatIsNotAsItMustBeIsNotTaken() throws {
        try withFolder { folder in
            let store = CheckpointStore(directory: folder)
            try store.save(sample(step: 10, jobHash: "aa"))
            func refusal(step: Int = 10, job: String = "aa", _ entries: [Checkpoint.Entry] = tinyEntries) throws
                -> String
            {
                try checkpointError {
                    _ = try store.taken(
                        model: model, step: step, jobHash: job, for: "bb", in: store, entries: entries)
                }.description
            }
            #expect(try refusal(step: 9).contains("step-00000009.json: is missing"))
            #expect(try refusal(job: "cc").contains("belongs to job aa, not to cc"))
            #expect(
                try refusal(entries([("bias", [4]), ("weight", [2, 3])])).contains("bias has shape [3] instead of [4]"))
            var damaged = try bytes(of: store.path(model: model, step: 10))
            damaged[damaged.count / 2] ^= 1
            try overwrite(store.path(model: model, step: 10), damaged)
            #expect(try refusal().contains("its SHA-256 is"))
        }
    }
}
