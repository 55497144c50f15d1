import Foundation

/// An ext4 file system in a file, mounted on a folder, that gives up like one whose medium fails: whatever was open for
/// writing cannot be written any more.
final class FailingDisk {
    private let path: String
    private let image: String
    private let folder: TemporaryFolder

    /// Whether file systems can be made and mounted here.
    static let works: Bool = {
        guard geteuid() == 0, let folder = try? TemporaryFolder() else { return false }
        return (try? FailingDisk(at: folder.file("disk"), megabytes: 8)) != nil
    }()

    init(at path: String, megabytes: Int) throws {
        self.path = path
        folder = try TemporaryFolder()
        image = folder.file("image")
        try Self.run("truncate", ["-s", "\(megabytes)M", image])
        try Self.run("mkfs.ext4", ["-q", image])
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try mount()
    }

    deinit { while (try? SmallDisk.command("umount", ["-l", path])) == 0 {} }

    private func mount() throws {
        try Self.run("mount", ["-o", "loop", image, path])
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: path)
    }

    /// Has the file system find itself damaged.
    func fail() throws { try Self.run("mount", ["-o", "remount,abort", path]) }

    /// Takes it away, has it checked, and mounts it again; nothing may be open in it.
    func mend() throws {
        try Self.run("umount", [path])
        // It ends with 1 when it has mended something.
        guard try SmallDisk.command("e2fsck", ["-f", "-y", image]) <= 1 else { throw TestFailure("e2fsck failed") }
        try mount()
    }

    private static func run(_ name: String, _ arguments: [String]) throws {
        guard try SmallDisk.command(name, arguments) == 0 else { throw TestFailure("\(name) \(arguments) failed") }
    }
}
