// Coverage-guided fuzzing of one reader with libFuzzer: `fuzz READER [libFuzzer's options] [folder of cases]`; built and
// started by scripts/fuzz. `fuzz seeds FOLDER` writes an honest file of each kind into a folder for each reader.
import Foundation
import FuzzTargets

@_silgen_name("LLVMFuzzerRunDriver")
func runFuzzer(
    _ count: UnsafeMutablePointer<Int32>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ test: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

/// Fixed before the first case; libFuzzer calls a plain function.
nonisolated(unsafe) var target = FuzzTarget.job

let words = CommandLine.arguments
if words.count == 3, words[1] == "seeds" {
    for target in FuzzTarget.allCases {
        let folder = "\(words[2])/\(target.rawValue)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for (number, seed) in try target.seeds().enumerated() {
            try Data(seed).write(to: URL(filePath: "\(folder)/seed-\(number)"))
        }
    }
    exit(0)
}
guard words.count > 1, let chosen = FuzzTarget(rawValue: words[1]) else {
    let names = FuzzTarget.allCases.map(\.rawValue).joined(separator: ", ")
    FileHandle.standardError.write(Data("usage: fuzz READER [OPTION]... [FOLDER]; readers: \(names)\n".utf8))
    exit(64)
}
target = chosen
var arguments: [UnsafeMutablePointer<CChar>?] = ([words[0]] + words.dropFirst(2)).map { strdup($0) } + [nil]
var count = Int32(arguments.count - 1)
let code = arguments.withUnsafeMutableBufferPointer { buffer in
    var base = buffer.baseAddress
    return runFuzzer(&count, &base) { data, size in
        target.read(Array(UnsafeBufferPointer(start: data, count: size)))
        return 0
    }
}
exit(code)
