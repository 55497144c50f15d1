import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// The whole directory of a run takes nothing more: not even the line that says so, nor the ranks' signs of life.
    @Suite(.serialized, .enabled(if: SmallDisk.works, "mounting a file system needs root"))
    struct UnwritableRunTests {
        private typealias Fault = FullDiskTests.Fault

        /// Saves often, is long enough to be held up, and is ended after twelve seconds of silence.
        private static let settings = ["teach.steps=900", "checkpoint.every_steps=60", "cluster.silence_minutes=0.2"]

        private static let expected = Result {
            let job = try TinyJob()
            return try RunResult(job.finish(ranks: 2, set: settings), job.run)
        }

        /// Lets ranks work for a moment now and then: they live, and do not come to their end.
        private func slow(_ run: ProgramRun, seconds: Double) throws {
            let end = Date().addingTimeInterval(seconds)
            while Date() < end {
                let ranks = run.ranks
                for rank in ranks { rank.send(SIGSTOP) }
                usleep(900_000)
                for rank in ranks { rank.send(SIGCONT) }
                usleep(100_000)
                guard run.isRunning else { throw TestFailure("the run has ended:\n\(run.output)\n\(run.error)") }
            }
        }

        private func waitForCheckpoints(_ run: ProgramRun, _ job: TinyJob) throws {
            try run.wait(until: "checkpoints") {
                (0..<2).allSatisfy { !job.run.checkpoints(of: "teacher-\($0)").isEmpty }
            }
        }

        private func isSaving(_ run: RunFolder) -> Bool {
            let names = FileManager.default.enumerator(atPath: run.path + "/checkpoints")?.compactMap { $0 as? String }
            return names?.contains { $0.contains(".partial") } == true
        }

        private func waitUntilTold(_ run: ProgramRun) throws {
            try run.wait(until: "it is told") {
                (0..<2).allSatisfy { run.error.contains("cannot write: checkpoint of teacher-\($0)") }
            }
        }

        /// Stops the ranks for a moment, if asked for one in which no save is on its way: its end would make room.
        private func pause(
            _ run: ProgramRun, betweenSavesOf folder: RunFolder? = nil, _ body: () throws -> Void
        ) throws {
            let ranks = run.ranks
            for rank in ranks { rank.send(SIGSTOP) }
            while let folder, isSaving(folder), run.isRunning {
                for rank in ranks { rank.send(SIGCONT) }
                usleep(3000)
                for rank in ranks { rank.send(SIGSTOP) }
            }
            try body()
            for rank in ranks { rank.send(SIGCONT) }
        }

        /// Leaves no room within the blocks that the log of events and the heartbeats have, as a file system that never
        /// writes in place. Some bytes are left to the log, so that it gets the beginning of a line.
        private func leaveNoRoom(in run: RunFolder) throws {
            for rank in 0..<2 { try FileManager.default.removeItem(atPath: run.path + "/logs/heartbeats/\(rank)") }
            let events = try FileHandle(forWritingTo: URL(fileURLWithPath: run.path + "/logs/events.jsonl"))
            let missing = 4096 - Int(try events.seekToEnd()) % 4096
            try events.write(contentsOf: Data(repeating: UInt8(ascii: "\n"), count: (missing + 4096 - 9) % 4096))
        }

        private func expectTold(_ error: String, _ fault: Fault) {
            for model in ["teacher-0", "teacher-1"] {
                let notices = error.components(separatedBy: "cannot write: checkpoint of \(model): ").dropFirst()
                #expect(notices.count == 1, "\(error)")
                #expect(notices.first?.contains(fault.rawValue) == true, "\(error)")
            }
            #expect(error.contains("Training goes on, what was saved before stays"), "\(error)")
            #expect(!error.contains("no sign of life"), "\(error)")
        }

        /// Fails when only files in the run's directory say that nothing can be written, or that a rank lives.
        @Test(arguments: FullDiskTests.Fault.allCases)
        func `A run directory that takes nothing more ends no run and is told, and the result is the same`(
            fault: FullDiskTests.Fault
        ) throws {
            let expected = try Self.expected.get()
            let job = try TinyJob()
            let disk = try SmallDisk(at: job.run.path, megabytes: 128)
            // Apart: a save that fails gives back what the copy of the state took, where the heartbeats would fit.
            let checkpoints =
                fault == .full ? try SmallDisk(at: job.run.path + "/checkpoints", megabytes: 96) : nil
            let run = try job.start(ranks: 2, set: Self.settings)
            try waitForCheckpoints(run, job)
            try pause(run, betweenSavesOf: job.run) {
                if fault == .full { try leaveNoRoom(in: job.run) }
                try fault == .full ? disk.fill() : disk.lock()
                try checkpoints?.fill()
            }
            try waitUntilTold(run)
            try slow(run, seconds: 24)
            if fault == .full {
                #expect(job.run.heartbeats.isEmpty, "the directory has taken a heartbeat")
            }
            try pause(run) {
                try fault == .full ? disk.free() : disk.unlock()
                try checkpoints?.free()
            }
            let end = try run.end()
            try expectSame(RunResult(end, job.run), expected, "\(fault)")
            expectTold(end.error, fault)
            // The beginning of a line that the log got swallows no other.
            let lines = (job.run.bytes("logs/events.jsonl") ?? Data()).split(separator: UInt8(ascii: "\n"))
            #expect(lines.count - job.run.events().count <= 1)
            #expect(job.run.events("finished").count == 1)
            withExtendedLifetime(checkpoints) {}
        }

        /// Fails when a rank that hangs passes for one that cannot write.
        @Test func `A rank that hangs while nothing can be written is still named`() throws {
            let job = try TinyJob()
            let disk = try SmallDisk(at: job.run.path, megabytes: 128)
            // So long that the other rank comes to no end meanwhile.
            let run = try job.start(ranks: 2, set: Self.settings + ["teach.steps=100000"])
            try waitForCheckpoints(run, job)
            let process = try #require(job.run.heartbeats[1]?["process"] as? Int)
            try pause(run) { try disk.lock() }
            try waitUntilTold(run)
            kill(pid_t(process), SIGSTOP)
            let end = try run.end()
            #expect(end.code == Exit.rankLost, "\(end.error)")
            let message = try #require(end.json["message"] as? String)
            #expect(message.contains("rank 1 (process \(process) on "), "\(message)")
            #expect(!message.contains("rank 0"), "\(message)")
        }

        /// Fails when a file system that gives up under the open files of a run ends it early or in silence.
        @Test(.enabled(if: DiskImage.works, "needs loop devices and ext4"))
        func `A file system that gives up is told, and what was saved before goes on to the same result`() throws {
            let expected = try Self.expected.get()
            let job = try TinyJob()
            let disk = try DiskImage(job.folder.file("image"), at: job.run.path, megabytes: 128)
            let run = try job.start(ranks: 2, set: Self.settings)
            try waitForCheckpoints(run, job)
            try pause(run) { try disk.fail() }
            try waitUntilTold(run)
            try slow(run, seconds: 24)
            let end = try run.end()
            #expect(end.code == Exit.inputOutput, "\(end.error)")
            expectTold(end.error, .readOnly)
            try disk.mend()
            let again = try RunResult(job.finish(ranks: 3, set: Self.settings), job.run)
            expectSame(again, expected, "after the file system was mended")
        }
    }
}
