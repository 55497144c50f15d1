import Foundation
import Testing

@Suite struct FakeClusterTests {
    /// The command, and the launcher that takes no notice of signals and holds its pipes. Fails when one of them is left.
    @Test func aCommandThatHangsIsKilledAndTold() throws {
        let cluster = try FakeCluster(.stubborn)
        let running = try cluster.start(["run", "job.yaml", "--ranks", "2"], seconds: 2)
        let clock = ContinuousClock()
        let start = clock.now
        let error = #expect(throws: FakeCluster.NotEnded.self) { _ = try running.result() }
        // By itself the launcher would end after 30 s.
        #expect(clock.now - start < .seconds(20))
        let text = error?.description ?? ""
        #expect(text.hasPrefix("diptych did not end within 2 s:\n") && text.contains("fake"), "\(text)")
    }
}
