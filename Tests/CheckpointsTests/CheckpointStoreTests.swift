import Checkpoints
import Foundation
import Testing

@Suite struct CheckpointStoreTests {
    private let manyEntries = entries([
        ("block.0.bias", [520]), ("block.0.weight", [520, 515, 3]), ("block.10.weight", [7, 5, 3, 3]), ("scale", []),
    ])

    @Test(arguments: [256 << 20, 0]) func roundTripIsBitForBit(imageLimit: Int) throws {
        try withFolder { folder in
            var checkpoint = sample(step: 12, ledger: #"{"noise": "äöü"}"#, entries: manyEntries)
            var weights = checkpoint.weights
            weights.replaceSubrange(0..<4, with: [-0.0, .leastNonzeroMagnitude, -.greatestFiniteMagnitude, .ulpOfOne])
            checkpoint = Checkpoint(
                model: "teacher-0", phase: "teach", step: 12, jobHash: "0123abcd", ledger: checkpoint.ledger,
                entries: manyEntries, weights: weights + [.nan], ema: checkpoint.ema + [1, 2],
                firstMoment: checkpoint.firstMoment, secondMoment: checkpoint.secondMoment)
            let store = CheckpointStore(directory: "\(folder)/run/checkpoints", imageLimit: imageLimit, calls: .real)
            let manifest = try store.save(checkpoint)
            #expect(try names(in: "\(folder)/run/checkpoints/teacher-0") == ["step-00000012.h5", "step-00000012.json"])
            let found = try CheckpointStore(directory: store.directory, imageLimit: imageLimit, calls: .real)
                .newest(model: "teacher-0", jobHash: "0123abcd", entries: manyEntries)
            try expectIdentical(found.checkpoint, checkpoint)
            #expect(found.checkpoint?.manifest == manifest)
            #expect(found.skipped.isEmpty && found.stepsLost == 0)
            #expect(manifest.weightsHash == sha256Hex(Array(weights)) && manifest.emaHash == checkpoint.emaHash)
            #expect(manifest.sha256 == (try sha256Hex(ofFile: store.path(model: "teacher-0", step: 12))))
        }
    }

    @Test(arguments: [256 << 20, 0]) func equalStatesMakeEqualFiles(imageLimit: Int) throws {
        try withFolder { folder in
            for run in ["a", "b"] {
                let store = CheckpointStore(directory: "\(folder)/\(run)", imageLimit: imageLimit, calls: .real)
                try store.save(sample(step: 1, entries: manyEntries))
                try store.save(sample(step: 2, entries: manyEntries))
            }
            let files = try names(in: "\(folder)/a/teacher-0")
            #expect(files.count == 4)
            for file in files {
                #expect(try bytes(of: "\(folder)/a/teacher-0/\(file)") == bytes(of: "\(folder)/b/teacher-0/\(file)"))
            }
        }
    }

    @Test func emptyStoreHasNothing() throws {
        try withFolder { folder in
            let store = CheckpointStore(directory: "\(folder)/none")
            let found = try store.newest(model: "student")
            #expect(found.checkpoint == nil && found.skipped.isEmpty && found.stepsLost == 0)
            #expect(try store.verify().isEmpty)
            #expect(try store.newestManifest(model: "student") == nil)
            #expect(try names(in: folder).isEmpty)
        }
    }

    @Test func manifestsFormAChain() throws {
        try withFolder { folder in
            let store = CheckpointStore(directory: folder, buildVersion: "1.2.3")
            let first = try store.save(sample(step: 5))
            let second = try store.save(sample(step: 10))
            #expect(first.previousStep == nil && first.previousManifestHash == nil)
            #expect(second.previousStep == 5 && second.previousManifestHash == sha256Hex(first.encoded()))
            #expect(second.buildVersion == "1.2.3" && second.parameters == 9)
            #expect(try bytes(of: store.manifestPath(model: "teacher-0", step: 10)) == second.encoded())

            // The checkpoint of step 5 is exchanged for one of another run.
            let other = CheckpointStore(directory: "\(folder)/other")
            try other.save(sample(step: 5, ledger: "[]"))
            for suffix in ["h5", "json"] {
                let bytes = try bytes(of: "\(folder)/other/teacher-0/step-00000005.\(suffix)")
                try overwrite("\(folder)/teacher-0/step-00000005.\(suffix)", bytes)
            }
            let reports = try store.verify().filter { $0.step == 10 }
            #expect(reports.count == 1 && reports[0].valid == false)
            #expect(reports[0].reason?.contains("another checkpoint of step 5") == true)
        }
    }

    @Test func verifyListsEveryCheckpoint() throws {
        try withFolder { folder in
            let store = CheckpointStore(directory: folder)
            let good = sample(model: "student", step: 4)
            try store.save(good)
            try store.save(sample(step: 1))
            try store.save(sample(step: 2))
            var image = try bytes(of: store.path(model: "teacher-0", step: 1))
            image[700] ^= 1
            try overwrite(store.path(model: "teacher-0", step: 1), image)
            let reports = try store.verify()
            #expect(reports.map(\.model) == ["student", "teacher-0", "teacher-0"])
            #expect(reports.map(\.step) == [4, 1, 2])
            #expect(reports.map(\.valid) == [true, false, true])
            #expect(reports[0].path == "\(folder)/student/step-00000004.h5" && reports[0].reason == nil)
            #expect(reports[0].weightsHash == good.weightsHash && reports[0].emaHash == good.emaHash)
            #expect(reports[1].reason?.contains("SHA-256") == true)
        }
    }

    @Test func retentionKeepsTheNewestValid() throws {
        try withFolder { folder in
            let store = CheckpointStore(directory: folder)
            for step in 1...6 { try store.save(sample(step: step)) }
            try store.save(sample(model: "student", step: 1))
            try overwrite(store.path(model: "teacher-0", step: 5), [1, 2, 3])
            try FileManager.default.removeItem(atPath: store.manifestPath(model: "teacher-0", step: 2))
            #expect(try CheckpointStore(directory: folder).retain(model: "teacher-0", newest: 2) == [3, 2, 1])
            #expect(try names(in: "\(folder)/teacher-0").filter { $0.hasSuffix("h5") }.count == 3)
            #expect(try names(in: "\(folder)/student").count == 2)
            try overwrite(store.path(model: "teacher-0", step: 6), [1])
            #expect(try CheckpointStore(directory: folder).retain(model: "teacher-0", newest: 1).isEmpty)
            #expect(try store.newest(model: "teacher-0").checkpoint?.step == 4)
            #expect(try store.retain(model: "teacher-0", newest: 9).isEmpty)
        }
    }

    @Test func otherJobIsAnErrorNotAFallback() throws {
        try withFolder { folder in
            let store = CheckpointStore(directory: folder)
            try store.save(sample(step: 1))
            try store.save(sample(step: 2, jobHash: "another"))
            let error = try checkpointError { _ = try store.newest(model: "teacher-0", jobHash: "0123abcd") }
            #expect(error.code == .otherJob)
            #expect(error.description.contains("belongs to job another, not to 0123abcd"))
            #expect(try store.newest(model: "teacher-0").checkpoint?.step == 2)
        }
    }

    @Test func otherParametersAreListed() throws {
        try withFolder { folder in
            let store = CheckpointStore(directory: folder)
            try store.save(sample(step: 1))
            let model = entries([("bias", [4]), ("gain", [1]), ("scale", [])])
            let error = try checkpointError { _ = try store.newest(model: "teacher-0", entries: model) }
            #expect(error.code == .otherParameters)
            for part in [
                "bias has shape [3] instead of [4]", "gain is missing", "scale is missing", "weight is not the model's",
            ] {
                #expect(error.message.contains(part))
            }
        }
    }

    @Test func newerFormatIsAnErrorThatSaysSo() throws {
        try withFolder { folder in
            let store = CheckpointStore(directory: folder)
            try store.save(sample(step: 1))
            try store.save(sample(step: 2))
            let path = store.manifestPath(model: "teacher-0", step: 2)
            var text = String(decoding: try bytes(of: path), as: UTF8.self)
            text = text.replacing(#""format_version": 1"#, with: #""format_version": 3"#)
            let label = try #require(text.firstRange(of: #""manifest_sha256": ""#))
            let place = label.upperBound..<text.index(label.upperBound, offsetBy: 64)
            text.replaceSubrange(place, with: String(repeating: "0", count: 64))
            text.replaceSubrange(place, with: sha256Hex(Array(text.utf8)))
            try overwrite(path, Array(text.utf8))
            let error = try checkpointError { _ = try store.newest(model: "teacher-0") }
            #expect(error.code == .newerFormat)
            #expect(error.description.contains("written in format 3, this build reads formats up to 1"))
            #expect(try store.verify().map(\.valid) == [true, false])
        }
    }

    @Test func badStateIsNeverSaved() throws {
        try withFolder { folder in
            let store = CheckpointStore(directory: folder)
            let good = sample(step: 1)
            for (position, value) in [(0, Float.nan), (4, .infinity), (8, -.infinity)] {
                for vector in 0..<4 {
                    var vectors = [good.weights, good.ema, good.firstMoment, good.secondMoment]
                    vectors[vector][position] = value
                    let bad = Checkpoint(
                        model: "teacher-0", phase: "teach", step: 1, jobHash: "0123abcd", entries: tinyEntries,
                        weights: vectors[0], ema: vectors[1], firstMoment: vectors[2], secondMoment: vectors[3])
                    let error = try checkpointError { try store.save(bad) }
                    #expect(error.code == .notFinite)
                    #expect(error.message.contains(position == 0 ? "in bias" : "in weight"))
                    #expect(error.message.contains("teacher-0, step 1"))
                }
            }
            #expect(try names(in: folder).isEmpty)
        }
    }

    @Test func savingTheSameStateAgainChangesNothing() throws {
        try withFolder { folder in
            let store = CheckpointStore(directory: folder, buildVersion: "1")
            let manifest = try store.save(sample(step: 3))
            #expect(try CheckpointStore(directory: folder, buildVersion: "2").save(sample(step: 3)) == manifest)
            let error = try checkpointError { try store.save(sample(step: 3, ledger: "[1]")) }
            #expect(error.code == .occupied)
            try expectIdentical(try store.newest(model: "teacher-0").checkpoint, sample(step: 3))
            // A damaged one is replaced.
            try overwrite(store.path(model: "teacher-0", step: 3), [])
            try store.save(sample(step: 3, ledger: "[1]"))
            try expectIdentical(try store.newest(model: "teacher-0").checkpoint, sample(step: 3, ledger: "[1]"))
        }
    }

    @Test(arguments: ["", "..", "../student", "a/b", "Teacher", "a b", String(repeating: "a", count: 65)])
    func namesThatLeaveTheFolderAreErrors(name: String) throws {
        try withFolder { folder in
            let store = CheckpointStore(directory: folder)
            let error = try checkpointError { _ = try store.newest(model: name) }
            #expect(error.code == .invalidName)
            let refusal = try checkpointError { try store.save(sample(model: name, step: 1)) }
            #expect(refusal.code == .invalidName)
        }
    }

    @Test func estimateBoundsTheFile() throws {
        try withFolder { folder in
            let checkpoint = noise(step: 1, entries: manyEntries)
            let estimate = CheckpointEstimate(parameters: checkpoint.count, tensors: manyEntries.count)
            let size = try CheckpointStore(directory: folder).save(checkpoint).size
            #expect(size <= estimate.fileBytes && size > estimate.fileBytes * 9 / 10)
            #expect(estimate.stagingBytes == 16 * checkpoint.count)
            let free = try CheckpointEstimate.freeBytes(at: folder)
            #expect(free > 0)
            #expect(abs(try CheckpointEstimate.freeBytes(at: "\(folder)/not/yet") - free) < 1 << 30)
        }
    }
}
