import Checkpoints
import Foundation
import Glibc
import Testing

@Suite struct AtomicFileTests {
    @Test func replacesAFileAtOnceAndPrivately() throws {
        try withFolder { folder in
            let path = "\(folder)/a.txt"
            try AtomicFile.write(Array("old".utf8), to: path)
            let file = try AtomicFile(path)
            try file.write(Array("new".utf8))
            #expect(try bytes(of: path) == Array("old".utf8))
            #expect(try names(in: folder).count == 2)
            try file.commit()
            #expect(try bytes(of: path) == Array("new".utf8))
            #expect(try names(in: folder) == ["a.txt"])
            var status = stat()
            #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        }
    }

    @Test func droppedFileLeavesNothing() throws {
        try withFolder { folder in
            do {
                let file = try AtomicFile("\(folder)/a.txt")
                try file.write([1, 2, 3])
                let name = try #require(file.temporaryPath.split(separator: "/").last)
                #expect(AtomicFile.isLeftover(String(name)))
            }
            #expect(try names(in: folder).isEmpty)
            #expect(!AtomicFile.isLeftover("a.txt") && !AtomicFile.isLeftover("a.partial-12"))
        }
    }

    @Test func doesNotWriteThroughALink() throws {
        try withFolder { folder in
            try AtomicFile.write([1], to: "\(folder)/target")
            try FileManager.default.createSymbolicLink(
                atPath: "\(folder)/link", withDestinationPath: "\(folder)/target")
            try AtomicFile.write([2], to: "\(folder)/link")
            #expect(try bytes(of: "\(folder)/target") == [1])
        }
    }

    @Test func errorsNamePathOperationAndReason() throws {
        let error = try #require(throws: FileError.self) { try AtomicFile.write([1], to: "/nowhere/at/all") }
        #expect(error.description.hasPrefix("cannot create /nowhere/at/all.partial-"))
        #expect(error.description.hasSuffix("No such file or directory (errno 2)"))
    }

    @Test func hashesAFileAndRefusesWhatIsNone() throws {
        try withFolder { folder in
            let path = "\(folder)/a"
            try overwrite(path, Array("abc".utf8))
            let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
            #expect(try sha256Hex(ofFile: path) == known)
            #expect(sha256Hex(Array("abc".utf8)) == known)
            #expect(sha256Hex([1, -2] as [Float]) == sha256Hex([0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0] as [UInt8]))
            try FileManager.default.createSymbolicLink(atPath: "\(folder)/link", withDestinationPath: path)
            #expect(throws: FileError.self) { try sha256Hex(ofFile: "\(folder)/link") }
            #expect(mkfifo("\(folder)/pipe", 0o600) == 0)
            #expect(throws: FileError.self) { try sha256Hex(ofFile: "\(folder)/pipe") }
            #expect(throws: FileError.self) { try sha256Hex(ofFile: folder) }
        }
    }
}
