import Checkpoints
import Foundation
import Testing

/// Signed exports, with coreutils and openssl as the other opinion.
@Suite struct ExportTests {
    /// An export in a folder, and keys outside of it.
    private struct Export {
        let folder: String
        let key: SigningKey
        let open: VerifyingKey
        let openPath: String

        init(_ parent: String, _ name: String = "export") throws {
            folder = "\(parent)/\(name)"
            try FileManager.default.createDirectory(atPath: folder + "/below", withIntermediateDirectories: true)
            try overwrite(folder + "/student.png", Array("an image".utf8))
            try overwrite(folder + "/below/caf\u{E9}.csv", Array("a table of \(name)".utf8))
            let secret = "\(parent)/\(name).pem"
            openPath = "\(parent)/\(name).public.pem"
            #expect(try run("openssl", ["genpkey", "-algorithm", "ed25519", "-out", secret]).code == 0)
            #expect(try run("openssl", ["pkey", "-in", secret, "-pubout", "-out", openPath]).code == 0)
            key = try SigningKey(path: secret)
            open = try VerifyingKey(path: openPath)
            try ExportList.sign(folder, with: key)
        }

        var list: String { folder + "/export.sha256" }
        var faults: [String] { ExportList.verify(folder, key: open).faults }
    }

    @Test func coreutilsAndOpensslAgreeOnASignedExport() throws {
        try withFolder { parent in
            let export = try Export(parent)
            #expect(export.faults == [])
            #expect(ExportList.verify(export.folder, key: export.open).files == 2)
            let text = String(decoding: try bytes(of: export.list), as: UTF8.self)
            let image = sha256Hex(Array("an image".utf8))
            #expect(text.hasPrefix("# Diptych export 1: size, SHA-256 and name of every file\n# 17\n"))
            #expect(text.hasSuffix("# 8\n\(image)  student.png\n"))
            let sums = try run("sh", ["-c", "cd \"$0\" && sha256sum --check --strict export.sha256", export.folder])
            #expect(sums.code == 0 && sums.output.contains("student.png: OK"), "\(sums.output)")
            let checked = try run(
                "openssl",
                [
                    "pkeyutl", "-verify", "-pubin", "-inkey", export.openPath, "-rawin", "-in", export.list, "-sigfile",
                    export.list + ".sig",
                ])
            #expect(checked.code == 0, "\(checked.output)")
            // Signed anew after a change, and after a signing that was killed.
            try overwrite(export.folder + "/more", [1])
            try overwrite(export.folder + "/export.sha256.sig.partial-0123456789abcdef", [2])
            #expect(try ExportList.sign(export.folder, with: export.key).files.map(\.name).contains("more"))
            #expect(export.faults == [])
        }
    }

    /// Fails when a byte of any file of the export may change.
    @Test func everyFlippedBitOfAnExportIsFound() throws {
        try withFolder { parent in
            let export = try Export(parent)
            for name in ["student.png", "below/caf\u{E9}.csv", "export.sha256", "export.sha256.sig"] {
                let path = "\(export.folder)/\(name)"
                let whole = try bytes(of: path)
                for bit in 0..<8 * whole.count {
                    var changed = whole
                    changed[bit / 8] ^= 1 << UInt8(bit % 8)
                    try overwrite(path, changed)
                    #expect(export.faults.count == 1, "\(name), bit \(bit)")
                }
                try overwrite(path, whole)
            }
            #expect(export.faults == [])
        }
    }

    /// Fails when the folder may hold more, less or something else than what was signed.
    @Test func whatWasAddedTakenAwayOrExchangedIsFound() throws {
        let manager = FileManager.default
        func link(_ path: String, _ target: String) throws {
            try manager.moveItem(atPath: path, toPath: target)
            try manager.createSymbolicLink(atPath: path, withDestinationPath: target)
        }
        let harm: [(words: String, does: (_ folder: String) throws -> Void)] = [
            ("/student.png: is missing", { try manager.removeItem(atPath: $0 + "/student.png") }),
            ("/new: is not in the list; it was added", { try overwrite($0 + "/new", []) }),
            ("/below/new: is not in the list; it was added", { try overwrite($0 + "/below/new", [1]) }),
            // To Swift the two names are equal.
            ("/below/cafe\u{301}.csv: is not in the list", { try overwrite($0 + "/below/cafe\u{301}.csv", [1]) }),
            ("/student.png: is a symbolic link", { try link($0 + "/student.png", $0 + ".png") }),
            ("/below: is a symbolic link", { try link($0 + "/below", $0 + ".below") }),
            ("/pipe: is neither a file nor a folder", { _ = mkfifo($0 + "/pipe", 0o600) }),
            // Nobody reads that to its end.
            ("/student.png: has 8796093022208 bytes instead of 8", { _ = truncate($0 + "/student.png", 1 << 43) }),
            ("a control character, a backslash, or what is no UTF-8", { try overwrite($0 + "/a\nb", []) }),
            (
                "/export.sha256: is missing: nobody has signed",
                { try manager.removeItem(atPath: $0 + "/export.sha256") }
            ),
            ("/export.sha256.sig: is missing", { try manager.removeItem(atPath: $0 + "/export.sha256.sig") }),
        ]
        for (words, does) in harm {
            try withFolder { parent in
                let export = try Export(parent)
                try does(export.folder)
                #expect(export.faults.contains { $0.contains(words) }, "\(words): \(export.faults)")
            }
        }
    }

