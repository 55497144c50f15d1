import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// Disks that fill up or become read-only under a run, on a file system of the test's own.
    @Suite(.serialized, .enabled(if: SmallDisk.works, "mounting a file system needs root"))
    struct FullDiskTests {
        /// What happens to the disk.
        enum Fault: String, CaseIterable {
            case full = "No space left on device"
            case readOnly = "Read-only file system"
        }

        /// Fails when a failed save ends the run, is known to the event log alone, or costs bits.
        @Test(arguments: Fault.allCases)
        func `A save that fails is told, training goes on, and the result is the same`(fault: Fault) throws {
            let expected = try Runs.finished().result
            let job = try TinyJob()
            let disk = try SmallDisk(at: job.run.path + "/checkpoints", megabytes: 96)
            let run = try job.start(ranks: 2)
            try run.wait(until: "a checkpoint") { job.run.checkpoints(of: "teacher-0").contains(5) }
            try fault == .full ? disk.fill() : disk.lock()
            try run.wait(until: "a failed save is noted") { !job.run.events("write_failed").isEmpty }
            let ranks = run.ranks
            for rank in ranks { rank.send(SIGSTOP) }
            try fault == .full ? disk.free() : disk.unlock()
            for rank in ranks { rank.send(SIGCONT) }
            let end = try run.end()
            try expectSame(RunResult(end, job.run), expected, "\(fault)")
            #expect(end.error.contains("cannot write: checkpoint of teacher-"), "\(end.error)")
            #expect(end.error.contains("\(fault.rawValue)"), "\(end.error)")
            #expect(end.error.contains("Training goes on, what was saved before stays"), "\(end.error)")
            let verdict = try EndToEndTests.run(.diptych, ["verify", job.run.path], in: job.folder)
            #expect(verdict.code == Exit.done, "\(verdict.error)")
        }

        /// Fails when training goes on to the next save, or what was saved is not gone on from.
        @Test func `A save that fails ends the run where the job says so`() throws {
            let set = ["teach.steps=500", "checkpoint.every_steps=100", "checkpoint.on_failure=end"]
            let undisturbed = try TinyJob()
            let expected = try RunResult(undisturbed.finish(ranks: 2, set: set), undisturbed.run)
            let job = try TinyJob()
            let disk = try SmallDisk(at: job.run.path + "/checkpoints", megabytes: 96)
            let run = try job.start(ranks: 2, set: set)
            try run.wait(until: "a checkpoint of both") {
                (0..<2).allSatisfy { job.run.checkpoints(of: "teacher-\($0)").contains(100) }
            }
            let ranks = run.ranks
            for rank in ranks { rank.send(SIGSTOP) }
            try disk.fill()
            for rank in ranks { rank.send(SIGCONT) }
            let end = try run.end()
            try expectRefusal(
                end, code: Exit.inputOutput, naming: [job.run.path + "/checkpoints", Fault.full.rawValue])
            #expect(job.run.events("write_failed").contains { $0["ends_run"] as? Bool == true })
            let steps = (0..<2).map { teacher in
                let model = "teacher-\(teacher)"
                return (done: job.run.steps(of: model), saved: job.run.checkpoints(of: model).last ?? 0)
            }
            // One has come to the save that failed, and not to the next.
            #expect(
                steps.contains { (100..<200).contains($0.done - $0.saved) && $0.done < 500 }
                    && steps.allSatisfy { $0.done - $0.saved < 200 }, "\(steps)")
            try disk.free()
            try expectSame(RunResult(job.finish(ranks: 3, set: set), job.run), expected, "after a save that ended it")
        }

        @Test func `A run whose checkpoints cannot fit is refused before anything is trained`() throws {
            let job = try TinyJob()
            let disk = try SmallDisk(at: job.run.path + "/checkpoints", megabytes: 1)
            try expectRefusal(
                job.finish(ranks: 2), code: Exit.inputOutput,
                naming: [job.run.path + "/checkpoints", "has room for", "MB more", "checkpoint.keep"])
            #expect(job.run.bytes("split.h5") == nil)
            withExtendedLifetime(disk) {}
        }

        /// Fails when images that could not be written whole are taken for done, or the failure names no file.
        @Test func `Samples that find no room end the run, which goes on when there is some`() throws {
            let expected = try Runs.finished().result
            let job = try TinyJob()
            let disk = try SmallDisk(at: job.run.path + "/samples", megabytes: 1)
            try disk.fill()
            let end = try job.finish(ranks: 2)
            try expectRefusal(end, code: Exit.inputOutput, naming: [job.run.path + "/samples/", Fault.full.rawValue])
            try disk.free()
            try expectSame(RunResult(job.finish(ranks: 3), job.run), expected, "after there was room for samples")
        }

        /// Fails when a split that could not be written whole is taken for one, or the failure names no file.
        @Test func `A split that finds no room ends the run, which goes on when there is some`() throws {
            let expected = try Runs.large().result
            let job = try TinyJob()
            let disk = try SmallDisk(at: job.run.path, megabytes: 8)
            let checkpoints = try SmallDisk(at: job.run.path + "/checkpoints", megabytes: 96)
            try disk.fill(leaving: 128 << 10)
            let end = try job.finish(ranks: 2, set: TinyJob.large)
            try expectRefusal(end, code: Exit.inputOutput, naming: [job.run.path + "/split.h5", Fault.full.rawValue])
            try disk.free()
            let again = try RunResult(job.finish(ranks: 3, set: TinyJob.large), job.run)
            expectSame(again, expected, "after there was room for the split")
            withExtendedLifetime(checkpoints) {}
        }

        /// Fails when a run whose end could not be written down is taken for done, or the failure names no file.
        @Test func `An outcome that finds no room is said, and the same command comes to the same result`() throws {
            let expected = try Runs.finished().result
            let job = try TinyJob()
            let disk = try SmallDisk(at: job.run.path, megabytes: 4)
            let others = try ["checkpoints", "samples"].map {
                try SmallDisk(at: job.run.path + "/" + $0, megabytes: 96)
            }
            let run = try job.start(ranks: 2)
            try run.wait(until: "sampling") {
                job.run.events("phase_began").contains { $0["phase"] as? String == "sample" }
            }
            let ranks = run.ranks
            for rank in ranks { rank.send(SIGSTOP) }
            try disk.fill()
            for rank in ranks { rank.send(SIGCONT) }
            try expectRefusal(
                run.end(), code: Exit.inputOutput, naming: [job.run.path + "/outcome.json", Fault.full.rawValue])
            try disk.free()
            try expectSame(RunResult(job.finish(ranks: 3), job.run), expected, "after there was room for the outcome")
            withExtendedLifetime(others) {}
        }
    }
}

