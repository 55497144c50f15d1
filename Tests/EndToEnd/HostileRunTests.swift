import Foundation
import Testing

extension EndToEnd {
    /// A run's directory from somebody else, with something under the name of a file that is none.
    ///
    /// Fails when a command opens it all the same: it then waits for ever, or reads without an end.
    @Suite(.serialized)
    struct HostileRunTests {
        /// What takes the place of a file.
        enum Thing: String, CaseIterable {
            case pipe = "it is a named pipe, and a regular file is expected"
            case linkToDevice = "it is a symbolic link, and a regular file is expected"
            case hugeFile = "it has 214748364800 bytes, more than the "

            fileprivate func make(_ path: String) throws {
                let answer =
                    switch self {
                    case .pipe: mkfifo(path, 0o600)
                    case .linkToDevice: symlink("/dev/zero", path)
                    case .hugeFile: creat(path, 0o600)
                    }
                guard answer >= 0 else { throw TestFailure("\(path) cannot be made: \(errno)") }
                guard self == .hugeFile else { return }
                defer { close(answer) }
                guard ftruncate(answer, 200 << 30) == 0 else { throw TestFailure("\(path) cannot be so large") }
            }

            /// Puts it in the place of a file for as long as `body` runs.
            func with(inPlaceOf path: String, _ body: () throws -> Void) throws {
                let aside = path + ".aside"
                let isThere = rename(path, aside) == 0
                defer {
                    unlink(path)
                    if isThere { rename(aside, path) }
                }
                try make(path)
                try body()
            }
        }

