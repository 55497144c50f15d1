import Foundation
import Testing

extension EndToEnd {
    /// Runs that take their teachers from another run instead of training them.
    @Suite(.serialized)
    struct TakenTeachersTests {
        /// Stopped in the middle of distill, deprived of the other run, and resumed on another number of ranks.
        @Test(arguments: [(1, 3), (3, 1)])
        func `With taken teachers a run comes to the same result, and goes on without the other run`(
            ranks: Int, then: Int
        ) throws {
            let made = try Runs.finished()
            let source = try TinyJob(copying: made.job)
            let job = try TinyJob()
            let set = ["teachers.from=\(source.run.path)"]
            let stopped = try Moment.distill.stop(job.start(ranks: ranks, set: set), job.run, signal: SIGTERM)
            #expect(stopped.code == Exit.stopped, "\(stopped.error)")
            #expect(
                stopped.error.contains("teacher-0, teacher-1 from the run in \(source.run.path)"), "\(stopped.error)")
            try FileManager.default.removeItem(atPath: source.run.path)
            let end = try job.finish(ranks: then, set: set)
            try expectSame(RunResult(end, job.run), made.result, "\(ranks), then \(then) ranks")
            #expect(job.run.events("taken").compactMap { $0["from"] as? String } == [source.run.path, source.run.path])
            #expect(job.run.checkpoints(of: "teacher-0") == [TinyJob.steps])
            let verdict = try run(.diptych, ["verify", job.run.path], in: job.folder)
            #expect(verdict.code == Exit.done, "\(verdict.error)")
        }

        @Test func `DualMD takes the teachers of DistillMD, and plan says so`() throws {
            let made = try Runs.finished()
            let job = try TinyJob()
            let set = ["defence=dualmd", "teachers.from=\(made.job.run.path)"]
            let options = ["--run", job.run.path, "--ranks", "2"] + set.flatMap { ["--set", $0] }
            let plan = try run(.diptych, ["plan", job.file, "--json"] + options, in: job.folder)
            #expect(try plan.json["taken_teachers"] as? [String] == ["teacher-0", "teacher-1"])
            #expect(try (plan.json["phases"] as? [Any])?.count == 0, "nothing is trained")
            let text = try run(.diptych, ["plan", job.file] + options, in: job.folder)
            #expect(text.output.contains("teacher-0, teacher-1 from the run in \(made.job.run.path), not trained here"))
            let result = try RunResult(job.finish(ranks: 2, set: set), job.run)
            #expect(result.weights == made.result.weights.filter { $0.key != "student" })
            #expect(result.averages == made.result.averages.filter { $0.key != "student" })
            #expect(result.logs == made.result.logs.filter { $0.key != "student" })
            try expectImages("\(job.run.path)/samples/dual", count: 16)
        }

        @Test func `Teachers that are not this job's, unfinished, damaged or not there are refused`() throws {
            let source = try TinyJob(copying: Runs.finished().job)
            let last = source.run.checkpoint(of: "teacher-1", step: TinyJob.steps)
            func refuse(_ code: Int32, _ words: [String], _ set: [String] = []) throws {
                let job = try TinyJob()
                let end = try job.finish(ranks: 2, set: ["teachers.from=\(source.run.path)"] + set)
                try expectRefusal(end, code: code, naming: ["`teachers.from`", "leave the key out"] + words)
                #expect(job.run.checkpoints(of: "teacher-1").isEmpty)
            }
            try refuse(Exit.usage, ["seed: 7 -> 8"], ["seed=8"])
            try RunFolder.damage(last)
            try refuse(Exit.badData, ["teacher-1 cannot be taken", last])
            for path in [last, last.replacingOccurrences(of: ".h5", with: ".json")] {
                try FileManager.default.removeItem(atPath: path)
            }
            try refuse(Exit.badData, ["teacher-1", "has come to step 25, not to its last, 30"])
            try FileManager.default.removeItem(atPath: source.run.path)
            try refuse(Exit.inputOutput, ["\(source.run.path) is not a run"])
        }
    }
}