/// A file system in memory, mounted on a folder and removed with this object.
final class SmallDisk {
    private let path: String
    private let view: TemporaryFolder

    /// Whether file systems may be mounted here.
    static let works: Bool = {
        guard geteuid() == 0, let folder = try? TemporaryFolder() else { return false }
        return (try? SmallDisk(at: folder.file("disk"), megabytes: 1)) != nil
    }()

    init(at path: String, megabytes: Int) throws {
        self.path = path
        view = try TemporaryFolder()
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try Self.mount(["-t", "tmpfs", "-o", "size=\(megabytes)m,mode=700", "none", path])
    }

    deinit {
        // Lazily, because a killed process may not be gone yet.
        for folder in [path, view.path] { while (try? Self.command("umount", ["-l", folder])) == 0 {} }
    }

    /// Leaves no byte, or some.
    func fill(leaving rest: Int = 0) throws {
        let file = path + "/filler"
        _ = FileManager.default.createFile(atPath: file, contents: nil)
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: file))
        defer { try? handle.truncate(atOffset: UInt64(max(0, Int(handle.offsetInFile) - rest))) }
        for size in [1 << 20, 4096] {
            let piece = Data(count: size)
            while (try? handle.write(contentsOf: piece)) != nil {}
        }
    }

    func free() throws { try FileManager.default.removeItem(atPath: path + "/filler") }

    /// Makes it read-only or writable; waits for files that are open for writing.
    /// A file system that is in use cannot be made read-only, but a second view of it, laid over the first, can.
    func lock() throws {
        try Self.mount(["--bind", path, view.path])
        try Self.mount(["-o", "remount,bind,ro", view.path])
        try Self.mount(["--bind", view.path, path])
    }

    /// Takes the second view away.
    func unlock() throws {
        guard try Self.command("umount", ["-l", path]) == 0 else { throw TestFailure("umount \(path) failed") }
    }

    private static func mount(_ arguments: [String]) throws {
        guard try command("mount", arguments) == 0 else { throw TestFailure("mount \(arguments) failed") }
    }

    /// Runs a command.
    static func command(_ name: String, _ arguments: [String]) throws -> Int32 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [name] + arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus
    }
}
