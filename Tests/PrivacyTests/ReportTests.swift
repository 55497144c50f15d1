import Datasets
import Foundation
import Privacy
import Testing

#if canImport(FoundationXML)
    import FoundationXML
#endif

@Suite struct ReportTests {
    private static let fixture = Result { try ReportFixture.report() }
    private static let pairs = Result { try ReportFixture.pairs(fixture.get()) }

    private func files(
        _ audience: AuditReportWriter.Audience, _ change: (inout AuditReport) -> Void = { _ in }
    ) throws -> [String: [UInt8]] {
        var report = try Self.fixture.get()
        change(&report)
        let files = try AuditReportWriter(report, pairs: Self.pairs.get(), audience: audience).files()
        return Dictionary(uniqueKeysWithValues: files.map { ($0.name, $0.bytes) })
    }

    private func text(_ files: [String: [UInt8]], _ name: String) throws -> String {
        String(decoding: try #require(files[name]), as: UTF8.self)
    }

    @Test(arguments: AuditReportWriter.Audience.allCases) func makesEveryFile(audience: AuditReportWriter.Audience)
        throws
    {
        let files = try files(audience)
        #expect(Set(files.keys) == ["report.html", "report.json", "attacks.csv", "roc.csv", "roc.png", "scores.png"])
        for name in ["roc.png", "scores.png"] {
            #expect(try #require(files[name]).prefix(8) == [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])
        }
        // For looking at: DIPTYCH_REPORT=FOLDER swift test --filter ReportTests.
        if let folder = ProcessInfo.processInfo.environment["DIPTYCH_REPORT"] {
            let place = URL(filePath: folder).appending(path: audience.rawValue)
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            for (name, bytes) in files { try Data(bytes).write(to: place.appending(path: name)) }
        }
    }

    @Test(arguments: AuditReportWriter.Audience.allCases) func thePageIsWellFormedAndLoadsNothing(
        audience: AuditReportWriter.Audience
    ) throws {
        let page = try text(files(audience), "report.html")
        let reader = PageReader()
        let parser = XMLParser(data: Data(page.utf8))
        parser.delegate = reader
        #expect(parser.parse(), "\(String(describing: parser.parserError)) in line \(parser.lineNumber)")
        #expect(reader.elements.isDisjoint(with: ["script", "iframe", "object", "embed", "link", "base", "form"]))
        #expect(reader.links.allSatisfy { $0.hasPrefix("data:image/png;base64,") })
        for forbidden in ["http://", "https://", "<script", "url(", "@import", "javascript:"] {
            #expect(!page.lowercased().contains(forbidden), "\(forbidden)")
        }
        #expect(reader.elements.isSuperset(of: ["h1", "table", "caption", "th", "svg", "figure", "figcaption"]))
        #expect(reader.problems.isEmpty, "\(reader.problems)")
        #expect(page.contains("default-src 'none'"))
    }

    @Test func thePublicReportHoldsNothingPrivate() throws {
        let (mine, published) = (try files(.owner), try files(.anyone))
        let report = try Self.fixture.get()
        let secrets = ["8231977", "/srv/secret", "data:image"]
        // Where what is private should be, it is: the search below would find it.
        for secret in secrets { #expect(try text(mine, "report.html").contains(secret), "\(secret)") }
        #expect(try text(mine, "roc.csv").contains(",threshold\r\n"))
        #expect(try text(published, "roc.csv").hasPrefix("release,attack,false_positive_rate,true_positive_rate\r\n"))
        for name in ["report.html", "report.json", "attacks.csv", "roc.csv"] {
            let content = try text(published, name)
            for secret in secrets {
                let isThere = content.contains(secret)
                #expect(!isThere, "\(secret) in \(name)")
            }
            for attack in report.releases.flatMap(\.attacks) {
                for score in [attack.memberScores[3], attack.heldOutScores[300]] {
                    let isThere = content.contains("\(score)") || content.contains("\(Double(score))")
                    #expect(!isThere, "\(score) in \(name)")
                }
            }
        }
        let images = try Self.pairs.get()[0]
        let encoded = Data(try PNG.encoded(images.members)).base64EncodedString()
        #expect(try text(mine, "report.html").contains(encoded))
        #expect(!(try text(published, "report.html").contains(encoded)))
        let read = try JSONDecoder().decode(AuditReport.self, from: Data(try #require(published["report.json"])))
        #expect(read.provenance.map(\.name) == ["version", "data, SHA-256", "numerics"])
        #expect(read.releases.flatMap(\.attacks).allSatisfy { $0.memberScores.isEmpty && $0.heldOutScores.isEmpty })
        // Figures are sums over images: both show them.
        #expect(published["roc.png"] == mine["roc.png"])
        #expect(try text(published, "report.html").contains("<path"))
    }

    @Test func hostileNamesStayText() throws {
        let hostile = "<script>alert('x')</script>\" onload=\"x\u{0}\u{202E}&amp;]]>"
        let files = try files(.owner) { report in
            report.releases[0].name = hostile
            report.releases[0].defence = hostile
            report.releases[0].attacks[0].title = hostile
            report.releases[0].attacks[0].settings = [hostile: hostile]
            report.releases[0].attacks[0].warnings = [hostile]
            report.releases[0].quality?.extractor = hostile
            report.protocolNotes.append(hostile)
            report.provenance.append(.init(name: hostile, value: hostile))
        }
        let page = try text(files, "report.html")
        #expect(!page.contains("<script") && !page.contains("\" onload=\"") && !page.contains("\u{202E}"))
        #expect(
            page.contains(
                "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot; onload=&quot;x\u{FFFD}\u{FFFD}&amp;amp;]]&gt;"))
        let reader = PageReader()
        let parser = XMLParser(data: Data(page.utf8))
        parser.delegate = reader
        #expect(parser.parse(), "\(String(describing: parser.parserError)) in line \(parser.lineNumber)")
        #expect(!reader.elements.contains("script") && !reader.attributes.contains("onload"))
    }

    @Test func tablesAreQuotedAndHarmless() throws {
        let files = try files(.owner) { report in
            report.releases[0].name = "a,\"b\"\r\nc"
            report.releases[1].name = "=HYPERLINK(1)"
            report.releases[2].name = " -2+3"
            report.releases[0].attacks[0].optimisticAUC = nil
        }
        let rows = try CSVReader.rows(text(files, "attacks.csv"))
        #expect(rows.count == 1 + 8 * (5 + 6))
        #expect(rows.allSatisfy { $0.count == rows[0].count })
        #expect(rows[1][0] == "a,\"b\"\r\nc")
        #expect(rows[9][0] == "'=HYPERLINK(1)")
        #expect(rows[17][0] == "' -2+3")
        let auc = try #require(rows[0].firstIndex(of: "auc"))
        #expect(Double(rows[1][auc]) == (try Self.fixture.get()).releases[0].attacks[0].auc)
        #expect(rows[1][try #require(rows[0].firstIndex(of: "optimistic_auc"))] == "")
    }

    @Test func theTableHasAllOfTheQualityAndSaysWhatIsAPart() throws {
        let rows = try CSVReader.rows(
            text(files(.owner) { $0.releases[0].quality?.inceptionScore = nil }, "attacks.csv"))
        func values(_ release: String) throws -> [String: String] {
            let row = try #require(rows.first { $0[0] == release })
            return Dictionary(uniqueKeysWithValues: zip(rows[0], row))
        }
        let (none, dual, part) = (
            try values("study-none"), try values("study-dualmd"), try values("study-dualmd teacher-0, own part")
        )
        let expected = [
            "extractor": "classifier-28x28x1:5f0c7e2a91b3d644", "frechet_distance": "5.61",
            "frechet_distance_floor": "1.21", "inception_score": "7.6", "precision": "0.79", "recall": "0.66",
            "extracted_fraction": "0.052", "median_distance_to_members": "17.1", "median_distance_to_held_out": "20.9",
            "samples": "500", "compared_images": "500", "part_of": "",
        ]
        for (name, value) in expected { #expect(dual[name] == value, "\(name)") }
        #expect(none["inception_score"] == "" && none["samples"] == "500")
        #expect(part["part_of"] == "study-dualmd" && part["samples"] == "")
    }

    @Test func theCurveIsTheScores() throws {
        let files = try files(.owner) { report in
            report.releases = [report.releases[0]]
            report.releases[0].attacks = [report.releases[0].attacks[0]]
            report.releases[0].attacks[0].memberScores = [1, 2, 2, 3]
            report.releases[0].attacks[0].heldOutScores = [-1, 0, 2, 2, 5]
        }
        // scikit-learn 1.9: roc_curve(..., drop_intermediate=False).
        let rows = try CSVReader.rows(text(files, "roc.csv")).dropFirst().map { $0.suffix(3).map { Double($0) } }
        #expect(
            rows == [
                [0, 0, nil], [0.2, 0, 5], [0.2, 0.25, 3], [0.6, 0.75, 2], [0.6, 1, 1], [0.8, 1, 0], [1, 1, -1],
            ])
    }

    @Test func theJSONReadsBack() throws {
        let files = try files(.owner)
        let read = try AuditReport(reading: Data(try #require(files["report.json"])))
        #expect(read == (try Self.fixture.get()))
    }

    @Test func equalReportsMakeEqualFiles() throws {
        #expect(try files(.owner) == files(.owner))
    }

    @Test func aReportOfNothingIsStillAPage() throws {
        let empty = AuditReport(
            protocolNotes: [], provenance: [],
            releases: [ReleaseAudit(name: "a", defence: "none", parts: 1, quality: nil, attacks: [])])
        for report in [empty, AuditReport(protocolNotes: [], provenance: [], releases: [])] {
            for audience in AuditReportWriter.Audience.allCases {
                let files = try AuditReportWriter(report, audience: audience).files()
                #expect(files.map(\.name) == ["report.html", "report.json", "attacks.csv", "roc.csv"])
                let page = try #require(files.first)
                let parser = XMLParser(data: Data(page.bytes))
                #expect(parser.parse(), "\(String(describing: parser.parserError)) in line \(parser.lineNumber)")
            }
        }
    }
}

@Suite struct VerdictTests {
    private func release(
        auc: Double, _ interval: [Double], rate: [Double] = [0.005, 0.02], extracted: Double = 0.01
    ) throws -> ReleaseAudit {
        var release = try ReportFixture.report(names: ["a"], count: 20).releases[0]
        release.attacks = Array(release.attacks.prefix(2))
        for index in release.attacks.indices {
            release.attacks[index].auc = index == 0 ? auc : 0.5
            release.attacks[index].aucInterval = index == 0 ? interval : [0.47, 0.53]
            release.attacks[index].tprAt1FPR = rate.reduce(0, +) / 2
            release.attacks[index].tprAt1FPRInterval = rate
        }
        release.quality?.extractedFraction = extracted
        return release
    }

    @Test func aWorkingAttackForbidsTheRelease() throws {
        let verdict = Verdict(try release(auc: 0.91, [0.89, 0.93]))
        #expect(verdict.level == .doNotRelease)
        #expect(
            verdict.sentence
                == "Do not release a: the strongest of 2 attacks, PIA (arXiv 2305.18355), tells its members "
                + "from others with AUC 0.91 (0.89–0.93).")
    }

    /// scipy 1.17: 0.66 - 0.055 * norm.isf(0.025 / n) / norm.isf(0.025) is 0.605 for one attack, 0.597 for two.
    @Test func ofManyAttacksOneMustBeClearerToForbidIt() throws {
        var release = try release(auc: 0.66, [0.605, 0.715])
        #expect(Verdict(release).level == .weigh)
        release.attacks = Array(release.attacks.prefix(1))
        #expect(Verdict(release).level == .doNotRelease)
        // 0.08 - 0.028 * 1.1436 is 0.048.
        #expect(Verdict(try self.release(auc: 0.52, [0.49, 0.55], rate: [0.052, 0.108])).level == .weigh)
    }

    @Test func fewSureHitsForbidItToo() throws {
        let verdict = Verdict(try release(auc: 0.52, [0.49, 0.55], rate: [0.08, 0.12]))
        #expect(verdict.level == .doNotRelease)
        #expect(verdict.sentence.contains("finds 10\u{A0}% of them (8–12\u{A0}%) at 1\u{A0}% false alarms"))
    }

    @Test func copiesForbidItToo() throws {
        let verdict = Verdict(try release(auc: 0.5, [0.47, 0.53], extracted: 0.3))
        #expect(verdict.level == .doNotRelease)
        #expect(verdict.sentence.contains("30\u{A0}% of its samples"))
    }

    @Test func aWeakSignIsWeighed() throws {
        #expect(Verdict(try release(auc: 0.55, [0.52, 0.58])).level == .weigh)
        #expect(Verdict(try release(auc: 0.61, [0.58, 0.64])).level == .weigh)
        // A score that ranks members last tells as much as one that ranks them first.
        #expect(Verdict(try release(auc: 0.45, [0.42, 0.48])).level == .weigh)
        #expect(Verdict(try release(auc: 0.09, [0.07, 0.11])).level == .doNotRelease)
    }

    /// scipy 1.17: norm.isf(0.025 / n) / norm.isf(0.025).
    @Test(arguments: [(1, 1.0), (2, 1.143_593_834_011_667_4), (20, 1.542_549_487_432_870_5)])
    func manyAttacksNeedAWiderInterval(
        _ test: (Int, Double)
    ) throws {
        #expect(abs(Verdict.widening(of: test.0) - test.1) < 1e-9)
    }

    @Test func oneOfManyAttacksBesideGuessingIsChance() throws {
        var release = try release(auc: 0.54, [0.505, 0.575])
        #expect(Verdict(release).level == .noSign)
        release.attacks = Array(release.attacks.prefix(1))
        #expect(Verdict(release).level == .weigh)
    }

    @Test func setsAreWeighedAndNeverTheStrongestAttack() throws {
        var release = try release(auc: 0.51, [0.48, 0.54])
        release.attacks[1].name = "set-level"
        release.attacks[1].auc = 0.9
        release.attacks[1].aucInterval = [0.8, 0.98]
        let verdict = Verdict(release)
        #expect(verdict.level == .weigh)
        #expect(verdict.sentence.contains("sets of images are told from others with AUC 0.90 (0.80–0.98)"))
        #expect(Verdict.strongest(of: release)?.name == "pia")
    }

    @Test func noSignNeedsEnoughImages() throws {
        let none = Verdict(try release(auc: 0.51, [0.48, 0.54]))
        #expect(none.level == .noSign)
        #expect(none.sentence.contains("none of 2 attacks did better than guessing, their number allowed for"))
        let few = Verdict(try release(auc: 0.55, [0.40, 0.70]))
        #expect(few.level == .cannotTell)
        #expect(few.sentence.contains("do not exclude an AUC of 0.70"))
    }

    @Test func withoutAttacksNothingIsKnown() {
        let verdict = Verdict(ReleaseAudit(name: "a", defence: "none", parts: 1, quality: nil, attacks: []))
        #expect(verdict.level == .cannotTell)
        #expect(verdict.sentence.contains("was not attacked"))
    }

    /// statsmodels 0.15: proportion_confint(count, n, method="wilson").
    @Test(arguments: [
        (0.0, 10, 0.0, 0.277_532_799_862_889_3), (0.5, 10, 0.236_593_090_512_564, 0.763_406_909_487_436),
        (1.0, 500, 0.992_375_659_538_447_9, 1.0),
    ]) func shareIntervalsAreWilsons(_ test: (Double, Int, Double, Double)) {
        let interval = Verdict.interval(share: test.0, of: test.1)
        #expect(abs(interval[0] - test.2) < 1e-9 && abs(interval[1] - test.3) < 1e-9, "\(interval)")
    }
}

/// What a page is made of.
private final class PageReader: NSObject, XMLParserDelegate {
    var elements: Set<String> = []
    var attributes: Set<String> = []
    /// Everything that a browser would load or follow.
    var links: [String] = []
    /// Images without words, headings of tables that say of nothing what they head, tables without caption.
    var problems: [String] = []
    private var hasCaption = true

    func parser(
        _ parser: XMLParser, didStartElement element: String, namespaceURI: String?, qualifiedName: String?,
        attributes values: [String: String]
    ) {
        elements.insert(element)
        attributes.formUnion(values.keys)
        for name in ["src", "href", "xlink:href", "srcset", "poster", "data", "action"] {
            if let link = values[name] { links.append(link) }
        }
        switch element {
        case "img" where values["alt"]?.isEmpty ?? true: problems.append("an image without alt text")
        case "svg" where values["role"] != "img" || values["aria-label"]?.isEmpty ?? true:
            problems.append("a drawing without a label")
        case "th" where values["scope"] == nil: problems.append("a heading without scope")
        case "table": hasCaption = false
        case "caption": hasCaption = true
        default: break
        }
    }

    func parser(_ parser: XMLParser, didEndElement element: String, namespaceURI: String?, qualifiedName: String?) {
        if element == "table" && !hasCaption { problems.append("a table without caption") }
    }
}

/// RFC 4180, read strictly.
private enum CSVReader {
    struct Wrong: Error {}

    static func rows(_ text: String) throws -> [[String]] {
        var (rows, row, cell, isQuoted): ([[String]], [String], [UInt8], Bool) = ([], [], [], false)
        let bytes = Array(text.utf8)
        var index = 0
        func end() { row.append(String(decoding: cell, as: UTF8.self)); cell = [] }
        while index < bytes.count {
            let byte = bytes[index]
            if isQuoted {
                if byte == 0x22 && index + 1 < bytes.count && bytes[index + 1] == 0x22 {
                    cell.append(byte); index += 1
                } else if byte == 0x22 {
                    isQuoted = false
                } else {
                    cell.append(byte)
                }
            } else if byte == 0x22 {
                guard cell.isEmpty else { throw Wrong() }
                isQuoted = true
            } else if byte == 0x2C {
                end()
            } else if byte == 0x0D {
                guard index + 1 < bytes.count, bytes[index + 1] == 0x0A else { throw Wrong() }
                index += 1
                end()
                rows.append(row)
                row = []
            } else if byte == 0x0A {
                throw Wrong()
            } else {
                cell.append(byte)
            }
            index += 1
        }
        guard row.isEmpty && cell.isEmpty && !isQuoted else { throw Wrong() }
        return rows
    }
}
