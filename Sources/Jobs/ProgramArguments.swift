import Foundation

/// The arguments of this program, without its own name.
///
/// Swift looks for them beside the environment on the stack. A library of `LD_PRELOAD` that changes the environment before
/// the program begins, as profilers of clusters do, moves that elsewhere, and Swift finds no arguments.
package func programArguments() -> [String] {
    let known = Array(CommandLine.arguments.dropFirst())
    guard known.isEmpty, let bytes = try? FileBytes.read("/proc/self/cmdline") else { return known }
    // Each word ends with a zero byte.
    return bytes.split(separator: 0, omittingEmptySubsequences: false).dropFirst().dropLast().map {
        String(decoding: $0, as: UTF8.self)
    }
}
