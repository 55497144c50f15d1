import Foundation
import Testing

extension EndToEnd {
    /// Names that file systems allow and people do not expect.
    @Suite(.serialized)
    struct HostileNameTests {
        /// Clears a screen in two ways, breaks a line, turns the direction of writing.
        private static let name = "r \u{1B}[2J\u{9B}2J\n\u{202E}\u{7F}y"

        /// A stopped run under that name, with the like in all that commands show of it.
        private static func hostileRun() throws -> (job: TinyJob, run: RunFolder) {
            let job = try Runs.stopped()
            let run = RunFolder(path: job.folder.file(name))
            try FileManager.default.moveItem(atPath: job.run.path, toPath: run.path)
            let log = "events.jsonl"
            try append(#"{"time":1,"host":"\u001b[2J","rank":0,"kind":"\u009b2J","message":"\u202e\n"}"# + "\n", log)
            try append(#"{"time":2,"host":"h","rank":0,"kind":"raw"# + "\u{1B}[2J\u{9B}2J\u{202E}\"}\n", log)
            try append("\u{1B}[2J\u{1B}]0;title\u{7}\u{9B}2J\u{202E}\n", "worker.log")
            let outcome = String(decoding: try #require(run.bytes("outcome.json")), as: UTF8.self)
            let key = #""message" : ""#
            try #require(outcome.contains(key))
            try outcome.replacingOccurrences(of: key, with: key + #"\u001b[2J\u009b2J\u202e"#)
                .write(toFile: run.path + "/outcome.json", atomically: false, encoding: .utf8)
            try FileManager.default.copyItem(
                atPath: run.path + "/checkpoints/teacher-0", toPath: run.path + "/checkpoints/t\u{1B}[2J\u{202E}")
            return (job, run)

            func append(_ line: String, _ file: String) throws {
                let handle = try FileHandle(forUpdating: URL(filePath: "\(run.path)/logs/\(file)"))
                try handle.seekToEnd()
                try handle.write(contentsOf: Data(line.utf8))
                try handle.close()
            }
        }

        /// What a terminal would do more with than show it.
        private static func commands(in text: String) -> [Unicode.Scalar] {
            text.unicodeScalars.filter { scalar in
                switch scalar.value {
                case 0x0A: false
                case 0..<0x20, 0x7F..<0xA0, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069: true
                default: false
                }
            }
        }

        @Test func `Names and texts of a run cannot write to the terminal, whatever command shows them`() throws {
            let (job, run) = try Self.hostileRun()
            let path = run.path
            let commands: [(words: [String], shows: Bool)] = [
                (["status", path], true), (["status", path, "--json"], true), (["status", job.folder.path], true),
                (["logs", path], true), (["logs", path, "--rank", "0"], true), (["logs", path, "--workers"], true),
                (["verify", path], true), (["verify", path, "--json"], true),
                (["sign", path, "--key", path + "/none.pem"], true), (["cancel", path], true), (["drill", path], true),
                (["sample", path, "--model", Self.name], true), (["audit", path + "/none"], true),
                (["plan", path + ".yaml"], true), (["plan", job.file, "--set", "\(Self.name)=1"], true),
                (["plan", job.file, "--set", "name=\(Self.name)"], true), ([Self.name], true),
                (["submit", job.file, "--run", path], false), (["run", job.file, "--run", path, "--json"], true),
                (["status", path], true), (["verify", path], true),
            ]
            let worker = try EndToEndTests.run(.worker, [Self.name, Self.name], in: job.folder)
            #expect(worker.code == Exit.usage && worker.error.contains("\\u{1b}[2J"), "\(worker.error)")
            #expect(Self.commands(in: worker.output + worker.error).isEmpty)
            for (words, shows) in commands {
                let end = try EndToEndTests.run(.diptych, words, in: job.folder)
                let told = Self.commands(in: end.output + end.error)
                #expect(told.isEmpty, "\(words): \(told)")
                let escaped = ["\\u{1b}[2J", "\\u001b[2J"].contains { (end.output + end.error).contains($0) }
                #expect(escaped == shows, "\(words): \(end.output)\(end.error)")
                // The run is in order, whatever it is called.
                if words[0] == "run" {
                    try expectSame(RunResult(end, run), Runs.finished().result, "a hostile name")
                }
            }
        }

        /// Fails when an error that holds a path as it is comes to the terminal so, from a rank or from a command.
        @Test(.enabled(if: ReadFault.works, "strace must be installed, and tracing allowed"))
        func `What is said of a file with such a name cannot write to the terminal`() throws {
            let (job, run) = try Self.hostileRun()
            let execution = String(decoding: try #require(run.bytes("execution")), as: UTF8.self)
                .trimmingCharacters(in: .whitespacesAndNewlines)
            let newest = try #require(run.checkpoints(of: "student").last)
            let manifest = run.checkpoint(of: "student", step: newest).replacing(".h5", with: ".json")
            let faulty = ["-qq", "-o", "/dev/null", "-P", manifest, "-e", "inject=openat:error=ESTALE"]
            let commands = [
                [try Program.diptych.path, "verify", run.path],
                [try Program.worker.path, "train", "--run", run.path, "--ranks", "1", "--execution", execution],
            ]
            for command in commands {
                let end = try EndToEndTests.run(.strace, faulty + command, in: job.folder)
                #expect(end.code == Exit.inputOutput && end.error.contains("Stale file handle"), "\(end.error)")
                #expect(end.error.contains("\\u{1b}[2J"), "\(end.error)")
                #expect(Self.commands(in: end.output + end.error).isEmpty, "\(command)")
            }
        }

        /// Fails when the words of the loader are taken for the program's own.
        @Test func `A program that the loader was told to start has its own arguments`() throws {
            let loader = "/lib64/ld-linux-x86-64.so.2"
            let job = try TinyJob()
            let script = #"exec "$0" "$1" plan "$2""#
            let end = try EndToEndTests.run(
                .bash, ["-c", script, loader, Program.diptych.path, job.file], in: job.folder)
            #expect(end.code == Exit.done && end.output.contains("teach"), "\(end.error)")
        }

        /// Fails when a name is repaired: the run of another directory would be gone on with, or a new one begun.
        @Test(arguments: [
            #"exec "$0" run "$2" --run "$(printf 'r\377')""#, #"exec "$0" status "$(printf 'r\377')""#,
            #"exec "$0" plan "$(printf 'r\377.yaml')""#, #"exec "$1" "$2" --run "$(printf 'r\377')""#,
            #"d=$(printf 'd\377'); mkdir "$d"; cd "$d"; exec "$0" run "$2" --run r"#,
        ])
        func `A name that is not UTF-8 is refused, and none other is taken for it`(script: String) throws {
            let job = try TinyJob()
            let end = try EndToEndTests.run(
                .bash, ["-c", script, Program.diptych.path, Program.worker.path, job.file], in: job.folder)
            #expect(end.code == Exit.usage, "\(end.error)")
            #expect(end.error.contains("not UTF-8"), "\(end.error)")
            #expect(end.error.split(separator: "\n").count == 1, "\(end.error)")
            let left = try FileManager.default.subpathsOfDirectory(atPath: job.folder.path)
            #expect(!left.contains { $0.hasSuffix("job.yaml") }, "\(left)")
        }

        /// Names of 255 bytes and paths of 4095 are what Linux allows.
        @Test func `A long name is run in, and one that is too long is told`() throws {
            let job = try TinyJob()
            let deep = job.folder.path + String(repeating: "/" + String(repeating: "d", count: 250), count: 15)
            let expected = try Runs.finished().result
            for path in [job.folder.file(String(repeating: "n", count: 255)), deep] {
                let end = try EndToEndTests.run(
                    .diptych, ["run", job.file, "--run", path, "--ranks", "2", "--json"], in: job.folder)
                try expectSame(RunResult(end, RunFolder(path: path)), expected, "a name of \(path.utf8.count) bytes")
                #expect(try EndToEndTests.run(.diptych, ["verify", path], in: job.folder).code == Exit.done)
            }
            for path in [String(repeating: "n", count: 256), String(repeating: "d/", count: 3000) + "r"] {
                for command in [["run", job.file, "--run", path], ["status", path], ["verify", path]] {
                    let end = try EndToEndTests.run(.diptych, command, in: job.folder)
                    #expect(end.code == Exit.inputOutput, "\(command[0]): \(end.error)")
                    #expect(end.error.contains("File name too long"), "\(command[0]): \(end.error)")
                }
            }
        }
    }
}
