import Foundation
import TestSupport
import Testing

@Suite struct BoundedTests {
    /// Fails when a thread that hangs is waited for.
    @Test func ranksThatHangEndTheProcess() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            bounded(seconds: 1) { _ = sleep(60) }
        }
        let error = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(error.contains("hangs: not ended within 1 s"), "\(error)")
    }
}