        @Test(arguments: Thing.allCases)
        func `Every command that reads a run refuses what is no file there`(thing: Thing) throws {
            let job = try Runs.stopped()
            let path = job.run.path
            let planned = [job.file, "--run", path]
            let commands = [
                ["status", path], ["logs", path], ["logs", path, "--workers"], ["logs", path, "--rank", "0"],
                ["verify", path], ["sign", path, "--key", "none.pem"], ["sample", path], ["audit", path],
                ["drill", path], ["cancel", path], job.arguments(ranks: 2), ["plan"] + planned, ["submit"] + planned,
            ]
            for name in ["job.yaml", "logs/events.jsonl"] {
                try thing.with(inPlaceOf: "\(path)/\(name)") {
                    for command in commands {
                        let end = try EndToEndTests.run(.diptych, command, in: job.folder)
                        // These look at the run only where they can. Runs are cancelled one by one.
                        if ["plan", "submit"].contains(command[0]) {
                            #expect(end.code != nil)
                            continue
                        }
                        #expect(
                            end.code == (command[0] == "cancel" ? Exit.inputOutput : Exit.badData),
                            "\(command): \(end.code.map(String.init) ?? "killed"), \(end.error)")
                        #expect(
                            end.error.contains(
                                "\(path)/\(name) is no file that Diptych has written: \(thing.rawValue)"),
                            "\(command): \(end.error)")
                    }
                }
            }
        }

        @Test(arguments: Thing.allCases)
        func `Whatever file of a run is none, it is named before anything is done`(thing: Thing) throws {
            let job = try Runs.stopped()
            let names = [
                "job.yaml", "convolutions.yaml", "split.h5", "split.h5.sha256", "profile.json", "outcome.json",
                "submission.json", "deaths.json", "execution", "lock", "logs/events.jsonl", "logs/worker.log",
                "logs/teacher-0.jsonl", "logs/student.jsonl", "audit/report.json", "audit/nearest.json",
            ]
            try? FileManager.default.createDirectory(
                atPath: "\(job.run.path)/audit", withIntermediateDirectories: false)
            let before = job.run.treasures
            for name in names {
                let path = "\(job.run.path)/\(name)"
                try thing.with(inPlaceOf: path) {
                    for command in [["status", job.run.path], job.arguments(ranks: 2)] {
                        let end = try EndToEndTests.run(.diptych, command, in: job.folder)
                        #expect(end.code == Exit.badData, "\(name): \(end.error)")
                        #expect(end.error.contains("\(path) is no file"), "\(name): \(end.error)")
                        #expect(end.error.contains(thing.rawValue), "\(name): \(end.error)")
                    }
                }
            }
            #expect(job.run.treasures == before)
            let end = try EndToEndTests.run(.diptych, ["status", job.run.path], in: job.folder)
            #expect(end.code == Exit.done, "\(end.error)")
        }

        /// What is examined would not be what is read. Fails when `verify` passes over a model behind a link, or a command reads
        /// or writes there.
        @Test func `A folder of a run that is a link is named before anything is done`() throws {
            let job = try Runs.stopped()
            try FileManager.default.createDirectory(
                atPath: "\(job.run.path)/audit", withIntermediateDirectories: false)
            let before = job.run.treasures
            let elsewhere = job.folder.file("elsewhere")
            for name in [
                "checkpoints", "checkpoints/teacher-0", "logs", "logs/heartbeats", "samples", "report", "audit",
            ] {
                let path = "\(job.run.path)/\(name)"
                try #require(rename(path, elsewhere) == 0 && symlink(elsewhere, path) == 0, "\(name)")
                let commands = [
                    ["status", job.run.path], ["verify", job.run.path], ["sample", job.run.path],
                    job.arguments(ranks: 2),
                ]
                for command in commands {
                    let end = try EndToEndTests.run(.diptych, command, in: job.folder)
                    #expect(end.code == Exit.badData, "\(command): \(end.error)")
                    let words =
                        "\(path) is no folder that Diptych has made: it is a symbolic link, and a folder is expected"
                    #expect(end.error.contains(words), "\(command): \(end.error)")
                }
                try #require(unlink(path) == 0 && rename(elsewhere, path) == 0, "\(name)")
            }
            #expect(job.run.treasures == before)
        }

        @Test(arguments: Thing.allCases)
        func `Checkpoints and manifests that are no files are not valid, and the others are read`(thing: Thing) throws {
            let job = try Runs.stopped()
            let newest = try #require(job.run.checkpoints(of: "student").last)
            let checkpoint = job.run.checkpoint(of: "student", step: newest)
            for path in [checkpoint, checkpoint.replacingOccurrences(of: ".h5", with: ".json")] {
                try thing.with(inPlaceOf: path) {
                    let end = try EndToEndTests.run(.diptych, ["verify", job.run.path, "--json"], in: job.folder)
                    #expect(end.code == Exit.badData, "\(end.error)")
                    let checkpoints = try #require(end.json["checkpoints"] as? [[String: Any]])
                    let invalid = checkpoints.filter { $0["valid"] as? Bool == false }
                    #expect(invalid.compactMap { $0["path"] as? String } == [checkpoint], "\(end.error)")
                    #expect(checkpoints.count > 3)
                }
            }
        }

        @Test(arguments: Thing.allCases)
        func `Signs of life that are no files are passed over`(thing: Thing) throws {
            let job = try Runs.stopped()
            try thing.with(inPlaceOf: "\(job.run.path)/logs/heartbeats/0") {
                let end = try EndToEndTests.run(.diptych, ["status", job.run.path], in: job.folder)
                #expect(end.code == Exit.done, "\(end.error)")
            }
        }

        /// The name of SLURM's log stands in a file that the stranger has written, too.
        @Test(arguments: Thing.allCases)
        func `A log elsewhere that is no file is not followed`(thing: Thing) throws {
            let job = try Runs.stopped()
            let log = job.folder.file("elsewhere.log")
            let submission = """
                {"job_id": "12", "script": "none", "log": "\(log)", "time": 0}

                """
            let path = "\(job.run.path)/submission.json"
            try submission.write(toFile: path, atomically: false, encoding: .utf8)
            defer { unlink(path) }
            try thing.with(inPlaceOf: log) {
                let end = try EndToEndTests.run(.diptych, ["logs", job.run.path], in: job.folder)
                #expect(end.code == Exit.badData, "\(end.error)")
                #expect(end.error.contains(log) && end.error.contains(thing.rawValue), "\(end.error)")
            }
        }
    }
}
