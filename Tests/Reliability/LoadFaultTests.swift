import Foundation
import Testing

extension Reliability {
    /// A run goes on from a checkpoint, and a system call by which it looks for it or reads it fails.
    @Suite(.enabled(if: Strace.works, "strace must be installed, and tracing allowed"))
    struct LoadFaultTests {
        private static let reasons = [
            "EIO": "Input/output error", "EACCES": "Permission denied", "ESTALE": "Stale file handle",
        ]

        /// Fails when a checkpoint that cannot be read for the moment is taken for one that is not there: the run would begin
        /// anew, or go on from an older one without a word.
        @Test(arguments: Effort.isTorture ? ["EIO", "EACCES", "ESTALE"] : ["ESTALE"])
        func whateverCallOfALoadFailsNothingIsBegunAnew(error: String) throws {
            let steps = 3
            let folder = try TemporaryFolder()
            let (run, harness) = (folder.path + "/run", Harness())
            let whole = try harness.train(run, steps: steps)
            #expect(whole.code == 0, "\(whole.error)")
            let expected = try Harness.files(run)
            let weights = try whole.report.weights
            let arguments = harness.arguments(run, steps: steps)
            let points = try Strace.points(
                in: run, of: Harness.program(), arguments, calls: Strace.readingCalls, isStrict: true)
            #expect(Set(points.map(\.call)).isSuperset(of: ["openat", "getdents64", "pread64"]), "\(points)")
            let reason = try #require(Self.reasons[error])
            var (refused, older) = (0, 0)
            for point in points {
                let end = try Strace.run(Harness.program(), arguments, at: point, fault: "error=\(error)")
                #expect([0, 65, 74].contains(end.code), "\(point): \(end)")
                let told = (end.error + end.output).replacing("\\/", with: "/")
                if end.code == 74 {
                    refused += 1
                    #expect(told.contains(reason), "\(point): \(told)")
                } else {
                    let report = try end.report
                    // From the one before only with its reason; what was lost is done again, to the same bits.
                    #expect(report.resumed == steps || report.resumed == steps - 1, "\(point): \(told)")
                    if report.resumed < steps { older += 1 }
                    #expect(
                        report.resumed == steps || report.skipped.contains { $0.contains(reason) }, "\(point): \(told)")
                    #expect(report.weights == weights, "\(point)")
                    #expect(end.code == 0 || report.faults.contains { $0.contains(reason) }, "\(point): \(told)")
                }
                let files = try Harness.files(run)
                for (name, bytes) in expected { #expect(files[name] == bytes, "\(point): \(name)") }
            }
            #expect(points.count > 10 && refused > 0)
            Effort.note("load: \(error) at \(points.count) calls, \(refused) refused, \(older) from the one before")
        }
    }
}
