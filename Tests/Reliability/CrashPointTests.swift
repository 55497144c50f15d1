import Foundation
import Testing

extension Reliability {
    /// A save is killed at, or one of its system calls fails at, every one of its system calls in turn.
    ///
    /// Whatever the point: a checkpoint of the step before or after is there and whole, the same command goes on, and
    /// the files in the end are those of a training that nothing has disturbed.
    @Suite(.enabled(if: Strace.works, "strace must be installed, and tracing allowed"))
    struct CrashPointTests {
        /// A training just before the save that is disturbed.
        struct Stage: CustomTestStringConvertible, Sendable {
            /// Steps that are saved already.
            let start: Int
            let isInMemory: Bool
            var testDescription: String {
                "\(start == 0 ? "first save" : "save with retention"), \(isInMemory ? "in memory" : "by libhdf5")"
            }
            var harness: Harness { Harness(isInMemory: isInMemory) }
        }

        private static let main = Stage(start: 2, isInMemory: true)
        private static let byLibrary = Stage(start: 2, isInMemory: false)
        private static let first = Stage(start: 0, isInMemory: true)
        static let killed = Effort.isTorture ? [main, byLibrary, first] : [main, byLibrary]
        static let failing = Effort.isTorture ? [main, byLibrary, first] : [main]

        /// The folder before the save, the folder after it and after the next one.
        private struct Plan {
            let folder: TemporaryFolder
            let before: String
            let after: [String: Data]
            let weights: String
            let points: [Strace.Point]
            let steps: Int
        }

        private func plan(_ stage: Stage) throws -> Plan {
            let folder = try TemporaryFolder()
            let before = folder.path + "/before"
            let steps = stage.start + 1
            try FileManager.default.createDirectory(atPath: before, withIntermediateDirectories: true)
            if stage.start > 0 { #expect(try stage.harness.train(before, steps: stage.start).code == 0) }
            let whole = folder.path + "/whole"
            try FileManager.default.copyItem(atPath: before, toPath: whole)
            let points = try Strace.points(
                in: whole, of: Harness.program(), stage.harness.arguments(whole, steps: steps))
            let end = try stage.harness.train(whole, steps: steps)
            #expect(try end.code == 0 && end.report.resumed == steps && end.report.faults.isEmpty, "\(end.error)")
            let names = Set(points.map(\.call))
            #expect(names.isSuperset(of: ["openat", "write", "fsync"]), "\(names)")
            #expect(points.contains { $0.call.hasPrefix("rename") })
            if stage.start > 0 { #expect(points.contains { $0.call.hasPrefix("unlink") }, "retention is part of it") }
            return Plan(
                folder: folder, before: before, after: try Harness.files(whole), weights: try end.report.weights,
                points: Self.sample(points), steps: steps)
        }

        /// libhdf5 writes a file in hundreds of pieces, which differ in nothing: all of them in `make torture`, else a dozen.
        private static func sample(_ points: [Strace.Point]) -> [Strace.Point] {
            let pieces = points.count { $0.call == "pwrite64" }
            let stride = Effort.isTorture ? 1 : max(1, pieces / 12)
            var seen = 0
            return points.filter { point in
                guard point.call == "pwrite64" else { return true }
                seen += 1
                return seen % stride == 0
            }
        }

        /// Runs the command again, undisturbed, and compares.
        ///
        /// - Returns: The step of the checkpoint that it went on from.
        @discardableResult
        private func expectSameEnd(
            _ plan: Plan, _ stage: Stage, _ folder: String, _ point: Strace.Point
        ) throws -> Int {
            let end = try stage.harness.train(folder, steps: plan.steps)
            #expect(end.code == 0, "\(point): \(end.error)")
            let report = try end.report
            #expect(report.weights == plan.weights, "\(point)")
            #expect(report.faults == [], "\(point)")
            // A checkpoint whose manifest is not there yet never was one: its step is done again.
            let isInterrupted = report.skipped.allSatisfy { $0.hasSuffix("is missing; the save was interrupted") }
            #expect(report.skipped.count < 2 && isInterrupted, "\(point): \(report.skipped)")
            #expect([stage.start, stage.start + 1].contains(report.resumed), "\(point)")
            let files = try Harness.files(folder)
            for (name, bytes) in plan.after { #expect(files[name] == bytes, "\(point): \(name)") }
            // A retention that was cut short leaves a whole older checkpoint, and nothing else is left behind.
            let extra = Set(files.keys).subtracting(plan.after.keys).sorted()
            #expect(extra == [] || extra == ["step-00000001.h5", "step-00000001.json"], "\(point)")
            return report.resumed
        }

        @Test(arguments: killed) func killedAtEveryCallASaveIsTheOldOrTheNew(stage: Stage) throws {
            let plan = try plan(stage)
            var resumed: [Int] = []
            var savedAgain = 0
            for point in plan.points {
                let folder = plan.folder.path + "/killed"
                try FileManager.default.copyItem(atPath: plan.before, toPath: folder)
                let killed = try Strace.run(
                    Harness.program(), stage.harness.arguments(folder, steps: plan.steps), at: point,
                    fault: "signal=KILL")
                #expect(killed.code == nil, "\(point): was not killed")
                resumed.append(try expectSameEnd(plan, stage, folder, point))
                if try Harness.files(folder)["step-0000000\(plan.steps).json"] != nil { savedAgain += 1 }
                try FileManager.default.removeItem(atPath: folder)
            }
            #expect(plan.points.count > 20 && savedAgain == plan.points.count)
            // The new checkpoint counts from one call on, the rename of its manifest, and from then on it stays.
            #expect(resumed == resumed.sorted() && Set(resumed) == [stage.start, plan.steps], "\(resumed)")
            let last = plan.points.indices.last { resumed[$0] == stage.start }
            #expect(last.map { plan.points[$0].call.hasPrefix("rename") } == true, "\(String(describing: last))")
            Effort.note("\(stage.testDescription): killed at \(plan.points.count) of \(plan.points.count) calls")
        }

        /// A failing call never kills: the save fails with the system's reason, or does without that call.
        @Test(arguments: failing, Effort.errors)
        func whateverCallFailsTrainingGoesOnAndSaysSo(stage: Stage, error: String) throws {
            let plan = try plan(stage)
            let reasons = [
                "ENOSPC": "No space left on device", "EIO": "Input/output error", "EROFS": "Read-only file system",
                "EACCES": "Permission denied", "EDQUOT": "Disk quota exceeded",
            ]
            let reason = try #require(reasons[error])
            var failed = 0
            for point in plan.points {
                let folder = plan.folder.path + "/failed"
                try FileManager.default.copyItem(atPath: plan.before, toPath: folder)
                let end = try Strace.run(
                    Harness.program(), stage.harness.arguments(folder, steps: plan.steps), at: point,
                    fault: "error=\(error)")
                // The harness prints JSON, where a slash is escaped.
                let told = (end.error + end.output).replacing("\\/", with: "/")
                #expect([0, 65, 74].contains(end.code), "\(point): \(end)")
                if end.code != 0 {
                    failed += 1
                    // HDF5 reports in words of its own what happens under its hands.
                    #expect(told.contains(reason) || !stage.isInMemory, "\(point): \(told)")
                }
                // What is complete already needs no second run.
                if try end.code != 0 || Harness.files(folder) != plan.after {
                    try expectSameEnd(plan, stage, folder, point)
                }
                try FileManager.default.removeItem(atPath: folder)
            }
            #expect(failed > 8)
            Effort.note("\(stage.testDescription): \(error) at \(plan.points.count) calls, \(failed) failed saves")
        }
    }
}
