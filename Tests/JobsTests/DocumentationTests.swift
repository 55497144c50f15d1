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

    /// The tests that a document names between back quotes: all in a table's last column that is headed "shown by", and
    /// elsewhere what has capitals within.
    private static func testNames(_ guide: String) -> Set<String> {
        var names = Set(guide.matches(of: /`([a-z][a-z0-9]*[A-Z][A-Za-z0-9]*)`/).map { String($0.1) })
        var heading: Substring?
        for line in guide.split(separator: "\n", omittingEmptySubsequences: false) {
            guard line.hasPrefix("|") else {
                heading = nil
                continue
            }
            let last = line.dropLast().split(separator: "|").last ?? ""
            heading = heading ?? last
            guard heading?.hasPrefix(" shown by") == true else { continue }
            names.formUnion(last.matches(of: /`([^`]+)`/).map { String($0.1) })
        }
        return names
    }

    /// Fails when a test that the guarantee names is renamed or removed.
    @Test func reliabilityNamesTestsThatExist() throws {
        let guide = try String(contentsOfFile: repository + "docs/reliability.md", encoding: .utf8)
        var sources = ""
        let files = FileManager.default.enumerator(atPath: repository + "Tests")?.compactMap { $0 as? String } ?? []
        for file in files where file.hasSuffix(".swift") {
            sources += try String(contentsOfFile: repository + "Tests/" + file, encoding: .utf8)
        }
        let names = Self.testNames(guide)
        for name in names {
            let declaration = name.contains(" ") ? "func `\(name)`(" : "func \(name)("
            // Looked for outside of the macro, which would print all sources.
            let isDeclared = sources.contains(declaration)
            #expect(isDeclared, "docs/reliability.md names a test that does not exist: \(name)")
        }
        #expect(names.count > 150, "the tables are read")
        // The catalogue of faults, and that of hostile inputs, are answered whole.
        for row in (1...28).map({ "F\($0)" }) + (1...13).map({ "H\($0)" }) {
            #expect(guide.components(separatedBy: "\n| \(row) |").count == 2, "docs/reliability.md: row \(row)")
        }
    }
}
