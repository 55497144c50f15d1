import Foundation
import Testing

extension EndToEnd {
    /// What a run holds in memory.
    @Suite(.serialized)
    struct MemoryTests {
        /// Images and hashes of the data, which the plan leaves to its reader.
        private static let data = 10_000 * (784 + 32)

        /// A network whose passes outweigh what every process holds.
        private static let set =
            ["model.channels=[64, 128, 128]", "model.attention=[false, true, false]"]
            + ["teach", "distill"].flatMap {
                [
                    "\($0).steps=4", "\($0).decay_steps=1", "\($0).warmup_steps=1", "\($0).batch=32",
                    "\($0).images_per_lane=16",
                ]
            }
            + ["checkpoint.every_steps=2"]

        /// Two lanes on one rank or one on each, with teachers or without. Fails when the plan forgets a lane's sums, the
        /// teachers, what saving takes or the program itself.
        @Test(arguments: [1, 2])
        func `plan knows what a rank holds in each phase`(ranks: Int) throws {
            let job = try TinyJob()
            let end = try job.finish(ranks: ranks, set: Self.set)
            #expect(end.code == Exit.done, "\(end.error)")
            let plan = try run(
                .diptych,
                ["plan", job.file, "--ranks", "\(ranks)", "--json"] + Self.set.flatMap { ["--set", $0] }, in: job.folder
            )
            let phases = try #require(plan.json["phases"] as? [[String: Any]])
            #expect(phases.count == 2)
            for (phase, models) in zip(phases, [["teacher-0", "teacher-1"], ["student"]]) {
                let planned = try #require(phase["bytes_per_rank"] as? Int) + Self.data
                let peaks = job.run.events("rate").filter { models.contains($0["model"] as? String ?? "") }.compactMap {
                    $0["peak_memory"] as? Int
                }
                #expect(peaks.count == (ranks == 1 ? models.count : 2))
                let held = try #require(peaks.max())
                #expect(
                    abs(Double(planned) / Double(held) - 1) < 0.1,
                    "\(phase["name"] ?? ""): planned \(planned), held \(held) bytes, all \(phase)")
            }
        }
    }
}
