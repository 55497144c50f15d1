import Datasets
import Foundation

/// The page: one file that loads nothing and runs nothing.
struct ReportPage {
    let report: AuditReport
    /// The report with its scores, for figures alone.
    let drawn: AuditReport
    let pairs: [NearestPairs]
    let audience: AuditReportWriter.Audience

    init(_ report: AuditReport, drawn: AuditReport, pairs: [NearestPairs], audience: AuditReportWriter.Audience) {
        self.report = report
        self.drawn = drawn
        self.pairs = pairs
        self.audience = audience
    }

    /// What is released, without the parts of its audit.
    var releases: [ReleaseAudit] { report.released.map(\.release) }

    /// The whole page.
    func html() throws -> HTML {
        let names = FigureText.list(releases.map(\.name))
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8"/>
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"/>
            <meta name="viewport" content="width=device-width, initial-scale=1"/>
            <meta name="color-scheme" content="light dark"/>
            <title>Privacy audit of \(names)</title>
            <style>\(ReportStyle.sheet)</style>
            </head>
            <body>
            <header>
            <p class="kicker">Privacy audit\(audience == .owner ? " · private: shows training images and scores, not to be passed on" : "")</p>
            <h1>\(headline)</h1>
            \(verdicts)
            </header>
            <main>
            \(comparison)
            \(guide)
            \(rates)
            \(scores)
            \(attacks)
            \(parts)
            \(try nearest())
            \(origin)
            </main>
            </body>
            </html>

            """
    }

    // MARK: Verdict

    /// The verdict on all releases in one sentence.
    var headline: String {
        let verdicts = releases.map { (name: $0.name, verdict: Verdict($0)) }
        guard verdicts.count != 1 else { return verdicts[0].verdict.sentence }
        func all(_ level: Verdict.Level) -> [String] { verdicts.filter { $0.verdict.level == level }.map(\.name) }
        func named(_ level: Verdict.Level) -> String? { all(level).isEmpty ? nil : FigureText.list(all(level)) }
        let whose = all(.weigh).count == 1 ? "its" : "their"
        let parts = [
            named(.doNotRelease).map { "do not release \($0)" },
            named(.weigh).map { "\($0) betrayed a little about \(whose) members" },
            named(.cannotTell).map { "of \($0) nothing can be said" },
            named(.noSign).map { "no sign of members was found in \($0)" },
        ].compactMap { $0 }
        guard let first = parts.first else { return "No release was audited." }
        let sentence = ([first.prefix(1).uppercased() + first.dropFirst()] + parts.dropFirst()).joined(separator: "; ")
        return sentence + "."
    }

    private var verdicts: HTML {
        guard releases.count > 1 else { return .none }
        let items = releases.map { release -> HTML in
            "<li>\(Verdict(release).sentence)</li>\n"
        }
        return "<ul class=\"verdicts\">\n\(items)</ul>"
    }

    // MARK: Reading

    private var guide: HTML {
        """
        <section>
        <h2>How to read this</h2>
        <dl class="guide">
        <dt>The question</dt><dd>Can somebody who holds the release find out whether a given image was among those it was \
        trained on? Each attack below is a published way to try. It saw members (trained on) and held-out images (seen by \
        no audited model), and had to tell them apart.</dd>
        <dt>AUC</dt><dd>The chance that the attack ranks a random member above a random other image: 0.50 is guessing, 1.00 \
        is certainty.</dd>
        <dt>TPR at 1\u{A0}% FPR</dt><dd>The share of members found by an attacker who wants to be sure and accuses only 1\u{A0}% of the \
        others wrongly: 1\u{A0}% is guessing. A low AUC does not excuse a high value here; some people are then betrayed.</dd>
        <dt>Intervals</dt><dd>All in brackets hold with 95\u{A0}% confidence. Where they overlap, a difference may be chance.</dd>
        <dt>Quality</dt><dd>A model that protects by drawing badly is of no use. The Fréchet distance compares samples with \
        held-out images: smaller is better, and its floor is what real images reach. Precision is the share of samples that \
        look real, recall the share of reality that the samples cover.</dd>
        <dt>Extracted</dt><dd>The share of samples nearer to a training image than 99\u{A0}% of held-out images are, as a share of \
        the distance to their 50 nearest: about 1\u{A0}% without memory.</dd>
        <dt>The verdict</dt><dd><i>Do not release</i>: an AUC above \(FigureText.decimal(Verdict.clearAUC, 2)), or more than \
        \(FigureText.bound(Verdict.clearShare)) of members found at 1\u{A0}% FPR, or more than \
        \(FigureText.bound(Verdict.clearShare)) of samples extracted, each with its whole interval. <i>Weigh</i>: one of these \
        lies above guessing with its whole interval (extraction: above \(FigureText.bound(Verdict.suspectExtraction))), or sets \
        of images can be told apart. An AUC or a rate is the greatest of those of many attacks: for both rules its interval is \
        widened by as much as their number demands (Bonferroni's rule). <i>Cannot tell</i>: none does, but some attack's \
        interval reaches above an AUC of \(FigureText.decimal(Verdict.clearAUC, 2)). <i>No sign found</i>: neither. \
        That is no proof: a better attack than those tried here may exist.</dd>
        </dl>
        </section>
        """
    }

    // MARK: Figures

    private var rates: HTML {
        let releases = drawn.released.map(\.release).filter(\.isDrawable)
        guard !releases.isEmpty else { return .none }
        let overview: HTML =
            releases.count < 2
            ? .none
            : """
            <figure><figcaption>Strongest attack on each release</figcaption>\
            \(ROCFigure.overview(releases).svg("ROC curves of the strongest attack on each release; the figures are in the tables"))\
            </figure>
            """
        return """
            <section>
            <h2>How many members an attacker finds</h2>
            <div class="lead"><div>
            <p>Each line is an attack: how many members it finds (upwards) against how many others it takes for members (to the \
            right). The dotted diagonal is guessing; the further a line runs above it at the left, the more surely some \
            members are betrayed. Both axes are logarithmic and start at one false positive. Bars mark 95\u{A0}% intervals. The \
            key below a figure names its strongest attacks with their AUC, the strongest drawn heavy; the others are the \
            thin lines behind.</p>
            </div>\(overview)</div>
            <div class="panels">\(releases.map(panel))</div>
            </section>
            """
    }

    /// The ROC curves of all attacks on a release or a part of its audit.
    func panel(_ release: ReleaseAudit) -> HTML {
        """
        <figure><figcaption>\(release.name), \(release.attacksOnImages.count) attacks</figcaption>\
        \(ROCFigure.panel(release).svg("ROC curves of all attacks on \(release.name); the figures are in the tables"))\
        </figure>

        """
    }

    private var scores: HTML {
        let figures = drawn.released.map(\.release).compactMap { release -> HTML? in
            guard let drawing = ScoreFigure.drawing(release), let attack = Verdict.strongest(of: release) else {
                return nil
            }
            return """
                <figure><figcaption>\(release.name): \(FigureText.short(attack.title))</figcaption>\
                \(drawing.svg("Histogram of the scores of members and held-out images on \(release.name)"))</figure>
                """
        }
        guard !figures.isEmpty else { return .none }
        return """
            <section>
            <h2>What the strongest attack sees</h2>
            <p>Scores of held-out images as bars, of members as a line. Where the two have one shape, there is nothing to \
            tell them apart by.</p>
            <div class="panels">\(figures)</div>
            </section>
            """
    }

    private func nearest() throws -> HTML {
        guard !pairs.isEmpty else { return .none }
        let groups = try pairs.map { pairs -> HTML in
            let items = try pairs.distances.indices.map { index -> HTML in
                """
                <figure class="pair"><img src="\(try Self.uri(pairs.samples, index))" alt="sample \(index + 1)"/>\
                <img src="\(try Self.uri(pairs.members, index))" alt="the training image nearest to sample \(index + 1)"/>\
                <figcaption>\(FigureText.decimal(pairs.distances[index], 1))</figcaption></figure>
                """
            }
            return "<h3>\(pairs.release)</h3>\n<div class=\"pairs\">\(items)</div>\n"
        }
        return """
            <section>
            <h2>Samples beside their nearest training images</h2>
            <p>The most suspicious samples of each release: on the left the sample, on the right the training image nearest to \
            it, below their root mean square difference in grey levels of 255. A copy would show the same image twice. These \
            are private images.</p>
            \(groups)
            </section>
            """
    }

    private static func uri(_ images: ImageSet, _ index: Int) throws -> String {
        "data:image/png;base64," + Data(try PNG.encoded(images, index: index)).base64EncodedString()
    }

    // MARK: Where it comes from

    private var origin: HTML {
        let command = report.provenance.first { $0.name == "command" }
        let notes = report.protocolNotes.map { note -> HTML in "<li>\(note)</li>\n" }
        let entries = report.provenance.filter { $0.name != "command" }.map { entry -> HTML in
            "<tr><th scope=\"row\">\(entry.name)</th><td><code>\(entry.value)</code></td></tr>\n"
        }
        let again: HTML =
            command.map { command -> HTML in
                let place: HTML =
                    audience == .owner
                    ? "Type this in the folder where the audit was started, which the provenance names:"
                    : "Put the owner's paths where words are in capitals:"
                return "<p>\(place)</p>\n<pre><code>\(command.value)</code></pre>"
            } ?? "<p>Ask the owner of the release for its private report, which holds the command.</p>"
        return """
            <section>
            <h2>Protocol</h2>
            <ul>\(notes)</ul>
            </section>
            <section>
            <h2>Provenance</h2>
            <div class="scroll" role="region" aria-label="Provenance" tabindex="0"><table class="plain">
            <caption>What made this report</caption>
            <tbody>\(entries.isEmpty ? ["<tr><td>nothing that may be told</td></tr>"] : entries)</tbody></table></div>
            </section>
            <section>
            <h2>How to repeat it</h2>
            \(again)
            <p>An audit is a function of the runs, the data and the program's version: the same command gives the same \
            figures on any number of ranks. All figures are in <code>report.json</code>, the attacks in \
            <code>attacks.csv</code>, the curves in <code>roc.csv</code>.</p>
            </section>
            """
    }
}
