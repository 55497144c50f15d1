// What was attacked beside the releases themselves: some of the members alone, with one of the models or with all in turn.
extension ReportPage {
    /// A section for each release whose audit has parts.
    var parts: HTML {
        let sections = zip(report.released, drawn.released).filter { !$0.0.parts.isEmpty }.map { shown, drawn in
            section(shown.release, shown.parts, drawn: drawn.parts)
        }
        return "\(sections)"
    }

    private func section(_ release: ReleaseAudit, _ parts: [ReleaseAudit], drawn: [ReleaseAudit]) -> HTML {
        let tables = parts.filter { !$0.attacks.isEmpty }.map { part -> HTML in
            "<details><summary>Every attack on \(part.name)</summary>\n\(attackTable(part))\n</details>\n"
        }
        return """
            <section>
            <h2>\(release.name): each \(release.parts == 2 ? "half" : "part") of its members, with each model and with their mix</h2>
            <p>None of this is what \(release.name) hands out. It is what an attacker finds who holds its models, and asks \
            one of them, or all in turn, about those members alone that one model was trained on, or about the others. To a \
            model, members that it was not trained on should look as held-out images do. These figures count neither in the \
            verdict nor in the tables above; each row shows the greatest of all attacks tried. The curves, and every attack, \
            are below; print has the table and the curves, and <code>attacks.csv</code> all figures.</p>
            <div class="scroll" role="region" aria-label="Parts of \(release.name)" tabindex="0"><table class="attacks">
            <caption>The strongest attack on each part, and the best rates</caption>
            <thead><tr><th scope="col">What was attacked</th><th scope="col">Strongest attack</th><th scope="col">Attacks</th>\
            \(figureHeadings)</tr></thead>
            <tbody>\(parts.map(partRow))</tbody></table></div>
            <div class="panels">\(drawn.filter(\.isDrawable).map(panel))</div>
            \(tables)
            </section>

            """
    }

    private func partRow(_ part: ReleaseAudit) -> HTML {
        let attack = Verdict.strongest(of: part)
        let cells: HTML =
            attack.map { figures($0, bestOf: part) } ?? "<td>–</td><td></td><td>–</td><td>–</td><td>–</td>"
        return """
            <tr><th scope="row">\(part.name)<small class="line">\(counts(part))</small></th>\
            <td class="word">\(attack?.name ?? "–")</td><td>\(part.attacksOnImages.count)</td>\
            \(cells)</tr>

            """
    }
}
