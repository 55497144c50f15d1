import Foundation
import Testing

extension EndToEnd {
    /// Files of a run that are no longer what was written, and states that must never be written.
    @Suite(.serialized)
    struct DamageTests {
        /// What happens to the newest checkpoint.
        enum Damage: String, CaseIterable {
            case flippedByte
            case truncated
            case manifest

            func strike(_ checkpoint: String) throws {
                switch self {
                case .flippedByte: try RunFolder.damage(checkpoint)
                case .manifest: try RunFolder.damage(checkpoint.replacingOccurrences(of: ".h5", with: ".json"))
                case .truncated:
                    let bytes = try #require(FileManager.default.contents(atPath: checkpoint))
                    try bytes.prefix(bytes.count - 100).write(to: URL(fileURLWithPath: checkpoint))
                }
            }
        }

        private func verify(_ job: TinyJob) throws -> (end: ProgramRun.End, checkpoints: [[String: Any]]) {
            let end = try run(.diptych, ["verify", job.run.path, "--json"], in: job.folder)
            return (end, try #require(end.json["checkpoints"] as? [[String: Any]]))
        }

        @Test(arguments: Damage.allCases)
        func `A damaged newest checkpoint is named by verify, and the one before takes its place`(
            damage: Damage
        ) throws {
            let job = try Runs.stopped()
            let steps = job.run.checkpoints(of: "student")
            let newest = try #require(steps.last)
            let previous = try #require(steps.dropLast().last)
            let path = job.run.checkpoint(of: "student", step: newest)
            #expect(try verify(job).end.code == Exit.done)
            try damage.strike(path)

            let (end, checkpoints) = try verify(job)
            #expect(end.code == Exit.badData)
            #expect(end.error.contains(path))
            let invalid = checkpoints.filter { $0["valid"] as? Bool == false }
            #expect(invalid.compactMap { $0["path"] as? String } == [path])

            let resumed = try job.finish(ranks: 2)
            try expectSame(RunResult(resumed, job.run), Runs.finished().result, "\(damage)")
            let event = try #require(job.run.events("checkpoint_skipped").first)
            #expect(event["path"] as? String == path)
            #expect(event["steps_lost"] as? Int == newest - previous)
            #expect(resumed.error.contains("cost \(newest - previous) steps"), "\(resumed.error)")
            #expect(resumed.error.contains("step-000000\(newest)"))
        }

        /// A chain that is cut short at its new end, or gone, has no broken link.
        @Test func `Checkpoints that a run has come to and that are gone are named by verify`() throws {
            let job = try TinyJob(copying: Runs.finished().job)
            let newest = job.run.checkpoint(of: "student", step: TinyJob.steps)
            for gone in [
                [newest, newest.replacingOccurrences(of: ".h5", with: ".json")],
                ["\(job.run.path)/checkpoints/teacher-0"],
            ] {
                #expect(try verify(job).end.code == Exit.done)
                for (number, path) in gone.enumerated() {
                    try #require(rename(path, job.folder.file("\(number)")) == 0)
                }
                let end = try verify(job).end
                #expect(end.code == Exit.badData, "\(gone)")
                let missing = try #require(end.json["missing"] as? [String])
                let model = gone.count == 1 ? "teacher-0" : "student"
                #expect(
                    missing.count == 1 && missing[0].contains("/checkpoints/\(model): no checkpoint there"),
                    "\(missing)")
                #expect(end.error.contains(missing[0]), "\(end.error)")
                for (number, path) in gone.enumerated() {
                    try #require(rename(job.folder.file("\(number)"), path) == 0)
                }
            }
        }

        @Test func `With all checkpoints of a model damaged the run refuses to begin anew`() throws {
            let job = try Runs.stopped()
            let steps = job.run.checkpoints(of: "teacher-1")
            for step in steps { try RunFolder.damage(job.run.checkpoint(of: "teacher-1", step: step)) }
            let before = job.run.treasures
            try expectRefusal(
                job.finish(ranks: 2), code: Exit.badData,
                naming: ["teacher-1", job.run.checkpoint(of: "teacher-1", step: steps.last ?? 0)])
            #expect(job.run.treasures == before)
            #expect(try verify(job).checkpoints.count { $0["valid"] as? Bool == false } == steps.count)
        }

        /// Every checkpoint is valid by itself; only the chain tells that one is no longer there, or is another.
        ///
        /// Fails when a break of the chain does not end `verify` with 65, or is not named.
        @Test func `A broken chain is named by verify, which ends with 65`() throws {
            let job = try Runs.stopped()
            let steps = job.run.checkpoints(of: "teacher-0")
            try #require(steps.count == 3)
            let middle = job.run.checkpoint(of: "teacher-0", step: steps[1])
            for path in [middle, middle.replacingOccurrences(of: ".h5", with: ".json")] {
                try FileManager.default.removeItem(atPath: path)
            }
            let (end, checkpoints) = try verify(job)
            #expect(end.code == Exit.badData)
            #expect(checkpoints.allSatisfy { $0["valid"] as? Bool == true })
            let link = job.run.checkpoint(of: "teacher-0", step: steps[2]).replacingOccurrences(
                of: ".h5", with: ".json")
            #expect(
                end.error.contains(
                    "the chain of teacher-0 breaks at \(link): follows step \(steps[1]), but step \(steps[0]) stands "
                        + "before it"), "\(end.error)")
            let chains = try #require(end.json["chains"] as? [[String: Any]])
            let broken = chains.filter { $0["break"] is String }
            #expect(broken.map { $0["model"] as? String } == ["teacher-0"])
            #expect(broken.map { $0["break"] as? String } == [link])
            #expect(chains.count == 3)
        }

        @Test func `A damaged split is refused`() throws {
            let job = try Runs.stopped()
            try RunFolder.damage("\(job.run.path)/split.h5")
            let before = job.run.treasures
            try expectRefusal(job.finish(ranks: 2), code: Exit.badData, naming: ["split.h5"])
            #expect(job.run.treasures == before)
        }

        /// Decoupled weight decay of 1 at a learning rate of 10 multiplies every weight by -9 in every step, until the
        /// loss is beyond a float.
        @Test(arguments: [1, 2])
        func `A loss that is no number ends the run, and no checkpoint holds the bad state`(ranks: Int) throws {
            let job = try TinyJob()
            let end = try job.finish(
                ranks: ranks,
                set: [
                    "teach.learning_rate=10", "teach.warmup_steps=0", "teach.optimizer=adamw", "teach.weight_decay=1",
                    "checkpoint.every_steps=1", "checkpoint.keep=100",
                ])
            try expectRefusal(end, code: Exit.badData, naming: ["teacher-", "step ", "lane "])
            let message = try #require(end.json["message"] as? String)
            let match = try #require(message.firstMatch(of: /(teacher-[01]) .*lane \d+ at step (\d+) is/), "\(message)")
            let step = try #require(Int(match.2))
            #expect(step > 1 && step < TinyJob.steps)
            #expect(job.run.steps(of: String(match.1)) == step)
            let (verdict, checkpoints) = try verify(job)
            #expect(verdict.code == Exit.done, "\(verdict.error)")
            let saved = checkpoints.filter { $0["model"] as? String == String(match.1) }.compactMap {
                $0["step"] as? Int
            }
            #expect(saved.max() ?? 0 <= step, "\(saved)")
            #expect(!saved.isEmpty)
        }
    }
}
