import Foundation
import Jobs
import Testing

/// What is read from, and written into, a run's directory: it may come from a stranger.
@Suite struct FileBytesTests {
    /// Makes what is no regular file, under a name of its own, and hands its path and the word for it on.
    private func withStrangeFiles(_ body: (_ path: String, _ word: String) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            let pipe = directory + "/pipe"
            #expect(mkfifo(pipe, 0o600) == 0)
            let link = directory + "/link"
            #expect(symlink(directory + "/target", link) == 0)
            try "target".write(toFile: directory + "/target", atomically: false, encoding: .utf8)
            for (path, word) in [
                (pipe, "a named pipe"), (link, "a symbolic link"), (directory, "a folder"), ("/dev/zero", "a device"),
            ] { try body(path, word) }
        }
    }

    /// Fails, by waiting for ever or reading without an end, when such a thing is opened as a file is.
    @Test func whatIsNoFileIsRefused() throws {
        try withStrangeFiles { path, word in
            let expected = "it is \(word), and a regular file is expected"
            for limit in [10, FileBytes.largest] {
                let error = #expect(throws: SystemCallError.self) { try FileBytes.read(path, limit: limit) }
                #expect(error?.reason == expected && error?.path == path, "\(path): \(String(describing: error))")
            }
            var offset = 0
            #expect(FileBytes.readLines(of: path, from: &offset).isEmpty && offset == 0)
            #expect(StepLog.last(path: path) == nil)
        }
    }

    /// Fails when a writer waits for somebody who reads the pipe, or writes into what a link leads to.
    @Test func whatIsNoFileIsNotWrittenTo() throws {
        try withStrangeFiles { path, _ in
            #expect(throws: SystemCallError.self) { try EventLog(path: path, rank: nil) }
            #expect(throws: SystemCallError.self) { try StepLog(path: path) }
        }
        for name in ["lock", "logs/heartbeats/3"] {
            try withTemporaryDirectory { run in
                let directory = RunDirectory(run)
                try directory.create()
                #expect(mkfifo("\(run)/\(name)", 0o600) == 0)
                #expect(try !RunLock.isHeld(directory))
                let beat = Heartbeat(
                    rank: 3, phase: .teach, model: "m", step: 1, totalSteps: 2, imagesPerSecond: 1)
                #expect(beat.write(to: directory) == (name == "lock"))
                #expect(Heartbeat.readAll(in: directory).count == (name == "lock" ? 1 : 0))
                guard name == "lock" else { return }
                #expect(throws: DiptychFailure.self) { try RunLock(directory, job: "x") }
            }
        }
    }

    @Test func whatIsTooLargeIsRefusedBeforeItIsRead() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/large"
            try "x".write(toFile: path, atomically: false, encoding: .utf8)
            #expect(truncate(path, 200 << 30) == 0)
            let error = #expect(throws: SystemCallError.self) { try FileBytes.read(path, limit: 4096) }
            #expect(
                error?.reason == "it has \(200 << 30) bytes, more than the 4096 that such a file may have",
                "\(String(describing: error))")
            #expect(throws: SystemCallError.self) { try FileBytes.read(path) }
            #expect(throws: SystemCallError.self) { try FileBytes.read(path + "-not-there") }
        }
    }

    /// Fails when a job that a user pipes in, or keeps behind a link, is refused like a stranger's.
    @Test func whatAUserNamesMayBeAPipeOrALink() throws {
        try withTemporaryDirectory { directory in
            let (pipe, link) = (directory + "/pipe", directory + "/link")
            try smallJob.write(toFile: directory + "/job.yaml", atomically: false, encoding: .utf8)
            #expect(symlink(directory + "/job.yaml", link) == 0)
            #expect(mkfifo(pipe, 0o600) == 0)
            let writer = Thread { [text = Data(smallJob.utf8)] in
                _ = try? FileHandle(forWritingAtPath: pipe)?.write(contentsOf: text)
            }
            writer.start()
            #expect(try Job.load(path: pipe).hash == job().hash)
            #expect(try Job.load(path: link).hash == job().hash)
        }
    }

    @Test func linesComeOnceAndWhole() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/log"
            func add(_ text: String) throws {
                let handle = try #require(FileHandle(forWritingAtPath: path))
                try handle.seekToEnd()
                try handle.write(contentsOf: Data(text.utf8))
                try handle.close()
            }
            func lines(_ offset: inout Int) -> String {
                var text = Data()
                while true {
                    let piece = FileBytes.readLines(of: path, from: &offset)
                    if piece.isEmpty { return String(decoding: text, as: UTF8.self) }
                    text += piece
                }
            }
            var offset = 0
            #expect(FileBytes.readLines(of: path, from: &offset).isEmpty, "there is no file yet")
            try "one\ntwo\nthr".write(toFile: path, atomically: false, encoding: .utf8)
            #expect(lines(&offset) == "one\ntwo\n")
            #expect(lines(&offset).isEmpty)
            try add("ee\n\n")
            #expect(lines(&offset) == "three\n\n")
            // More than a piece, in lines; then a line that is more than two pieces.
            let many = (0..<500_000).map { "line \($0)\n" }.joined()
            try add(many)
            #expect(lines(&offset) == many)
            try add(String(repeating: "x", count: 9 << 20))
            #expect(lines(&offset).isEmpty)
            try add("\nlast\n")
            #expect(lines(&offset).hasSuffix("\nlast\n"))
        }
    }
}
