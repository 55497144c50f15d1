import Foundation

/// libfaketime: the time of day as a file says, for a program and all that it starts. Clocks that only go forward stay.
public enum FakeTime {
    /// The library (Debian: faketime); nil where it is not installed.
    public static let library: String? = {
        let folders = (try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib")) ?? []
        return folders.map { "/usr/lib/\($0)/faketime/libfaketimeMT.so.1" }.first {
            FileManager.default.fileExists(atPath: $0)
        }
    }()

    /// The environment of a program whose clock is off by what a file says: `+1h`, `-1000d`. May change while it runs.
    public static func environment(clock: String) -> [String: String] {
        [
            "LD_PRELOAD": library ?? "", "FAKETIME_TIMESTAMP_FILE": clock, "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
        ]
    }

    /// Sets a clock.
    public static func set(_ clock: String, to offset: String) throws {
        try offset.write(toFile: clock, atomically: true, encoding: .utf8)
    }
}
