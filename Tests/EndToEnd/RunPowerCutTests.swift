import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// Power cuts of a whole run: what a copy of its disk, made at one moment, holds after the journal was replayed is what a
    /// machine would find after losing its power then.
    @Suite(.serialized, .enabled(if: DiskImage.works, "needs root and loop devices"))
    struct RunPowerCutTests {
        /// What was on the medium at one moment.
        private struct Cut {
            let image: String
            let moment: String
            /// The newest checkpoint of each model that the event log had told of.
            let told: [String: Int]
        }

        /// Fails when a file that others rely on is not on the medium before them, be it the job, the split, the log of steps or a
        /// checkpoint, or when an execution that was cut off keeps the next one from going on.
        @Test func `After a power cut in each phase the same command comes to the same result`() throws {
            let expected = try Runs.finished().result
            let job = try TinyJob()
            let images = try TemporaryFolder()
            var cuts: [Cut] = []
            let disk = try DiskImage(images.file("disk"), at: job.run.path, megabytes: 64)
            let run = try job.start(ranks: 2)
            func cut(_ moment: String) throws {
                let told = try self.cut(disk, run, to: images.file(moment), job.run)
                cuts.append(Cut(image: images.file(moment), moment: moment, told: told))
            }
            for (moment, file) in [("begin", "job.yaml"), ("split", "split.h5")] {
                try run.wait(until: moment) { job.run.bytes(file) != nil }
                try cut(moment)
            }
            for moment in Moment.allCases {
                try moment.wait(for: run, job.run)
                usleep(.random(in: 0..<100_000))
                try cut(moment.rawValue)
            }
            #expect(try RunResult(run.end(), job.run) == expected)
            disk.unmount()

            for cut in cuts {
                let disk = try DiskImage(existing: cut.image, at: job.run.path)
                for (model, step) in cut.told {
                    let found = job.run.checkpoints(of: model).last ?? 0
                    #expect(found >= step, "\(cut.moment): \(model) has \(found), and had told of \(step)")
                }
                try expectSame(RunResult(job.finish(ranks: 3), job.run), expected, "\(cut.moment)")
                let skipped = job.run.events("checkpoint_skipped").compactMap { $0["reason"] as? String }
                #expect(skipped.allSatisfy { $0.hasSuffix("the save was interrupted") }, "\(cut.moment): \(skipped)")
                #expect(job.run.events("log_incomplete").isEmpty, "\(cut.moment)")
                disk.unmount()
            }
            #expect(cuts.filter { !$0.told.isEmpty }.count >= 3, "\(cuts)")
        }

        /// Fails when a run says that it is done before what it has made is on the medium.
        @Test func `After a power cut at its end a run is done, with all that it made`() throws {
            let job = try TinyJob()
            let images = try TemporaryFolder()
            let disk = try DiskImage(images.file("disk"), at: job.run.path, megabytes: 64)
            let run = try job.start(ranks: 2)
            let end = try run.end()
            #expect(end.code == Exit.done, "\(end.error)")
            _ = try cut(disk, run, to: images.file("copy"), job.run)
            let made = job.run.treasures.merging(["outcome.json": try #require(job.run.bytes("outcome.json"))]) { $1 }
            disk.unmount()

            let copy = try DiskImage(existing: images.file("copy"), at: job.run.path)
            for (name, bytes) in made { #expect(job.run.bytes(name) == bytes, "\(name)") }
            #expect(try EndToEndTests.run(.diptych, ["verify", job.run.path], in: job.folder).code == Exit.done)
            copy.unmount()
        }

        /// Copies the disk as it is on the medium, at the next moment at which the kernel does not write.
        private func cut(
            _ disk: DiskImage, _ run: ProgramRun, to image: String, _ folder: RunFolder
        ) throws -> [String: Int] {
            for _ in 0..<100 {
                let told = try disk.cut(run.processes.map(\.number), to: image) {
                    folder.events("checkpoint").reduce(into: [String: Int]()) { told, event in
                        guard let model = event["model"] as? String, let step = event["step"] as? Int else { return }
                        told[model] = max(told[model] ?? 0, step)
                    }
                }
                if let told { return told }
                usleep(5000)
            }
            throw TestFailure("the kernel writes to \(image) all the time")
        }
    }
}