    /// Fails when a signature of something else passes for that of the export.
    @Test func theSignatureOfAnotherExportOrKeyIsRefused() throws {
        try withFolder { parent in
            let (export, other) = (try Export(parent), try Export(parent, "other"))
            #expect(ExportList.verify(export.folder, key: other.open).signatureFaults.count == 1)
            // Another export of the same owner: its signature alone, then its list too.
            try ExportList.sign(other.folder, with: export.key)
            #expect(ExportList.verify(other.folder, key: export.open).faults == [])
            try overwrite(export.list + ".sig", bytes(of: other.list + ".sig"))
            #expect(export.faults.contains { $0.contains("its signature is not of this key") }, "\(export.faults)")
            try overwrite(export.list, bytes(of: other.list))
            #expect(export.faults.contains { $0.contains("caf\u{E9}.csv: ") }, "\(export.faults)")
            // The owner has signed a manifest, too.
            let store = CheckpointStore(directory: parent + "/checkpoints")
            try store.save(sample(step: 1))
            let manifest = store.manifestPath(model: "teacher-0", step: 1)
            try export.key.sign(manifest)
            try overwrite(export.list, bytes(of: manifest))
            try overwrite(export.list + ".sig", bytes(of: manifest + ".sig"))
            #expect(export.faults.contains { $0.contains("is not the list of an export's files") }, "\(export.faults)")
            // And a list is no manifest.
            try overwrite(manifest, bytes(of: other.list))
            #expect(try store.fault(model: "teacher-0", step: 1)?.contains("manifest is damaged") == true)
        }
    }

    /// Fails when a list is read that this program does not write, or leads out of its folder.
    @Test func listsOfAnotherFormAreRefused() throws {
        let header = "# Diptych export 1: size, SHA-256 and name of every file\n"
        let hash = String(repeating: "0", count: 64)
        func isRead(_ text: String) -> Bool { (try? ExportList(Array(text.utf8), path: "list")) != nil }
        #expect(isRead("\(header)# 0\n\(hash)  a\n# 12\n\(hash)  a/b\n# 3\n\(hash)  \u{301}c\n"))
        let bodies = [
            "", "# 1\n", "# 1\n\(hash)  a", "\n# 1\n\(hash)  a\n", "# 1\n\(hash)  a\n\n", "# 1\n\(hash)  a\n# 1\n",
            "# -1\n\(hash)  a\n", "# +1\n\(hash)  a\n", "# 01\n\(hash)  a\n", "# 99999999999999999999\n\(hash)  a\n",
            "#  1\n\(hash)  a\n", "# 1\n\(hash) *a\n", "# 1\n\(hash)  \n", "# 1\n\(hash)a  b\n",
            "# 1\n\(hash.dropLast())A  a\n", "# 1\n\(hash)  b\n# 1\n\(hash)  a\n", "# 1\n\(hash)  a\n# 1\n\(hash)  a\n",
        ]
        for body in bodies { #expect(!isRead(header + body), "\(body)") }
        for name in ["/a", "a/", "a//b", "..", "../a", "a/../b", ".", "a/./b", "a\\b", "a\rb", "a\u{7F}"] {
            #expect(!isRead("\(header)# 1\n\(hash)  \(name)\n"), "\(name)")
        }
        #expect(!isRead("# 1\n\(hash)  a\n") && !isRead("") && !isRead(header))
        #expect((try? ExportList(Array("\(header)# 1\n\(hash)  ".utf8) + [0xFF, 0x0A], path: "list")) == nil)
    }

    @Test func whatCannotBeSignedIsNamed() throws {
        try withFolder { parent in
            let export = try Export(parent)
            let link = export.folder + "/below/link"
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "/etc/passwd")
            let refusal = try checkpointError { try ExportList.sign(export.folder, with: export.key) }
            #expect(refusal.code == .invalidExport && refusal.message.contains("\(link): is a symbolic link"))
            try FileManager.default.removeItem(atPath: link)
            try overwrite(export.folder + "/back\\slash", [1])
            #expect(try checkpointError { try ExportList.sign(export.folder, with: export.key) }.code == .invalidExport)
            try FileManager.default.createDirectory(atPath: parent + "/empty", withIntermediateDirectories: true)
            let empty = try checkpointError { try ExportList.sign(parent + "/empty", with: export.key) }
            #expect(empty.message == "holds no file that could be signed")
            #expect(throws: FileError.self) { try ExportList.sign(parent + "/none", with: export.key) }
            #expect(!ExportList.isThere(in: parent + "/none") && ExportList.isThere(in: export.folder))
        }
    }
}
