import Foundation
import Testing

extension Reliability {
    /// Each write of libhdf5's own in a save arrives on the medium with another first byte.
    @Suite(.enabled(if: Strace.works, "strace must be installed, and tracing allowed"))
    struct ChangedWriteTests {
        /// A change is found before the file gets its name, or has been written over since.
        ///
        /// Fails when a file that libhdf5 has written is not read back, or not compared with the state.
        @Test func whateverWriteOfLibHDF5ArrivesChangedTheFileGetsNoName() throws {
            let harness = Harness(isInMemory: false)
            let folder = try TemporaryFolder()
            let before = folder.path + "/before"
            #expect(try harness.train(before, steps: 1).code == 0)
            let old = try Harness.files(before)
            let whole = folder.path + "/whole"
            try FileManager.default.copyItem(atPath: before, toPath: whole)
            let points = try Strace.points(
                in: whole, of: Harness.program(), harness.arguments(whole, steps: 2), calls: ["pwrite64"])
            let new = try Harness.files(whole)
            #expect(points.count > 100 && new.count == old.count + 2)
            let stride = Effort.isTorture ? 1 : points.count / 12
            var found = 0
            for point in points where point.number % stride == 0 || point.number == points.last?.number {
                let changed = folder.path + "/changed"
                try FileManager.default.copyItem(atPath: before, toPath: changed)
                let end = try Strace.run(
                    Harness.program(), harness.arguments(changed, steps: 2), at: point, fault: "poke_enter=@arg2=5a")
                if end.code == 0 {
                    #expect(try Harness.files(changed) == new, "\(point)")
                } else {
                    found += 1
                    #expect(end.code == 74, "\(point): \(end.error)")
                    // The log has the step, as it must before a save is tried.
                    let left = try Harness.files(changed).filter { $0.key != Harness.log }
                    #expect(left == old.filter { $0.key != Harness.log }, "\(point)")
                    #expect(try harness.train(changed, steps: 2).code == 0, "\(point)")
                    #expect(try Harness.files(changed) == new, "\(point)")
                }
                try FileManager.default.removeItem(atPath: changed)
            }
            #expect(found > 6, "most changes are to bytes that stay")
            Effort.note("by libhdf5: each of \(points.count) writes changed; \(found) saves refused, the others whole")
        }
    }
}
