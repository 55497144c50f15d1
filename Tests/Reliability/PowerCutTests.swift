import Foundation
import Testing

extension Reliability {
    /// Power cuts: a training saves into an ext4 file system in an image file, the image is copied at random moments and
    /// right after saves were said to be done, and what the copy holds after the journal was replayed is what a machine
    /// would find after losing its power then.
    @Suite(.serialized, .enabled(if: DiskImage.works, "needs root and loop devices"))
    struct PowerCutTests {
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
                let disk = try DiskImage(folder.path + "/disk")
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
                    let step = try disk.cut(process.processIdentifier, to: image) {
                        try String(contentsOfFile: acknowledged, encoding: .utf8)
                            .split(separator: "\n").last.flatMap { Int($0) } ?? 0
                    }
                    if let step { copies.append(Cut(image: image, acknowledged: step)) }
                }
                kill(process.processIdentifier, SIGKILL)
                process.waitUntilExit()
                disk.unmount()
                for copy in copies {
                    let disk = try DiskImage(existing: copy.image)
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

/// An ext4 file system in a file, mounted on a folder beside it.
final class DiskImage {
    let folder: String
    private let path: String
    private var isMounted = true

    /// Whether images can be made and mounted here.
    static let works: Bool = {
        guard geteuid() == 0, let folder = try? TemporaryFolder() else { return false }
        return (try? DiskImage(folder.path + "/disk")) != nil
    }()

    /// Makes a file system of 24 MB.
    init(_ path: String) throws {
        self.path = path
        folder = path + ".mounted"
        try Self.command("truncate", ["-s", "24M", path])
        try Self.command("mkfs.ext4", ["-q", "-F", path])
        try mount()
    }

    /// Mounts a copy, which replays its journal.
    init(existing path: String) throws {
        self.path = path
        folder = path + ".mounted"
        try mount()
    }

    deinit { unmount() }

    private func mount() throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        // Without the help that ext4 gives to programs that forget to synchronise.
        try Self.command("mount", ["-o", "loop,noauto_da_alloc", path, folder])
    }

    func unmount() {
        if isMounted { try? Self.command("umount", [folder]) }
        isMounted = false
    }

    /// Copies the image as it is on the medium at one moment, while its writer is halted.
    ///
    /// - Parameter before: Asked before the copy is begun.
    /// - Returns: The answer; nil when the kernel wrote to the image meanwhile, so that the copy is of no one moment.
    func cut<Answer>(_ writer: pid_t, to copy: String, _ before: () throws -> Answer) throws -> Answer? {
        kill(writer, SIGSTOP)
        defer { kill(writer, SIGCONT) }
        let answer = try before()
        try Self.command("cp", ["--sparse=always", path, copy])
        return (try? Self.command("cmp", ["-s", path, copy])) != nil ? answer : nil
    }

    private static func command(_ name: String, _ arguments: [String]) throws {
        let end = try ReliabilityTests.run(name, arguments)
        guard end.code == 0 else { throw TestFailure("\(name) \(arguments): \(end.error)") }
    }
}
