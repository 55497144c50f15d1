import Foundation
import Jobs

/// What a killed job leaves behind: directories of sockets and shared memory, and ranks that lost their launcher.
enum Leftovers {
    /// Makes the directories for a run, empty, for this user alone.
    ///
    /// - Throws: `DiptychFailure` with code 74.
    static func prepare(_ directories: [String]) throws {
        sweep(directories)
        for directory in directories {
            guard mkdir(directory, 0o700) == 0 else { throw FileError(directory, "mkdir").failure }
        }
    }

    /// Removes the directories, if they are this user's own.
    ///
    /// - Returns: Those that were there.
    @discardableResult
    static func sweep(_ directories: [String]) -> [String] {
        directories.filter { directory in
            var status = stat()
            guard lstat(directory, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == getuid() else {
                return false
            }
            try? FileManager.default.removeItem(atPath: directory)
            return true
        }
    }

    /// Ends ranks of this run that live on without their launcher, on this machine.
    ///
    /// A rank is recognised by the process number in its heartbeat and by a command line that names the worker and the
    /// run, so a number that was given to another program since does no harm.
    ///
    /// - Returns: The ranks that were ended.
    static func killRanks(of directory: RunDirectory) -> [Int] {
        let host = ProcessInfo.processInfo.hostName
        return Heartbeat.readAll(in: directory).filter { heartbeat in
            guard heartbeat.host == host, heartbeat.process > 1,
                let bytes = try? FileBytes.read("/proc/\(heartbeat.process)/cmdline", limit: 1 << 20)
            else { return false }
            let words = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            guard words.first?.hasSuffix("diptych-worker") == true, words.contains(directory.path) else { return false }
            return kill(heartbeat.process, SIGKILL) == 0
        }.map(\.rank)
    }
}
