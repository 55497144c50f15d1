import Foundation
import FuzzTargets
import Testing

extension Reliability {
    /// Every reader comes back from hostile bytes, in time, and with no more memory than they justify: from the cases of
    /// `Tests/Golden/fuzz`, and from fresh mutations of honest files. `fuzz-replay` reads each in a process of its own.
    @Suite(.serialized)
    struct FuzzReplayTests {
        private static let corpus = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Golden/fuzz").path()

        private static func replay(_ arguments: [String]) throws -> [ReplayReport] {
            // A crash needs no picture of the stack, and OpenBLAS no threads: they ask for memory again and again.
            let end = try run(
                Harness.program("fuzz-replay"), arguments, seconds: 3600,
                environment: ["SWIFT_BACKTRACE=enable=no", "OPENBLAS_NUM_THREADS=1"])
            try #require(end.code == 0, "fuzz-replay \(arguments): \(end.error.suffix(2000))")
            return try end.output.split(separator: "\n").map {
                try JSONDecoder().decode(ReplayReport.self, from: Data($0.utf8))
            }
        }

        private func note(_ target: FuzzTarget, _ reports: [ReplayReport], _ what: String) {
            let most = reports.max { $0.peak < $1.peak }
            Effort.note(
                "\(what) \(target.rawValue): \(reports.count) cases, at most \((most?.peak ?? 0) >> 10) kB of "
                    + "\((most?.bound ?? 0) >> 10) (\(most?.name ?? ""))")
        }

        /// Honest files are read, hostile ones refused; what the fuzzer has found (`found-`) may be either.
        @Test(.timeLimit(.minutes(5)), arguments: FuzzTarget.allCases)
        func whatFuzzingHasFoundIsRead(target: FuzzTarget) throws {
            let folder = "\(Self.corpus)/\(target.rawValue)"
            let names = try FileManager.default.contentsOfDirectory(atPath: folder)
            try #require(!names.isEmpty, "there are no cases in \(folder)")
            let reports = try Self.replay([target.rawValue, folder])
            #expect(Set(reports.map(\.name)).isSuperset(of: names))
            #expect(reports.count == names.count + (try target.seeds().count))
            for report in reports {
                #expect(report.fault == nil, "\(target.rawValue)/\(report.name)")
                let isHonest = report.name.hasPrefix("taken-") || report.name.hasPrefix("seed ")
                if !report.name.hasPrefix("found-") {
                    #expect(report.isTaken == isHonest, "\(target.rawValue)/\(report.name)")
                }
            }
            note(target, reports, "replay")
        }

        @Test(.timeLimit(.minutes(30)), arguments: FuzzTarget.allCases)
        func mutatedFilesNeitherCrashNorFillTheMemory(target: FuzzTarget) throws {
            let count = Effort.isTorture ? 4000 : 50
            let reports = try Self.replay([target.rawValue, "\(count)"])
            #expect(reports.count == count * (try target.seeds().count))
            for report in reports where report.fault != nil {
                Issue.record("\(target.rawValue), \(report.name): \(report.fault ?? "")")
            }
            note(target, reports, "mutations of")
        }

        /// Fails when a reader could take too much, crash or hang, and nobody noticed.
        @Test(.timeLimit(.minutes(5)))
        func readersThatMisbehaveAreNamed() throws {
            let reports = try Self.replay(["planted"])
            let faults = Dictionary(uniqueKeysWithValues: reports.map { ($0.name, $0.fault) })
            #expect(faults.count == 7)
            func expect(_ name: String, _ words: String) throws {
                let fault = try #require(faults[name])
                #expect(fault?.contains(words) == true, "\(name): \(fault ?? "no fault")")
            }
            #expect(try #require(faults["modest"]) == nil, "\(faults)")
            try expect("greedy", "bytes at once, more than the 1048576 that 2 bytes justify")
            try expect("refused", "bytes at once, more than the 1048576 that 2 bytes justify")
            try expect("array", "died of signal")
            try expect("array", "bytes at once")
            try expect("endless", "was not done after 1 s of processor time")
            try expect("trap", "died of signal")
            try expect("leaving", "the reader ended the process, with code 0")
        }
    }
}
