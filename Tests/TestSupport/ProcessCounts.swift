import Foundation

/// What the kernel counts of this process.
public enum ProcessCounts {
    /// The most bytes that were in memory since ``forgetPeak()``.
    public static func peakMemory() throws -> Int { try 1024 * number(of: "VmHWM:", in: "status") }

    /// Bytes that were read so far, from whatever file.
    public static func bytesRead() throws -> Int { try number(of: "rchar:", in: "io") }

    /// Has the peak begin anew at what is in memory now, where the kernel can.
    public static func forgetPeak() {
        guard let file = fopen("/proc/self/clear_refs", "w") else { return }
        fputs("5", file)
        fclose(file)
    }

    private static func number(of name: String, in file: String) throws -> Int {
        let text = try String(contentsOfFile: "/proc/self/\(file)", encoding: .utf8)
        let line = text.split(separator: "\n").first { $0.hasPrefix(name) }
        guard let word = line?.split(whereSeparator: \.isWhitespace).dropFirst().first, let number = Int(word) else {
            throw CocoaError(.fileReadCorruptFile)
        }
        return number
    }
}

/// Whether these tests are those of `make sanitize`.
public let isSanitized = ProcessInfo.processInfo.environment["DIPTYCH_SANITIZE"] != nil
