import Checkpoints
import Coordinator
import Foundation
import Jobs
import Privacy
import Worker

/// What an audit leaves for the program that has started it and for the next audit, and what becomes of it there.
extension FuzzTarget {
    func readReport(_ bytes: [UInt8]) -> Bool {
        _ = FuzzFiles.write(bytes, "audit/report.json")
        return takes {
            let report = try AuditFiles.report(FuzzFiles.directory)
            try show(report)
            // As of two runs with one name.
            let directories = Array(repeating: FuzzFiles.directory, count: 2)
            let joined = AuditReport.joined(AuditReport.told(apart: [report, report], directories))
            _ = (AuditText.table(joined), AuditText.json(joined, folder: "fuzz").text)
        }
    }

    func readNearest(_ bytes: [UInt8]) -> Bool {
        _ = FuzzFiles.write(bytes, "audit/nearest.json")
        return takes {
            let report = AuditReport(
                protocolNotes: [], provenance: [],
                releases: [ReleaseAudit(name: "fuzz", defence: "none", parts: 2, quality: nil, attacks: [])])
            try show(report, AuditFiles.pairs(FuzzFiles.directory, of: report))
        }
    }

    /// As `diptych audit` does, but for the drawings as PNG, which are those of the page.
    private func show(_ report: AuditReport, _ pairs: [NearestPairs] = []) throws {
        _ = (AuditText.table(report), AuditText.json(report, folder: "fuzz").text)
        for audience in AuditReportWriter.Audience.allCases {
            _ = try AuditReportWriter(report, pairs: pairs, audience: audience).texts()
        }
    }

    func readExamination(_ bytes: [UInt8]) -> Bool {
        let file = open(FuzzFiles.write(bytes, "answer"), O_RDONLY)
        precondition(file >= 0, "what was written cannot be opened: \(String(cString: strerror(errno)))")
        let reader = LineReader(file)
        var output: [String] = []
        while !reader.isAtEnd { output += reader.lines() }
        guard let report = ExamineReport(in: output) else { return false }
        _ = report.fault.map(printable)
        return true
    }

    func readScores(_ bytes: [UInt8]) -> Bool {
        let key = String(repeating: "a", count: 32)
        let count = 4 * AuditSeeds.numbers
        var chunk = bytes
        if chunk.suffix(64).allSatisfy({ $0 == UInt8(ascii: "0") }), chunk.count >= 64 {
            chunk.replaceSubrange((chunk.count - 64)..., with: sha256Hex(Array(chunk.dropLast(64))).utf8)
        }
        _ = FuzzFiles.write(chunk, "audit/scores/\(key)-0")
        guard let read = ScoreStore(FuzzFiles.directory).read(key, chunk: 0, count: count) else { return false }
        return takes {
            let report = try AuditSeeds.report(of: floats(in: read))
            let written = try JSONEncoder().encode(report)
            let isTaken = (try? AuditReport(reading: written)) == report
            precondition(isTaken, "a report that an audit makes is not read back")
        }
    }
}
