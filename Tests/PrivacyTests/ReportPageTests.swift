import Foundation
import Privacy
import Testing

/// What the page says, and where.
@Suite struct ReportPageTests {
    private static let fixture = Result { try ReportFixture.report() }

    private func page(
        _ audience: AuditReportWriter.Audience = .owner, _ change: (inout AuditReport) -> Void = { _ in }
    ) throws -> String {
        var report = try Self.fixture.get()
        change(&report)
        let files = try AuditReportWriter(report, audience: audience).files()
        return String(decoding: try #require(files.first { $0.name == "report.html" }).bytes, as: UTF8.self)
    }

    /// The text from one mark to the next place of another.
    private func part(of text: some StringProtocol, from start: String, to end: String) throws -> Substring {
        let rest = try #require(text.range(of: start).map { text[$0.lowerBound...] }, "no \(start)")
        return Substring(rest[..<(try #require(rest.range(of: end), "no \(end)")).lowerBound])
    }

    /// The cells of all rows of the comparison, by the rows' names; rows of one name follow each other.
    private func comparison(_ page: String) throws -> [(name: String, cells: [String])] {
        let table = try part(of: page, from: "<table class=\"compare", to: "</table>")
        return table.components(separatedBy: "<tr><th scope=\"row\">").dropFirst().map { row in
            let cells = row.components(separatedBy: "<td>").dropFirst()
            return (
                String(row.prefix { $0 != "<" }).trimmingCharacters(in: .whitespaces),
                cells.map { String($0.prefix { $0 != "<" }) }
            )
        }
    }

    @Test func partsCountNeitherInTheVerdictNorInTheComparison() throws {
        let page = try page()
        let names = try Self.fixture.get().releases.filter { $0.partOf != nil }.map(\.name)
        #expect(names.count == 6)
        let above = page[..<(try #require(page.range(of: "<h2>How many members an attacker finds"))).lowerBound]
        #expect(above.contains("study-dualmd") && above.contains("Privacy beside quality"))
        for name in names {
            let isAbove = above.contains(name)
            #expect(!isAbove, "\(name)")
        }
        #expect(try comparison(page).allSatisfy { $0.cells.count == 5 })
        #expect(try part(of: page, from: "<h1>", to: "</h1>").contains("study-none"))
        let section = try part(
            of: page, from: "<h2>study-dualmd: each half of its members, with each model and with their mix</h2>",
            to: "</section>")
        for name in names {
            // A row, a figure and a table of all attacks.
            #expect(section.components(separatedBy: name).count > 3, "\(name)")
        }
        let rest = page.replacing(section, with: "")
        #expect(!rest.contains("teacher-0"))
        #expect(!(try self.page { $0.releases.removeAll { $0.partOf != nil } }).contains("with their mix"))
    }

    @Test func theStrongestThroughSamplingStandsBesideTheStrongestOfAll() throws {
        let releases = try Self.fixture.get().releases.filter { $0.partOf == nil }
        let rows = try comparison(try page())
        let place = try #require(rows.firstIndex { $0.name == "Strongest through sampling only" })
        for (release, cells) in zip(releases, zip(rows[place].cells, rows[place + 1].cells)) {
            let best = try #require(
                release.attacks.filter { $0.access == .sampling }.max {
                    abs($0.auc - 0.5) < abs($1.auc - 0.5)
                })
            #expect(cells.0 == best.name)
            #expect(cells.1 == String(format: "%.2f", best.auc))
        }
        let all = try #require(rows.firstIndex { $0.name == "Strongest attack" })
        #expect(rows[all].cells[1] == "gsa1-mix" && rows[place].cells[1] == "rediffuse")
        let none = try comparison(page { $0.releases[0].attacks.removeAll { $0.access == .sampling } })
        #expect(none[place].cells[0] == "–" && none[place + 1].cells[0] == "–")
    }

    @Test func whatIsAGreatestOfManyIsCalledSo() throws {
        let caption = try part(of: page(), from: "<table class=\"compare", to: "</caption>")
        #expect(caption.contains("greatest of all attacks tried") && caption.contains("the verdict widens them"))
        let guide = try part(of: page(), from: "<dl class=\"guide\">", to: "</dl>")
        #expect(guide.contains("seen by no audited model") && !guide.contains("never seen"))
        #expect(guide.contains("for both rules its interval is widened"))
    }

    @Test func anAUCBelowTheScaleIsAnArrow() throws {
        let arrow = "d=\"M8 4L2 9L8 14\""
        let usual = try page { $0.releases = [$0.releases[0]] }
        #expect(!usual.contains(arrow))
        let low = try page { report in
            report.releases = [report.releases[0]]
            report.releases[0].attacks[0].auc = 0.2
            report.releases[0].attacks[0].aucInterval = [0.17, 0.23]
        }
        #expect(low.components(separatedBy: arrow).count == 2)
        #expect(low.components(separatedBy: "<circle").count == usual.components(separatedBy: "<circle").count - 1)
        #expect(low.contains("AUC 0.20, interval 0.17–0.23") && low.contains("open arrow"))
        // As strong as one of 0.8: behind those of more, before those of less.
        let table = try part(of: low, from: "<table class=\"attacks\">", to: "</table>")
        let order = table.components(separatedBy: "<tr><th scope=\"row\">").dropFirst().map { $0.prefix { $0 != " " } }
        #expect(order.prefix(1) == ["GSA1"] && order.dropLast(2).contains("PIA"), "\(order)")
    }

    @Test func theKeyNamesTheStrongestAttacksWithoutColour() throws {
        let figure = try part(of: page(), from: "<figcaption>study-none, 8 attacks", to: "</figure>")
        let strongest = try Self.fixture.get().releases[0].attacks.sorted { $0.auc > $1.auc }.prefix(4)
        var dashes: Set<String> = []
        var place = figure.startIndex
        for attack in strongest {
            let title = attack.title.prefix { $0 != "(" }.trimmingCharacters(in: .whitespaces)
            let name = title.count > 34 ? title.prefix(31) + "..." : title[...]
            let text = ">AUC \(String(format: "%.2f", attack.auc)): \(name)</text>"
            let found = try #require(figure.range(of: text), "\(text)")
            #expect(found.lowerBound > place, "strongest first")
            place = found.lowerBound
            let line = try #require(figure[..<place].range(of: "<path", options: .backwards))
            let element = figure[line.lowerBound..<place]
            dashes.insert(
                try element.contains("dasharray") ? String(part(of: element, from: "dasharray", to: " d=")) : "")
        }
        #expect(dashes.count == 4, "\(dashes)")
    }

    @Test func aShortTitleKeepsWhatStandsBehindTheBrackets() {
        #expect(FigureText.short("PIA (arXiv 2305.18355)") == "PIA")
        #expect(FigureText.short("PIA (arXiv 2305.18355), models in turn") == "PIA, models in turn")
        #expect(FigureText.short("LiRA on PIA (a), shadow models (b)") == "LiRA on PIA, shadow models")
        #expect(FigureText.short("left (open") == "left (open")
    }

    @Test func theCommandIsThereWithPathsOrWithPlaceholders() throws {
        let mine = try page()
        #expect(mine.contains("<pre><code>diptych audit /srv/secret/runs/study-none"))
        #expect(mine.contains("in the folder where the audit was started"))
        #expect(try page(.anyone).contains("Ask the owner"))
        let published = try page(.anyone) { report in
            report.provenance.append(.init(name: "started in", value: "/srv/secret"))
            report.provenance.removeAll { $0.name == "command" }
            report.provenance.append(.init(name: "command", value: "diptych audit RUN --public", isPublic: true))
        }
        #expect(published.contains("<pre><code>diptych audit RUN --public</code></pre>"))
        #expect(published.contains("where words are in capitals") && !published.contains("/srv/secret"))
    }
}
