import Checkpoints
import Foundation
import Testing

/// Signatures, with openssl as the other opinion.
@Suite struct SignatureTests {
    private func keys(_ folder: String, _ name: String) throws -> (secret: String, open: String) {
        let pair = ("\(folder)/\(name).pem", "\(folder)/\(name).public.pem")
        #expect(try run("openssl", ["genpkey", "-algorithm", "ed25519", "-out", pair.0]).code == 0)
        #expect(try run("openssl", ["pkey", "-in", pair.0, "-pubout", "-out", pair.1]).code == 0)
        return pair
    }

    @Test func opensslAcceptsOursAndWeAcceptOpenssls() throws {
        try withFolder { folder in
            let (secret, open) = try keys(folder, "a")
            let file = folder + "/manifest.json"
            try overwrite(file, Array("{}\n".utf8))
            try SigningKey(path: secret).sign(file)
            let checked = try run(
                "openssl",
                ["pkeyutl", "-verify", "-pubin", "-inkey", open, "-rawin", "-in", file, "-sigfile", file + ".sig"])
            #expect(checked.code == 0, "\(checked.output)")
            let other = ["pkeyutl", "-sign", "-inkey", secret, "-rawin", "-in", file, "-out", file + ".sig"]
            #expect(try run("openssl", other).code == 0)
            #expect(try VerifyingKey(path: open).fault(of: file) == nil)
        }
    }

    /// Fails when anything but the exact bytes and the exact key passes.
    @Test func everyFlippedBitIsFound() throws {
        try withFolder { folder in
            let (secret, open) = try keys(folder, "a")
            let file = folder + "/manifest.json"
            try overwrite(file, Array("{\"step\": 1}\n".utf8))
            try SigningKey(path: secret).sign(file)
            let key = try VerifyingKey(path: open)
            #expect(try key.fault(of: file) == nil)
            for path in [file, file + ".sig"] {
                let whole = try bytes(of: path)
                for bit in 0..<8 * whole.count {
                    var changed = whole
                    changed[bit / 8] ^= 1 << UInt8(bit % 8)
                    try overwrite(path, changed)
                    #expect(try key.fault(of: file) != nil, "\(path), bit \(bit)")
                }
                try overwrite(path, whole)
            }
            let stranger = try VerifyingKey(path: keys(folder, "b").open)
            #expect(try stranger.fault(of: file)?.contains("not of this key") == true)
            try FileManager.default.removeItem(atPath: file + ".sig")
            #expect(try key.fault(of: file)?.hasSuffix("manifest.json.sig: is missing") == true)
        }
    }

    @Test func whatIsNoKeyIsRefused() throws {
        try withFolder { folder in
            let (secret, open) = try keys(folder, "a")
            let other = folder + "/other.pem"
            try overwrite(other, Array("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".utf8))
            for path in [open, other] {
                #expect(try checkpointError { _ = try SigningKey(path: path) }.code == .invalidKey)
            }
            #expect(try checkpointError { _ = try VerifyingKey(path: secret) }.code == .invalidKey)
            #expect(throws: FileError.self) { try SigningKey(path: folder + "/none") }
        }
    }

    @Test func retentionTakesSignaturesAlong() throws {
        try withFolder { folder in
            let key = try SigningKey(path: keys(folder, "a").secret)
            let store = CheckpointStore(directory: folder + "/checkpoints")
            for step in 1...3 { try store.save(sample(step: step)) }
            for manifest in try store.manifestPaths() { try key.sign(manifest) }
            #expect(try names(in: store.directory + "/teacher-0").count == 9)
            try store.retain(model: "teacher-0", newest: 1)
            let left = ["step-00000003.h5", "step-00000003.json", "step-00000003.json.sig"]
            #expect(try names(in: store.directory + "/teacher-0") == left)
        }
    }
}
