import Foundation
import Testing

extension EndToEnd {
    /// The other shapes a job can have.
    @Suite(.serialized)
    struct VariantTests {
        /// Fails when a group with several teachers trains only its first, or numbers them from its own first rank.
        @Test func `Three parts come to the same result on fewer ranks than parts`() throws {
            var first: RunResult?
            for ranks in [3, 2, 1] {
                let job = try TinyJob(replacing: "parts: 2", with: "parts: 3")
                let result = try RunResult(job.finish(ranks: ranks), job.run)
                #expect(result.weights.keys.sorted() == ["student", "teacher-0", "teacher-1", "teacher-2"])
                #expect(Set(result.weights.values).count == 4)
                try expectImages("\(job.run.path)/samples/student", count: 16)
                if let first { expectSame(result, first, "\(ranks) ranks against 3") }
                first = first ?? result
            }
        }

        @Test func `The undefended baseline is one model on all members`() throws {
            var results: [RunResult] = []
            for ranks in [2, 3] {
                let job = try TinyJob()
                results.append(try RunResult(job.finish(ranks: ranks, set: ["defence=none"]), job.run))
                #expect(results[0].weights.keys.sorted() == ["baseline"])
                try expectImages("\(job.run.path)/samples/baseline", count: 16)
            }
            expectSame(results[1], results[0], "3 ranks against 2")
        }

        @Test func `DualMD's release samples from both teachers, which are those of DistillMD`() throws {
            let job = try TinyJob()
            let result = try RunResult(job.finish(ranks: 2, set: ["defence=dualmd"]), job.run)
            let distilled = try Runs.finished().result
            #expect(result.weights == distilled.weights.filter { $0.key != "student" })
            #expect(result.averages == distilled.averages.filter { $0.key != "student" })
            try expectImages("\(job.run.path)/samples/dual", count: 16)
        }
    }

    /// `diptych sample`.
    @Suite(.serialized)
    struct SampleTests {
        @Test(arguments: ["student", "teacher-0", "teacher-1", "dual"])
        func `Every model samples a grid and an array`(model: String) throws {
            let job = try Runs.finished().job
            let folder = try TemporaryFolder()
            let before = job.run.treasures
            for (ranks, sampler) in [(1, "ddim"), (2, "ddim"), (2, "ddpm")] {
                let out = folder.file("\(sampler)-\(ranks)")
                let end = try run(
                    .diptych,
                    ["sample", job.run.path, "--model", model, "--count", "10", "--sampler", sampler, "--steps", "5"]
                        + ["--out", out, "--ranks", "\(ranks)"], in: folder)
                #expect(end.code == Exit.done, "\(end.error)")
                try expectImages("\(out)/\(model)", count: 10)
            }
            func pixels(_ name: String) throws -> [UInt8] {
                try ImageArray(path: folder.file("\(name)/\(model).npz")).pixels
            }
            #expect(try pixels("ddim-1") == pixels("ddim-2"), "the number of ranks changes the images")
            #expect(try pixels("ddpm-2") != pixels("ddim-2"), "the sampler is not heeded")
            #expect(job.run.treasures == before)
        }

        /// Fails when the job's options of sampling do not reach the ranks, at the end of a run or afterwards.
        @Test func `By default the images are those of the run, and guidance is heeded`() throws {
            let job = try Runs.finished().job
            let folder = try TemporaryFolder()
            func images(_ name: String, _ options: [String]) throws -> [UInt8] {
                let end = try run(
                    .diptych, ["sample", job.run.path, "--out", folder.file(name)] + options, in: folder)
                #expect(end.code == Exit.done, "\(end.error)")
                return try ImageArray(path: folder.file(name) + "/student.npz").pixels
            }
            let own = try ImageArray(path: "\(job.run.path)/samples/student.npz").pixels
            #expect(try images("default", []) == own)
            #expect(try images("guided", ["--guidance-scale", "1.5"]) == own)
            #expect(try images("plain", ["--guidance-scale", "1"]) != own)
        }

        /// Fails when `dual` samples from one teacher alone, or the name is not heeded.
        @Test func `Models make different images, and raw weights others than the average`() throws {
            let job = try Runs.finished().job
            let folder = try TemporaryFolder()
            var seen: Set<[UInt8]> = []
            let choices = [("teacher-0", "ema"), ("teacher-1", "ema"), ("dual", "ema"), ("dual", "raw")]
            for (model, weights) in choices {
                let out = folder.file("\(model)-\(weights)")
                let end = try run(
                    .diptych,
                    ["sample", job.run.path, "--model", model, "--count", "4", "--steps", "4", "--weights", weights]
                        + ["--out", out, "--json"], in: folder)
                #expect(end.code == Exit.done, "\(end.error)")
                let json = try end.json
                #expect(Set(json.keys) == ["run", "model", "count", "out", "files"])
                #expect((json["files"] as? [String]).map(Set.init) == ["\(out)/\(model).png", "\(out)/\(model).npz"])
                seen.insert(try ImageArray(path: "\(out)/\(model).npz").pixels)
            }
            #expect(seen.count == choices.count)
        }

        @Test func `An unknown model is refused with the names there are`() throws {
            let job = try Runs.finished().job
            let end = try run(
                .diptych, ["sample", job.run.path, "--model", "teacher-2", "--out", job.folder.file("nothing")],
                in: job.folder)
            #expect(end.code == Exit.usage)
            #expect(end.error.contains("teacher-2"))
            #expect(end.error.contains("student"))
            #expect(!FileManager.default.fileExists(atPath: job.folder.file("nothing")))
        }
    }
}
