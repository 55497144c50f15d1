import Foundation
import Testing

extension EndToEnd {
    /// Who computes what, and when, as the event log tells it.
    @Suite(.serialized)
    struct ConcurrencyTests {
        /// From the beginning of a model's first step to the end of its last, in Unix seconds.
        private func interval(of model: String, in run: RunFolder) throws -> ClosedRange<Double> {
            let rate = try #require(run.events("rate").first { $0["model"] as? String == model })
            #expect(rate["first_step"] as? Int == 0)
            return try #require(rate["began"] as? Double)...#require(rate["ended"] as? Double)
        }

        /// Share of the teach phase in which both teachers do steps.
        private func overlap(in run: RunFolder) throws -> Double {
            let teachers = try [interval(of: "teacher-0", in: run), interval(of: "teacher-1", in: run)]
            let begin = teachers.map(\.lowerBound)
            let end = teachers.map(\.upperBound)
            guard let first = begin.min(), let last = begin.max(), let early = end.min(), let late = end.max() else {
                return 0
            }
            return max(0, early - last) / (late - first)
        }

        /// Fails when the groups train one after the other (the overlap is 0 then), as it is on one rank.
        ///
        /// Other programs on the machine may slow one group down for a moment, so the best of a few runs counts.
        @Test func `Both teachers do their steps at the same time`() throws {
            var best = 0.0
            for _ in 0..<6 where best < 0.9 {
                let job = try TinyJob(replacing: "teach: {steps: 30", with: "teach: {steps: 100")
                let end = try job.finish(ranks: 2, set: ["defence=dualmd", "checkpoint.every_steps=1000"])
                #expect(end.code == Exit.done, "\(end.error)")
                best = max(best, try overlap(in: job.run))
            }
            #expect(best >= 0.9)
        }

        @Test(arguments: [1, 2, 3, 4])
        func `Every rank names its lanes, and each lane of a model has one rank`(ranks: Int) throws {
            let job = try Runs.finished(ranks: ranks).job
            let all = Array(0..<TinyJob.lanes)
            for model in ["teacher-0", "teacher-1", "student"] {
                let started = job.run.events("started").filter { $0["model"] as? String == model }
                let lanes = started.compactMap { $0["lanes"] as? [Int] }
                #expect(lanes.flatMap(\.self).sorted() == all, "\(model) on \(ranks) ranks: \(lanes)")
                let owners = Set(started.compactMap { $0["rank"] as? Int })
                #expect(owners.count == lanes.count)
                if model == "student" { #expect(owners == Set(0..<ranks)) }
            }
            let teachers = Set(job.run.events("started").compactMap { $0["rank"] as? Int })
            #expect(teachers == Set(0..<ranks), "no rank is idle")
        }
    }
}
