import Foundation
import Jobs
import Testing

@Suite struct DocumentationTests {
    @Test func theGuideListsEveryKeyAsTheSchemaHasIt() throws {
        let guide = try String(contentsOfFile: repository + "docs/jobs.md", encoding: .utf8)
        let lines = guide.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        var section = ""
        var found: [String: [String]] = [:]
        for line in lines {
            if line.hasPrefix("## ") { section = String(line.dropFirst(3)).replacing("`", with: "") }
            if line.hasPrefix("| `") { found[section, default: []].append(line) }
        }
        var expected: [String: [String]] = [:]
        for (section, row) in JobSchema.documentationRows { expected[section, default: []].append(row) }
        for (section, rows) in expected {
            #expect(
                found[section] == rows, "docs/jobs.md, section \(section), must be:\n\(rows.joined(separator: "\n"))")
        }
        #expect(Set(found.keys) == Set(expected.keys))
    }

    @Test func theGuideListsEveryExitCode() throws {
        let guide = try String(contentsOfFile: repository + "docs/exit-codes.md", encoding: .utf8)
        for code in ExitCode.allCases { #expect(guide.contains("\n| \(code.rawValue) |"), "\(code)") }
    }
}
