// Reads cases one by one, each in a child process within limits, and prints a line of JSON for each (ReplayReport):
//   fuzz-replay READER FOLDER   the honest files of a reader, and those of a folder
//   fuzz-replay READER NUMBER   so many mutations of each honest file
//   fuzz-replay planted         readers that misbehave, each in its own way, to see that this is noticed
// Started by ReliabilityTests.
import Foundation
import FuzzTargets

func print(_ report: ReplayReport) throws {
    print(String(decoding: try JSONEncoder().encode(report), as: UTF8.self))
}

func replay(_ target: FuzzTarget, _ name: String, _ bytes: [UInt8]) throws {
    let bound = target.memoryBound(of: bytes.count)
    try print(LimitedReading(seconds: 10).report(name: name, of: bytes, bound: bound) { target.read($0) })
}

let words = Array(CommandLine.arguments.dropFirst())
if words == ["planted"] {
    for reader in PlantedReader.allCases {
        let reading = LimitedReading(seconds: 1)
        try print(reading.report(name: reader.rawValue, of: [1, 2], bound: 1 << 20) { reader.read($0) })
    }
    exit(0)
}
guard words.count == 2, let target = FuzzTarget(rawValue: words[0]) else {
    FileHandle.standardError.write(Data("usage: fuzz-replay planted | READER FOLDER | READER NUMBER\n".utf8))
    exit(64)
}
let seeds = try target.seeds()
// What is set up once in a process is no case's doing.
for seed in seeds { target.read(seed) }
if let count = Int(words[1]) {
    for (number, seed) in seeds.enumerated() {
        for (mutation, bytes) in Mutations(of: seed, count: count).enumerated() {
            try replay(target, "mutation \(mutation) of seed \(number)", bytes)
        }
    }
} else {
    for (number, seed) in seeds.enumerated() { try replay(target, "seed \(number)", seed) }
    for name in try FileManager.default.contentsOfDirectory(atPath: words[1]).sorted() {
        try replay(target, name, [UInt8](try Data(contentsOf: URL(filePath: "\(words[1])/\(name)"))))
    }
}
