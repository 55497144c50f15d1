import Foundation

/// An ext4 file system in a file, mounted on a folder: it can lose power, and give up like one whose medium fails.
public final class DiskImage {
    /// The folder that it is mounted on.
    public let folder: String
    private let image: String
    private var isMounted = false

    /// Whether images can be made and mounted here.
    public static let works: Bool = {
        let place = "\(NSTemporaryDirectory())/diptych-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: place) }
        guard geteuid() == 0,
            (try? FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)) != nil
        else { return false }
        return (try? DiskImage(place + "/image", at: place + "/disk")) != nil
    }()

    /// Makes a file system and mounts it.
    ///
    /// - Parameters:
    ///   - image: Its file.
    ///   - folder: Where it is mounted; made where it is not there.
    public init(_ image: String, at folder: String, megabytes: Int = 24) throws {
        (self.image, self.folder) = (image, folder)
        try Self.command("truncate", ["-s", "\(megabytes)M", image])
        try Self.command("mkfs.ext4", ["-q", "-F", image])
        try mount()
    }

    /// Mounts a copy, which replays its journal.
    public init(existing image: String, at folder: String) throws {
        (self.image, self.folder) = (image, folder)
        try mount()
    }

    deinit { unmount() }

    private func mount() throws {
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        // Without the help that ext4 gives to programs that forget to synchronise.
        try Self.command("mount", ["-o", "loop,noauto_da_alloc", image, folder])
        isMounted = true
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: folder)
    }

    /// Takes it away; lazily where a killed process may not be gone yet.
    public func unmount() {
        if isMounted, (try? Self.command("umount", [folder])) == nil { try? Self.command("umount", ["-l", folder]) }
        isMounted = false
    }

    // MARK: Power

    /// Copies the image as it is on the medium at one moment, while its writers are halted.
    ///
    /// - Parameters:
    ///   - writers: The processes that write to it.
    ///   - before: Asked before the copy is begun.
    /// - Returns: The answer; nil when the kernel wrote to the image meanwhile, so that the copy is of no one moment.
    public func cut<Answer>(_ writers: [pid_t], to copy: String, _ before: () throws -> Answer) throws -> Answer? {
        for writer in writers { kill(writer, SIGSTOP) }
        defer { for writer in writers { kill(writer, SIGCONT) } }
        let answer = try before()
        try Self.command("cp", ["--sparse=always", image, copy])
        return (try? Self.command("cmp", ["-s", image, copy])) != nil ? answer : nil
    }

    // MARK: Faults

    /// Has the file system find itself damaged: whatever was open for writing cannot be written any more.
    public func fail() throws { try Self.command("mount", ["-o", "remount,abort", folder]) }

    /// Takes it away, has it checked, and mounts it again; nothing may be open in it.
    public func mend() throws {
        try Self.command("umount", [folder])
        isMounted = false
        // It ends with 1 when it has mended something.
        try Self.command("e2fsck", ["-f", "-y", image], codes: 0...1)
        try mount()
    }

    private struct Failure: Error, CustomStringConvertible { let description: String }

    private static func command(_ name: String, _ arguments: [String], codes: ClosedRange<Int32> = 0...0) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        // Not what the threads of tests block, which is everything.
        process.arguments = ["--default-signal", name] + arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationReason == .exit, codes.contains(process.terminationStatus) else {
            throw Failure(
                description: "\(name) \(arguments.joined(separator: " ")) ended with \(process.terminationStatus)")
        }
    }
}
