import Foundation

/// The arguments of this program, without its own name.
///
/// Swift looks for them beside the environment on the stack. A library of `LD_PRELOAD` that changes the environment before
/// the program begins, as profilers of clusters do, moves that elsewhere, and Swift finds no arguments: so they are read
/// from the kernel. Swift also repairs text that is not UTF-8, which makes it the name of another file.
///
/// - Throws: `DiptychFailure` with code 64 when an argument, or the name of the working directory, is not UTF-8.
package func programArguments() throws(DiptychFailure) -> [String] {
    guard FileBytes.workingDirectoryIsText else {
        let here = FileManager.default.currentDirectoryPath
        throw DiptychFailure(
            .usage,
            "the working directory \(printable(here)) has a name that is not UTF-8; work in another, or rename it")
    }
    let known = CommandLine.arguments.dropFirst()
    guard let bytes = try? FileBytes.read("/proc/self/cmdline") else { return Array(known) }
    // Each word ends with a zero byte. Where the loader was told to start this program, its own words come first.
    let words = bytes.split(separator: 0, omittingEmptySubsequences: false).dropFirst().dropLast()
    var arguments: [String] = []
    for word in known.isEmpty ? words : words.suffix(known.count) {
        guard let text = String(validating: word, as: UTF8.self) else {
            throw DiptychFailure(
                .usage,
                "the argument \(printable(String(decoding: word, as: UTF8.self))) is not UTF-8, as every argument and path "
                    + "must be; rename what it names, or reach it through a link")
        }
        arguments.append(text)
    }
    return arguments
}
