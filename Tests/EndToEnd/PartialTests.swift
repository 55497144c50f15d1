import Foundation
import Testing

extension EndToEnd {
    /// Ranks of which some lack what the others have.
    @Suite(.serialized, .enabled(if: SmallDisk.works, "name spaces of mounts need root"))
    struct PartialTests {
        /// Fails when the others wait for the one that is missing.
        @Test func `A rank that lacks a library ends the run at once, and is named`() throws {
            let job = try TinyJob()
            let libraries = try command("ldd", Program.worker.path).output
            let library = try #require(libraries.firstMatch(of: /=> (\S*libdnnl\S*)/)).1
            let lacking = "mount --bind /dev/null \(library) && exec \"$0\" \"$@\""
            let programs = try AlteredPrograms(
                rank: "[ $rank = 1 ] && exec unshare --mount bash -c '\(lacking)' $worker \"$@\"")
            let end = try job.start(ranks: 3, programs: programs).end(limit: 60)
            #expect(end.code == Exit.inputOutput, "\(end.error)")
            #expect(end.error.contains("rank 1 cannot start: "), "\(end.error)")
            #expect(end.error.contains(/error while loading shared libraries: \S*libdnnl/), "\(end.error)")
            #expect(job.run.bytes("split.h5") == nil)
            // Where the library is there again, the same command goes on.
            try expectSame(RunResult(job.finish(ranks: 3), job.run), Runs.finished().result, "after a partial start")
        }

        /// As where a file system shows other nodes late what was written. Fails when any but the first rank of a group decides
        /// by what it sees of the checkpoints.
        @Test func `Only the first rank of a group looks at checkpoints`() throws {
            let expected = try Runs.finished().result
            let job = try TinyJob()
            let checkpoints = job.run.path + "/checkpoints"
            func blind(to folders: [String]) -> String {
                let mounts = folders.map { "mount -t tmpfs none \($0) && " }.joined()
                return "exec unshare --mount bash -c '\(mounts)exec \"$0\" \"$@\"' $worker \"$@\""
            }
            let others = "1|3) \(blind(to: [checkpoints]));;"
            let programs = try AlteredPrograms(rank: "case $rank in \(others) esac")
            for moment in [Moment.teach, .distill] {
                let stopped = try moment.stop(job.start(ranks: 4, programs: programs), job.run, signal: SIGUSR1)
                #expect(stopped.code == Exit.stopped, "\(moment): \(stopped.error)")
            }
            // Rank 2 is the first of the second teacher's group, and one of many when the student learns.
            let second = blind(to: ["teacher-0", "student"].map { "\(checkpoints)/\($0)" })
            let more = try AlteredPrograms(rank: "case $rank in \(others) 2) \(second);; esac")
            let end = try job.start(ranks: 4, programs: more).end()
            #expect(job.run.events("resumed").contains { $0["model"] as? String == "student" })
            try expectSame(RunResult(end, job.run), expected, "with ranks that see no checkpoint")
        }
    }
}
