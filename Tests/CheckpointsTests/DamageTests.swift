import Checkpoints
import Foundation
import Testing

/// Files that changed behind our back: the change is found, and the checkpoint before is used.
@Suite struct DamageTests {
    @Test(arguments: ["h5", "json"]) func everyFlippedByteIsFound(suffix: String) throws {
        try withFolder { folder in
            let store = CheckpointStore(directory: folder)
            let old = sample(step: 1)
            try store.save(old)
            try store.save(sample(step: 2))
            let path = "\(folder)/teacher-0/step-00000002.\(suffix)"
            let whole = try bytes(of: path)
            #expect(whole.count > 500)
            let file = try FileHandle(forUpdating: URL(filePath: path))
            for position in whole.indices {
                try file.seek(toOffset: UInt64(position))
                try file.write(contentsOf: [whole[position] ^ (1 << UInt8(position % 8))])
                let found = try store.newest(model: "teacher-0", jobHash: "0123abcd")
                #expect(found.checkpoint?.step == 1 && found.skipped.count == 1, "byte \(position)")
                #expect(found.stepsLost == 1)
                try file.seek(toOffset: UInt64(position))
                try file.write(contentsOf: [whole[position]])
            }
            try file.close()
            let found = try store.newest(model: "teacher-0")
            #expect(found.checkpoint?.step == 2 && found.skipped.isEmpty)
        }
    }

    @Test(arguments: ["h5", "json"]) func everyTruncationIsFound(suffix: String) throws {
        try withFolder { folder in
            let store = CheckpointStore(directory: folder)
            try store.save(sample(step: 1))
            try store.save(sample(step: 2))
            let path = "\(folder)/teacher-0/step-00000002.\(suffix)"
            let whole = try bytes(of: path)
            for count in whole.indices {
                try overwrite(path, Array(whole[..<count]))
                let found = try store.newest(model: "teacher-0")
                #expect(found.checkpoint?.step == 1, "cut to \(count) bytes")
            }
            try overwrite(path, whole + [0])
            #expect(try store.newest(model: "teacher-0").checkpoint?.step == 1)
        }
    }

    @Test func whatIsPassedOverIsNamed() throws {
        try withFolder { folder in
            let store = CheckpointStore(directory: folder)
            for step in [100, 200, 300, 400, 500] { try store.save(sample(step: step)) }
            var image = try bytes(of: store.path(model: "teacher-0", step: 500))
            image[1000] ^= 0x80
            try overwrite(store.path(model: "teacher-0", step: 500), image)
            try FileManager.default.removeItem(atPath: store.path(model: "teacher-0", step: 400))
            try FileManager.default.removeItem(atPath: store.manifestPath(model: "teacher-0", step: 300))
            let found = try store.newest(model: "teacher-0")
            try expectIdentical(found.checkpoint, sample(step: 200))
            #expect(found.stepsLost == 300)
            #expect(found.skipped.map(\.step) == [500, 400, 300])
            #expect(found.skipped.map(\.path) == [500, 400, 300].map { store.path(model: "teacher-0", step: $0) })
            #expect(found.skipped[0].reason.contains("its SHA-256 is"))
            #expect(found.skipped[1].reason.contains("No such file or directory"))
            #expect(found.skipped[2].reason.contains("the save was interrupted"))
            #expect(try store.newestManifest(model: "teacher-0")?.step == 200)
        }
    }

    @Test func damageEverywhereLeavesNothingButReasons() throws {
        try withFolder { folder in
            let store = CheckpointStore(directory: folder)
            try store.save(sample(step: 7))
            try overwrite(store.path(model: "teacher-0", step: 7), [0])
            let found = try store.newest(model: "teacher-0")
            #expect(found.checkpoint == nil && found.skipped.count == 1 && found.stepsLost == 7)
        }
    }

    @Test func checkpointOfAnotherPlaceIsRefused() throws {
        try withFolder { folder in
            let store = CheckpointStore(directory: folder)
            try store.save(sample(step: 1))
            try store.save(sample(model: "student", step: 2))
            for suffix in ["h5", "json"] {
                try overwrite(
                    "\(folder)/teacher-0/step-00000002.\(suffix)",
                    try bytes(of: "\(folder)/student/step-00000002.\(suffix)"))
            }
            let found = try store.newest(model: "teacher-0")
            #expect(found.checkpoint?.step == 1)
            #expect(found.skipped.first?.reason.contains("the manifest of student, step 2") == true)
        }
    }
}
