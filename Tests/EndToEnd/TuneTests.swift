import Foundation
import Testing

extension EndToEnd {
    /// `diptych tune`, and runs by what it has measured.
    @Suite(.serialized)
    struct TuneTests {
        private func tune(_ job: TinyJob, _ out: String, _ options: [String] = []) throws -> ProgramRun.End {
            try run(.diptych, ["tune", job.file, "--out", out, "--samples", "1", "--json"] + options, in: job.folder)
        }

        @Test func `tune writes the convolutions of every phase, and replaces no file unasked`() throws {
            let job = try TinyJob()
            let out = job.folder.file("table.yaml")
            let end = try tune(job, out)
            #expect(end.code == Exit.done, "\(end.error)")
            let json = try end.json
            #expect(Set(json.keys) == ["file", "sha256", "convolutions", "changed", "passes"])
            #expect(json["file"] as? String == out)
            let passes = try #require(json["passes"] as? [[String: Any]])
            #expect(passes.compactMap { $0["name"] as? String } == ["teach", "distill", "sample"])
            #expect(passes.compactMap { $0["images"] as? Int } == [2, 2, 4])
            let text = try String(contentsOfFile: out, encoding: .utf8)
            let lines = text.split(separator: "\n").filter { $0.hasPrefix("  - {direction: ") }
            #expect(lines.count == json["convolutions"] as? Int && lines.count > 20)
            #expect(lines.allSatisfy { $0.contains("milliseconds: {direct: ") })
            #expect(text.contains("processor: ") && text.contains("onednn: "))

            let again = try tune(job, out)
            #expect(again.code == Exit.usage && again.error.contains("--force"), "\(again.error)")
            #expect(try String(contentsOfFile: out, encoding: .utf8) == text)
            try "old".write(toFile: out, atomically: false, encoding: .utf8)
            #expect(try tune(job, out, ["--force"]).code == Exit.done)
            #expect(try String(contentsOfFile: out, encoding: .utf8).hasPrefix("# Which algorithm"))
        }

        /// Fails when ranks do not read the table, or not the run's copy of it.
        @Test func `A run computes by its table, to the same bits on any number of ranks`() throws {
            let rule = try Runs.finished().result
            var results: [RunResult] = []
            for ranks in [1, 2] {
                let job = try TinyJob()
                let table = job.folder.file("table.yaml")
                #expect(try tune(job, table).code == Exit.done)
                let measured = try String(contentsOfFile: table, encoding: .utf8)
                let direct = measured.replacingOccurrences(of: "algorithm: winograd", with: "algorithm: direct")
                try direct.write(toFile: table, atomically: false, encoding: .utf8)
                let set = ["numerics.convolutions=\(table)"]
                results.append(try RunResult(job.finish(ranks: ranks, set: set), job.run))
                #expect(job.run.bytes("convolutions.yaml") == Data(direct.utf8))
                #expect((try job.run.profile()["convolutions"] as? String)?.count == 64)
                // Without AVX2 the rule is direct everywhere, too.
                if measured.contains("rule: winograd") {
                    #expect(results[0].weights != rule.weights)
                } else {
                    #expect(results[0].weights == rule.weights)
                }

                let other = measured.replacingOccurrences(of: "algorithm: direct", with: "algorithm: winograd")
                try other.write(toFile: table, atomically: false, encoding: .utf8)
                let refused = try job.finish(ranks: ranks, set: set)
                #expect(refused.code == Exit.usage, "\(refused.error)")
                #expect(
                    refused.error.contains("`numerics.convolutions`: \(table) makes other choices"), "\(refused.error)")
                try FileManager.default.removeItem(atPath: table)
                expectSame(
                    try RunResult(job.finish(ranks: ranks, set: set), job.run), results[0], "resumed by the copy")
            }
            expectSame(results[1], results[0], "2 ranks against 1")
        }

        @Test func `A run keeps to its job's instructions`() throws {
            let wide = try Runs.finished()
            let set = ["numerics.instructions=avx2"]
            let job = try TinyJob()
            let result = try RunResult(job.finish(ranks: 2, set: set), job.run)
            let kernels = try wide.job.run.profile()["kernels"] as? String
            #expect(try job.run.profile()["kernels"] as? String == (kernels == "baseline" ? "baseline" : "avx2"))
            guard kernels == "avx512" else { return }
            #expect(result.weights != wide.result.weights)
            let refused = try job.finish(ranks: 2)
            #expect(refused.code == Exit.usage, "\(refused.error)")
            #expect(
                refused.error.contains("instruction set of the kernels is avx512 here and avx2 there"),
                "\(refused.error)")
        }
    }
}
