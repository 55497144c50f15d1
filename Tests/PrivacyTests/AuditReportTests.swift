import Foundation
import Privacy
import Testing

@Suite struct AuditReportTests {
    @Test func readsBackWhatItWrote() throws {
        let report = AuditReport(
            protocolNotes: ["held-out images were never trained on"], provenance: [.init(name: "seed", value: "7")],
            releases: [ReleaseAudit(name: "a", defence: "distillmd", parts: 2, quality: nil, attacks: [])])
        let bytes = try JSONEncoder().encode(report)
        #expect(try JSONDecoder().decode(AuditReport.self, from: bytes) == report)
        let object = try #require(JSONSerialization.jsonObject(with: bytes) as? [String: Any])
        #expect(Set(object.keys) == ["protocol", "provenance", "releases"])
    }
}
