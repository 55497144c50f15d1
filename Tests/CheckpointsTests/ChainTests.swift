import Checkpoints
import Foundation
import Testing

/// The walk along the chain of manifests: whatever was exchanged, removed or put in, the first bad link is named.
@Suite struct ChainTests {
    private let model = "teacher-0"

    /// Saves steps 10, 20, ... of which the newest four stay, changes the files, and walks along the chain.
    private func chain(_ change: (CheckpointStore) throws -> Void = { _ in }) throws -> ChainReport {
        try withFolder { folder in
            let store = CheckpointStore(directory: folder)
            for step in 1...6 { try store.save(sample(step: 10 * step)) }
            try store.retain(model: model, newest: 4)
            try change(store)
            let chains = try store.chains()
            #expect(chains.map(\.model) == [model])
            return try #require(chains.first)
        }
    }

    /// The files of a valid checkpoint of other contents at the same step, which names the same one before it or none.
    private func forge(_ store: CheckpointStore, step: Int, after previous: Int?) throws {
        let other = CheckpointStore(directory: store.directory + ".forged")
        if let previous {
            try FileManager.default.createDirectory(
                atPath: "\(other.directory)/\(model)", withIntermediateDirectories: true)
            for (from, to) in zip(files(store, previous), files(other, previous)) { try overwrite(to, bytes(of: from)) }
        }
        try other.save(sample(step: step, ledger: "[]"))
        for (from, to) in zip(files(other, step), files(store, step)) { try overwrite(to, bytes(of: from)) }
        try FileManager.default.removeItem(atPath: other.directory)
    }

    private func files(_ store: CheckpointStore, _ step: Int) -> [String] {
        [store.path(model: model, step: step), store.manifestPath(model: model, step: step)]
    }

    @Test func anUntouchedChainHoldsAfterRetention() throws {
        let report = try chain { store in
            let newest = try bytes(of: store.manifestPath(model: model, step: 60))
            #expect(try store.chains().first?.head == sha256Hex(newest))
        }
        #expect(report.links == 4 && report.firstBreak == nil)
    }

    @Test func anExchangedLinkIsFoundByTheNext() throws {
        let report = try chain { try forge($0, step: 40, after: 30) }
        #expect(report.firstBreak?.step == 50 && report.links == 2)
        #expect(report.firstBreak?.path.hasSuffix("/step-00000050.json") == true)
        #expect(report.firstBreak?.reason.contains("another checkpoint of step 40") == true)
        // It does not name the one before it, so it is found itself.
        #expect(try chain { try forge($0, step: 40, after: nil) }.firstBreak?.step == 40)
    }

    @Test func anExchangedNewestLinkChangesTheHead() throws {
        let (honest, forged) = try (chain(), chain { try forge($0, step: 60, after: 50) })
        #expect(forged.firstBreak == nil && forged.links == 4)
        #expect(forged.head != honest.head, "whoever noted the head down sees it")
    }

    @Test func aRemovedLinkIsFoundByTheNext() throws {
        let report = try chain { store in
            for file in files(store, 40) { try FileManager.default.removeItem(atPath: file) }
        }
        #expect(report.firstBreak?.step == 50 && report.links == 1)
        #expect(report.firstBreak?.reason.contains("follows step 40, but step 30 stands before it") == true)
    }

    @Test func aLinkPutInIsFound() throws {
        let report = try chain { try forge($0, step: 45, after: 40) }
        #expect(report.firstBreak?.step == 50 && report.links == 3)
    }

    /// Fails when the walk passes over what it cannot read.
    @Test func aDamagedManifestIsTheFirstBadLink() throws {
        let report = try chain { store in
            let path = store.manifestPath(model: model, step: 40)
            var manifest = try bytes(of: path)
            manifest[manifest.count / 2] ^= 1
            try overwrite(path, manifest)
        }
        #expect(report.firstBreak?.step == 40 && report.links == 1)
        #expect(report.firstBreak?.reason.contains("do not fit its own hash") == true)
    }

    /// All 8 bits of every byte; of the checkpoint itself one of each byte, in DamageTests.
    @Test func everyFlippedBitOfAManifestBreaksTheChain() throws {
        try withFolder { folder in
            let store = CheckpointStore(directory: folder)
            for step in 1...2 { try store.save(sample(step: step)) }
            let path = store.manifestPath(model: model, step: 2)
            let whole = try bytes(of: path)
            for position in whole.indices {
                for bit in 0..<8 {
                    var manifest = whole
                    manifest[position] ^= 1 << UInt8(bit)
                    try overwrite(path, manifest)
                    #expect(try store.chains().first?.firstBreak?.step == 2, "byte \(position), bit \(bit)")
                }
            }
            try overwrite(path, whole)
            #expect(try store.chains().first?.firstBreak == nil)
        }
    }
}
