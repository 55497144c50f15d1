import Foundation
import Testing

extension EndToEnd {
    /// The promise of docs/architecture.md: the number of ranks, and who starts them, is no part of the result.
    ///
    /// Fails when lanes are summed in rank order: then 1, 2, 3 and 4 ranks give four different hashes.
    @Suite(.serialized)
    struct EqualBitsTests {
        @Test(arguments: [1, 3, 4])
        func `Any number of ranks comes to the same hashes, logs and samples`(ranks: Int) throws {
            let expected = try Runs.finished().result
            expectSame(try Runs.finished(ranks: ranks).result, expected, "\(ranks) ranks against 2")
        }

        /// The most lanes that the promise names, one image each: no sum has as many terms, or crosses as many ranks.
        @Test func `24 lanes of one image come to the same result on 1, 6 and 8 ranks`() throws {
            let set = ["teach", "distill"].flatMap {
                [
                    "\($0).batch=24", "\($0).images_per_lane=1", "\($0).steps=6", "\($0).warmup_steps=2",
                    "\($0).decay_steps=3",
                ]
            }
            let alone = try TinyJob()
            let expected = try RunResult(alone.finish(ranks: 1, set: set), alone.run)
            for ranks in [6, 8] {
                let job = try TinyJob()
                try expectSame(
                    RunResult(job.finish(ranks: ranks, set: set), job.run), expected, "\(ranks) ranks against 1")
            }
        }

        @Test func `The three models differ from each other`() throws {
            let result = try Runs.finished().result
            #expect(result.weights.keys.sorted() == ["student", "teacher-0", "teacher-1"])
            #expect(Set(result.weights.values).count == 3)
            #expect(Set(result.averages.values).count == 3)
            #expect(Set(result.weights.values).isDisjoint(with: result.averages.values))
            #expect(result.logs.values.allSatisfy { $0.count { $0 == UInt8(ascii: "\n") } == TinyJob.steps })
        }

        @Test func `Another seed comes to other hashes`() throws {
            let expected = try Runs.finished().result
            let job = try TinyJob()
            let result = try RunResult(job.finish(ranks: 2, set: ["seed=8"]), job.run)
            for (model, hash) in result.weights { #expect(hash != expected.weights[model], "\(model)") }
        }

        @Test func `mpirun by hand comes to the same result`() throws {
            let expected = try Runs.finished().result
            let job = try TinyJob()
            let end = try run(
                .mpirun,
                ["--oversubscribe", "--bind-to", "none", "-n", "2", try Program.worker.path]
                    + [job.file, "--run", job.run.path], in: job.folder)
            #expect(end.code == Exit.done, "\(end.error)")
            let bytes = try #require(job.run.bytes("outcome.json"))
            let outcome = try #require(JSONSerialization.jsonObject(with: bytes) as? [String: Any])
            try expectSame(RunResult(outcome, job.run), expected, "by hand")
        }

        /// Under oneDNN's own switch, the second rank computes as an older processor would.
        @Test func `Ranks that would compute other bits are refused before anything is trained`() throws {
            let job = try TinyJob()
            let rank = [try Program.worker.path, job.file, "--run", job.run.path]
            let end = try run(
                .mpirun,
                ["--oversubscribe", "--bind-to", "none", "-n", "1"] + rank
                    + [":", "-n", "1", "env", "DNNL_MAX_CPU_ISA=SSE41"] + rank, in: job.folder)
            #expect(end.code == Exit.usage, "\(end.error)")
            #expect(end.error.contains("rank 1 would not compute the same bits as rank 0"), "\(end.error)")
            #expect(end.error.contains("sse41 here and"), "\(end.error)")
            #expect(job.run.bytes("split.h5") == nil)
        }

        @Test func `A finished run run again says the same and computes nothing`() throws {
            let made = try Runs.finished()
            let job = try TinyJob(copying: made.job)
            let before = job.run.treasures
            let end = try job.finish(ranks: 1)
            try expectSame(RunResult(end, job.run), made.result, "again")
            #expect(job.run.treasures == before)
            let phases = try #require(end.json["phases"] as? [[String: Any]])
            let training = phases.filter { ["teach", "distill"].contains($0["name"] as? String) }
            #expect(training.allSatisfy { $0["images_per_second"] as? Double == 0 }, "\(training)")
        }
    }
}
