import Foundation
import TestSupport
import Testing

extension Reliability {
    /// Power cuts: a training saves into an ext4 file system in an image file, the image is copied at random moments and
    /// right after saves were said to be done, and what the copy holds after the journal was replayed is what a machine
    /// would find after losing its power then.
    @Suite(.serialized, .enabled(if: DiskImage.works, "needs root and loop devices"))
    struct SavePowerCutTests {
        /// What was on the medium at one moment.
        private struct Cut {
            let image: String
            /// The last step whose save had been said to be done.
            let acknowledged: Int
        }

        /// Fails when a file gets its name before its bytes are on the medium, or a save is said to be done before its name is.
        @Test(arguments: [true, false])
        func afterAPowerCutTheNewestCheckpointIsWholeAndTheSameBitsFollow(isInMemory: Bool) throws {
            let (steps, cuts) = (60, Effort.isTorture ? 40 : 3)
            let harness = Harness(isInMemory: isInMemory)
            let folder = try TemporaryFolder()
            let whole = try harness.train(folder.path + "/whole", steps: steps)
            let expected = try whole.report.weights
            var (done, resumed) = (0, Set<Int>())
            while done < cuts {
                let disk = try DiskImage(folder.path + "/disk", at: folder.path + "/disk.mounted")
                let acknowledged = folder.path + "/acknowledged"
                try Data().write(to: URL(filePath: acknowledged))
                let process = Process()
                process.executableURL = URL(filePath: try Harness.program())
                process.arguments = harness.arguments(
                    disk.folder + "/run", steps: steps, acknowledged: acknowledged)
                process.standardOutput = FileHandle.nullDevice
                try process.run()
                usleep(300_000)
                var copies: [Cut] = []
                while process.isRunning, done + copies.count < cuts {
                    usleep(UInt32.random(in: 10_000..<200_000))
                    // Every other time, before the next save could bring to the medium what this one has not.
                    if (done + copies.count) % 2 == 0 { waitForGrowth(of: acknowledged, while: process) }
                    let image = "\(folder.path)/cut-\(copies.count)"
                    guard process.isRunning else { break }
                    let step = try disk.cut([process.processIdentifier], to: image) {
                        try String(contentsOfFile: acknowledged, encoding: .utf8)
                            .split(separator: "\n").last.flatMap { Int($0) } ?? 0
                    }
                    if let step { copies.append(Cut(image: image, acknowledged: step)) }
                }
                kill(process.processIdentifier, SIGKILL)
                process.waitUntilExit()
                disk.unmount()
                for copy in copies {
                    let disk = try DiskImage(existing: copy.image, at: copy.image + ".mounted")
                    let end = try harness.train(disk.folder + "/run", steps: steps)
                    let report = try end.report
                    #expect(end.code == 0 && report.faults.isEmpty, "\(end.error) \(report.faults)")
                    #expect(report.skipped.allSatisfy { $0.hasSuffix("the save was interrupted") }, "\(report.skipped)")
                    #expect(report.weights == expected, "resumed at \(report.resumed)")
                    #expect(report.resumed >= copy.acknowledged, "a save that was said to be done is lost")
                    resumed.insert(report.resumed)
                    done += 1
                    disk.unmount()
                    try FileManager.default.removeItem(atPath: copy.image)
                }
                try FileManager.default.removeItem(atPath: folder.path + "/disk")
            }
            #expect(resumed.count > 1, "the cuts are at different steps: \(resumed)")
            let path = isInMemory ? "in memory" : "by libhdf5"
            Effort.note(
                "\(done) power cuts, saves \(path): no save that was said to be done is lost, and the same bits")
        }

        private func waitForGrowth(of path: String, while process: Process) {
            func size() -> off_t {
                var status = stat()
                return stat(path, &status) == 0 ? status.st_size : 0
            }
            let before = size()
            while size() == before, process.isRunning { usleep(50) }
        }
    }
}
