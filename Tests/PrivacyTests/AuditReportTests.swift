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

    /// Reports of former versions have no `part_of`.
    @Test func readsReportsWithAndWithoutParts() throws {
        func release(_ name: String, _ part: String) -> String {
            #"{"name": "\#(name)", "defence": "dualmd", "parts": 2, "quality": null, "attacks": []\#(part)}"#
        }
        let text = """
            {"protocol": [], "provenance": [], "releases": [\(release("a", "")), \(release("a x", #", "part_of": "a""#)),
             \(release("b", #", "part_of": null"#)), \(release("b x", #", "part_of": "b""#)),
             \(release("b y", #", "part_of": "b""#)), \(release("b", "")), \(release("b z", #", "part_of": "b""#)),
             \(release("lost", #", "part_of": "c""#))]}
            """
        let report = try JSONDecoder().decode(AuditReport.self, from: Data(text.utf8))
        #expect(report.releases.map(\.partOf) == [nil, "a", nil, "b", "b", nil, "b", "c"])
        #expect(report.released.map(\.release.name) == ["a", "b", "b", "lost"])
        #expect(report.released.map { $0.parts.map(\.name) } == [["a x"], ["b x", "b y"], ["b z"], []])
        let written = String(decoding: try JSONEncoder().encode(report.releases), as: UTF8.self)
        #expect(written.components(separatedBy: "\"part_of\"").count == 6)
        #expect(try JSONDecoder().decode([ReleaseAudit].self, from: Data(written.utf8)) == report.releases)
    }

    @Test func theImagesReadBack() throws {
        let report = try ReportFixture.report(names: ["a"], count: 20)
        let pairs = try #require(ReportFixture.pairs(report).first)
        let read = try NearestPairs.read(JSONEncoder().encode([pairs]))
        #expect(read.map(\.samples) == [pairs.samples] && read.map(\.members) == [pairs.members])
        #expect(read.map(\.distances) == [pairs.distances] && read.map(\.release) == [pairs.release])
        #expect(throws: DecodingError.self) { try NearestPairs.read(JSONEncoder().encode([pairs, pairs])) }
    }

    /// Fails when a score that lies too far off for a Float's quotient, or beyond all integers of bins, ends the drawing.
    @Test func scoresThatLieFarOffAreDrawn() throws {
        let largest = Float.greatestFiniteMagnitude
        let most = [Float](repeating: 0, count: 300)
        for scores in [[-largest, 0, largest], most + [.leastNonzeroMagnitude, 1e30]] {
            var report = try ReportFixture.report(names: ["a"], count: 20)
            for index in report.releases[0].attacks.indices {
                report.releases[0].attacks[index].memberScores = scores
                report.releases[0].attacks[index].heldOutScores = scores
            }
            let names = try AuditReportWriter(report, audience: .owner).files().map(\.name)
            #expect(names.contains("scores.png") && names.contains("roc.png"))
        }
    }
}
