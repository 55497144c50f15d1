import Foundation
import TestSupport
import Testing

/// Expects one message for the user, with a documented code, that names what is wrong.
func expectRefusal(
    _ end: ProgramRun.End, code: Int32, naming words: [String], sourceLocation: SourceLocation = #_sourceLocation
) throws {
    #expect(end.code == code, "\(end.error)", sourceLocation: sourceLocation)
    let messages = end.error.split(separator: "\n").filter { $0.hasPrefix("diptych: ") }
    #expect(messages.count == 1, "one message, not \(messages)", sourceLocation: sourceLocation)
    let message = end.error.range(of: "diptych: ").map { end.error[$0.upperBound...] } ?? ""
    for word in words {
        #expect(message.contains(word), "the message names \(word): \(message)", sourceLocation: sourceLocation)
    }
    let json = try end.json
    #expect(json["exit"] as? Int == Int(code), sourceLocation: sourceLocation)
}

extension EndToEnd {
    /// Faults that show before a rank is started. Nothing is created then.
    @Suite(.serialized)
    struct BadJobTests {
        @Test func `An unknown key is refused with the nearest valid one`() throws {
            let job = try TinyJob(replacing: "held_out: 100", with: "held_uot: 100")
            try expectRefusal(
                job.finish(ranks: 1), code: Exit.usage,
                naming: ["tiny.yaml:8", "`data.held_uot`", "`data.held_out`"])
            #expect(!FileManager.default.fileExists(atPath: job.run.path))
        }

        @Test func `A value out of range is refused with the range`() throws {
            let job = try TinyJob()
            try expectRefusal(
                job.finish(ranks: 1, set: ["model.dropout=1.5"]), code: Exit.usage,
                naming: ["model.dropout", "0.95", "1.5"])
            #expect(!FileManager.default.fileExists(atPath: job.run.path))
        }

        @Test func `More ranks than lanes are refused`() throws {
            let job = try TinyJob()
            try expectRefusal(
                job.finish(ranks: 5), code: Exit.usage, naming: ["ranks", "1...4", "found 5", "images_per_lane"])
            #expect(!FileManager.default.fileExists(atPath: job.run.path))
        }

        @Test func `A missing job file is refused`() throws {
            let folder = try TemporaryFolder()
            let end = try run(.diptych, ["run", folder.file("absent.yaml"), "--json"], in: folder)
            try expectRefusal(end, code: Exit.usage, naming: ["absent.yaml"])
            #expect(!FileManager.default.fileExists(atPath: folder.file("runs")))
        }

        /// A file where the directory should be, and a file system that takes no directories: root may write elsewhere.
        @Test func `A run directory that cannot be written is refused`() throws {
            let job = try TinyJob()
            let occupied = try job.folder.write("precious", to: "occupied")
            for path in [occupied, "/proc/diptych-run"] {
                let end = try run(.diptych, ["run", job.file, "--run", path, "--ranks", "1", "--json"], in: job.folder)
                try expectRefusal(end, code: Exit.inputOutput, naming: [path, "--run"])
            }
            #expect(try String(contentsOfFile: occupied, encoding: .utf8) == "precious")
        }

        @Test func `Another job's run directory is refused with the difference and a ready line`() throws {
            let job = try Runs.stopped()
            let before = job.run.treasures
            let end = try job.finish(ranks: 2, set: ["teach.learning_rate=2e-3"])
            try expectRefusal(
                end, code: Exit.usage,
                naming: ["teach.learning_rate: 0.001 -> 0.002", "--run \(job.run.path)-2"])
            #expect(job.run.treasures == before)
        }

        @Test func `More steps need the word extend, and fewer are another job`() throws {
            let job = try Runs.stopped()
            let before = job.run.treasures
            try expectRefusal(
                job.finish(ranks: 2, set: ["distill.steps=40"]), code: Exit.usage,
                naming: ["distill.steps: 30 -> 40", "--extend"])
            try expectRefusal(
                job.finish(ranks: 2, set: ["distill.steps=20"]), code: Exit.usage, naming: ["distill.steps: 30 -> 20"])
            #expect(job.run.treasures == before)
        }

        /// Fails when the lock ends with the preparation: two runs would then write into one directory.
        @Test(arguments: [Program.diptych, .mpirun])
        func `A second run in a directory is refused while the first lives`(first: Program) throws {
            let job = try TinyJob()
            let byHand = ["--bind-to", "none", "-n", "1", try Program.worker.path, job.file, "--run", job.run.path]
            let running = try ProgramRun(
                first, first == .diptych ? job.arguments(ranks: 1) : byHand, in: job.folder)
            try running.wait(until: "it trains") { job.run.steps(of: "teacher-0") > 0 }
            // Halted, so that it cannot be over before the second one looks.
            for rank in running.ranks { rank.send(SIGSTOP) }
            let second = try job.finish(ranks: 1)
            try expectRefusal(second, code: Exit.inputOutput, naming: [job.run.path, "in use", "--run"])
            #expect(second.seconds < 60, "it waited for a run that is alive")
            for rank in running.ranks { rank.send(SIGCONT) }
            let end = try running.end()
            #expect(end.code == Exit.done, "\(end.error)")
        }
    }
}

extension Program: CustomTestStringConvertible {
    var testDescription: String { rawValue }
}
