import Foundation
import FuzzTargets
import Testing

extension Reliability {
    /// Every reader comes back from hostile bytes: those that fuzzing has found (`Tests/Golden/fuzz`), and fresh mutations
    /// of honest files. A crash ends the test process, a reader that hangs runs into the time limit.
    @Suite(.serialized)
    struct FuzzReplayTests {
        private static let found = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Golden/fuzz").path()

        @Test(.timeLimit(.minutes(5)), arguments: FuzzTarget.allCases)
        func whatFuzzingHasFoundIsRead(target: FuzzTarget) throws {
            for seed in try target.seeds() { target.read(seed) }
            let folder = "\(Self.found)/\(target.rawValue)"
            for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
                target.read(Array(try Data(contentsOf: URL(filePath: "\(folder)/\(name)"))))
            }
        }

        /// Sizes that lie: the resident memory must not follow them.
        @Test(.timeLimit(.minutes(5)), arguments: FuzzTarget.allCases.filter { $0 != .checkpoint })
        func mutatedFilesNeitherCrashNorFillTheMemory(target: FuzzTarget) throws {
            var state: UInt64 = 7
            func random(_ limit: Int) -> Int {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Int(truncatingIfNeeded: state >> 33) % max(limit, 1)
            }
            let before = try peakMemory()
            for seed in try target.seeds() {
                for _ in 0..<(Effort.isTorture ? 20_000 : 50) {
                    var bytes = seed
                    for _ in 0...random(4) where !bytes.isEmpty {
                        let place = random(bytes.count)
                        switch random(5) {
                        case 0: bytes[place] = UInt8(random(256))
                        case 1: bytes[place] ^= 1 << UInt8(random(8))
                        case 2: bytes.replaceSubrange(place..<min(place + 4, bytes.count), with: [255, 255, 255, 255])
                        case 3: bytes.removeSubrange(place..<min(place + 1 + random(8), bytes.count))
                        default: bytes.insert(contentsOf: seed.prefix(random(64)), at: place)
                        }
                    }
                    target.read(bytes)
                }
            }
            let grown = try peakMemory() - before
            #expect(grown < 256 << 20, "\(target.rawValue): the peak grew by \(grown) bytes")
        }

        /// The most memory that this process has held, in bytes.
        private func peakMemory() throws -> Int {
            let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
            let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
            let words = line.split(separator: " ").flatMap { $0.split(separator: "\t") }
            return (Int(words[1]) ?? 0) << 10
        }
    }
}
