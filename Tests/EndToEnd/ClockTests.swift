import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// Clocks and names that change under a run.
    @Suite(.serialized)
    struct ClockTests {
        private static let canRename = (try? command("unshare", "--uts", "hostname", "other"))?.code == 0

        /// Halts the ranks, so that what is done meanwhile is done in the middle of the run.
        private func whileHalted(_ run: ProgramRun, _ body: () throws -> Void) throws {
            let ranks = run.ranks
            for rank in ranks { rank.send(SIGSTOP) }
            try body()
            for rank in ranks { rank.send(SIGCONT) }
        }

        /// Fails when a limit is measured by the time of day, when something depends on it, or when what ranks report is taken
        /// for older than this execution.
        @Test(.enabled(if: FakeTime.library != nil, "needs libfaketime (Debian: faketime)"))
        func `Clocks that differ and jump change nothing`() throws {
            let expected = try Runs.finished().result
            let job = try Runs.stopped()
            let (newest, former) = (try #require(job.run.checkpoints(of: "student").last), job.run.events().count)
            try RunFolder.damage(job.run.checkpoint(of: "student", step: newest))
            let clocks = job.folder.file("clock")
            func set(_ coordinator: String, _ first: String, _ second: String) throws {
                for (name, offset) in zip(["", "-0", "-1"], [coordinator, first, second]) {
                    try FakeTime.set(clocks + name, to: offset)
                }
            }
            try set("+0", "-1000d", "+400d")
            let programs = try AlteredPrograms(rank: "export FAKETIME_TIMESTAMP_FILE='\(clocks)'-$rank")
            let run = try job.start(
                ranks: 2, set: ["cluster.silence_minutes=0.25"], programs: programs,
                environment: FakeTime.environment(clock: clocks))
            try run.wait(until: "the student goes on") { job.run.steps(of: "student") > newest + 2 }
            try whileHalted(run) { try set("+1h", "+30d", "-30d") }
            try Moment.sample.wait(for: run, job.run)
            try whileHalted(run) { try set("-1h", "-7d", "+7d") }
            let end = try run.end()
            try expectSame(RunResult(end, job.run), expected, "with clocks that jump")
            #expect(end.error.contains("passed over a damaged checkpoint"), "\(end.error)")

            // The clocks did jump.
            let days = job.run.events().dropFirst(former).filter { $0["rank"] as? Int == 0 }.compactMap { event in
                (event["time"] as? Double).map { Int((($0 - Date().timeIntervalSince1970) / 86_400).rounded()) }
            }
            #expect(Set(days).isSuperset(of: [-1000, 30]), "\(days)")
        }

        /// Fails when a host that has another name than before is taken for another one, or the name decides anything.
        @Test(.enabled(if: canRename, "changing the host's name needs root"))
        func `A host that is renamed changes nothing`() throws {
            let expected = try Runs.finished().result
            let job = try TinyJob()
            let programs = try AlteredPrograms(
                diptych: "exec unshare --uts bash -c 'hostname first-name && exec \"$0\" \"$@\"' \"$diptych\" \"$@\"")
            let run = try job.start(ranks: 2, programs: programs)
            try Moment.teach.wait(for: run, job.run)
            let rank = try #require(run.ranks.first)
            #expect(try command("nsenter", "--uts", "--target", "\(rank.number)", "hostname", "second-name").code == 0)
            #expect(try Moment.distill.stop(run, job.run, signal: SIGTERM).code == Exit.stopped)
            try expectSame(RunResult(job.finish(ranks: 3), job.run), expected, "under three names")
            #expect(job.run.events("started").contains { $0["host"] as? String == "first-name" })
        }
    }
}
