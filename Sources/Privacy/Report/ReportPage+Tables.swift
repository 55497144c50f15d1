// The tables: privacy beside quality for all releases, and every attack.
extension ReportPage {
    /// All releases side by side: a column each.
    var comparison: HTML {
        let headings = releases.map { release -> HTML in
            "<th scope=\"col\">\(release.name)<small>\(defence(release))</small></th>"
        }
        return """
            <section>
            <h2>Privacy beside quality</h2>
            <div class="scroll" role="region" aria-label="Privacy beside quality" tabindex="0">\
            <table class="compare\(releases.count > 3 ? " many" : "")">
            <caption>Each release against its strongest attack, and what its samples are worth. The strongest attack, its \
            AUC and the best rates are the greatest of all attacks tried, picked on the very images that they are of, and so \
            a little too great. In brackets, 95\u{A0}% intervals of the one attack; the verdict widens them for the number \
            of attacks.</caption>
            <thead><tr><td></td>\(headings)</tr></thead>
            <tbody>
            <tr class="group"><th scope="rowgroup" colspan="\(releases.count + 1)">Privacy</th></tr>
            \(privacyRows)
            </tbody>
            <tbody>
            <tr class="group"><th scope="rowgroup" colspan="\(releases.count + 1)">Quality</th></tr>
            \(qualityRows)
            </tbody></table></div>
            \(extractors)
            </section>
            """
    }

    private func defence(_ release: ReleaseAudit) -> String {
        switch release.defence {
        case "none": "undefended"
        case "dualmd": "DualMD, \(release.parts) parts"
        case "distillmd": "DistillMD, \(release.parts) parts"
        default: "\(release.defence), \(release.parts) parts"
        }
    }

    private var privacyRows: HTML {
        let strongest = releases.map { Verdict.strongest(of: $0) }
        let sampling = releases.map { Verdict.strongest(of: $0, reaching: .sampling) }
        func names(_ attacks: [AttackFigures?]) -> [HTML] {
            attacks.map { attack in attack.map { "\($0.name)" } ?? "–" }
        }
        func areas(_ attacks: [AttackFigures?]) -> [HTML] { attacks.map { attack in attack.map(area) ?? "–" } }
        let rows: [HTML] = [
            row("Verdict", releases.map { "<b>\(Verdict($0).level.title)</b>" }),
            row("Attacks tried", releases.map { "\($0.attacksOnImages.count)" }),
            row("Strongest attack", hint: "if the weights are handed out", names(strongest)),
            row("Its AUC", hint: "0.50 is guessing", areas(strongest)),
            row("Strongest through sampling only", hint: "if no weights are handed out", names(sampling)),
            row("Its AUC", hint: "0.50 is guessing", areas(sampling)),
            row("Best TPR at 1\u{A0}% FPR", hint: "1\u{A0}% is guessing", releases.map(bestAt1)),
            row("Best TPR at 0.1\u{A0}% FPR", hint: "0.1\u{A0}% is guessing", releases.map(bestAt01)),
        ]
        return "\(rows)"
    }

    private func area(_ attack: AttackFigures) -> HTML {
        figure(FigureText.decimal(attack.auc, 2), FigureText.interval(attack.aucInterval, 2))
    }

    private func rateAt1(_ attack: AttackFigures) -> HTML {
        figure(FigureText.percent(attack.tprAt1FPR, 1), FigureText.bareInterval(attack.tprAt1FPRInterval))
    }

    private func rateAt01(_ attack: AttackFigures) -> HTML {
        figure(FigureText.percent(attack.tprAt01FPR, 1), FigureText.bareInterval(attack.tprAt01FPRInterval))
    }

    private func bestAt1(_ release: ReleaseAudit) -> HTML {
        release.attacksOnImages.max { $0.tprAt1FPR < $1.tprAt1FPR }.map(rateAt1) ?? "–"
    }

    private func bestAt01(_ release: ReleaseAudit) -> HTML {
        release.attacksOnImages.max { $0.tprAt01FPR < $1.tprAt01FPR }.map(rateAt01) ?? "–"
    }

    private var qualityRows: HTML {
        func cells(_ value: (QualityFigures) -> HTML) -> [HTML] { releases.map { $0.quality.map(value) ?? "–" } }
        let rows: [HTML] = [
            row("Fréchet distance", hint: "smaller is better", cells { "\(FigureText.quantity($0.frechetDistance))" }),
            row("its floor", hint: "real images", cells { "\(FigureText.quantity($0.frechetDistanceFloor))" }),
            row(
                "Inception-style score", hint: "larger is better",
                cells { quality in
                    quality.inceptionScore.map { "\(FigureText.decimal($0, 2))" } ?? "–"
                }),
            row("Precision", hint: "samples that look real", cells { "\(FigureText.decimal($0.precision, 2))" }),
            row("Recall", hint: "reality covered", cells { "\(FigureText.decimal($0.recall, 2))" }),
            row(
                "Extracted samples", hint: "1\u{A0}% without memory",
                cells { quality in
                    let interval = Verdict.interval(share: quality.extractedFraction, of: quality.samples)
                    return figure(
                        FigureText.percent(quality.extractedFraction, 1), FigureText.bareInterval(interval))
                }),
            row(
                "Median distance to the nearest member",
                cells { "\(FigureText.decimal($0.medianDistanceToMembers, 1))" }),
            row("… of as many held-out images", cells { "\(FigureText.decimal($0.medianDistanceToHeldOut, 1))" }),
            row("Samples", cells { "\($0.samples)" }),
        ]
        return "\(rows)"
    }

    private func row(_ name: String, hint: String = "", _ cells: [HTML]) -> HTML {
        let note: HTML = hint.isEmpty ? .none : " <small>\(hint)</small>"
        let columns = cells.map { cell -> HTML in "<td>\(cell)</td>" }
        return "<tr><th scope=\"row\">\(name)\(note)</th>\(columns)</tr>\n"
    }

    /// A figure and, smaller, its interval.
    private func figure(_ value: String, _ interval: String) -> HTML {
        "\(value)<small class=\"interval\">(\(interval))</small>"
    }

    private var extractors: HTML {
        let names = Set(releases.compactMap { $0.quality?.extractor }).sorted()
        guard !names.isEmpty else { return .none }
        let differ: HTML =
            names.count < 2 ? .none : " <b>The extractors differ, so these figures do not compare between releases.</b>"
        let counts = Set(releases.compactMap { $0.quality?.comparedImages }).sorted().map(String.init)
        return """
            <p class="note">Fréchet distance, score, precision and recall are computed in the features of \
            \(FigureText.list(names)), the distance and its floor between \(FigureText.list(counts)) images on each side. The \
            features are not Inception's, so the distance is no FID and compares with none.\(differ) Distances to images are root mean \
            squares in grey levels of 255.</p>
            """
    }

    /// One table of attacks for each release.
    var attacks: HTML {
        let tables = releases.filter { !$0.attacks.isEmpty }.map(attackTable)
        guard !tables.isEmpty else { return .none }
        return """
            <section>
            <h2>Every attack</h2>
            <p>Strongest first. <i>Needs</i> is what the attacker must have: samples of the release, predictions of its \
            network, its weights, or the weights and other training images. <i>Evaluations</i> of the network are counted for \
            one image. Settings were chosen on images that do not count here; an optimistic AUC is the best over \
            all settings, chosen on the very images that it is reported for, as many papers do. The small drawings go from \
            0.4 to 1, with a line at guessing; an open arrow at their left end stands for an AUC further down, which tells as \
            much as one above a half, since a score can be turned round. ASR is the attack success rate, 0.50 for guessing.</p>
            \(tables)
            </section>
            """
    }

    /// All attacks on a release or a part of its audit.
    func attackTable(_ release: ReleaseAudit) -> HTML {
        """
        <div class="scroll" role="region" aria-label="Attacks on \(release.name)" tabindex="0"><table class="attacks">
        <caption>\(release.name), \(defence(release))<small>\(counts(release))</small></caption>
        <thead><tr><th scope="col">Attack</th><th scope="col">Needs</th><th scope="col">Evaluations</th>\
        \(figureHeadings)</tr></thead>
        <tbody>\(release.ranked.map(attackRow))</tbody></table></div>
        \(warnings(release))
        """
    }

    /// What stands over an attack's figures.
    var figureHeadings: HTML {
        """
        <th scope="col">AUC</th><th scope="col"><span class="scale"><span>0.5</span><span>1</span></span></th>\
        <th scope="col">ASR</th><th scope="col">TPR at 1\u{A0}% FPR</th><th scope="col">TPR at 0.1\u{A0}% FPR</th>
        """
    }

    /// On how many images the attacks were tried.
    func counts(_ release: ReleaseAudit) -> String {
        let attacks = release.attacksOnImages
        let counts = attacks.map { attack in
            "\(FigureText.count(attack.members)) members and \(FigureText.count(attack.heldOut)) held-out images"
        }
        let same = counts.allSatisfy { $0 == counts[0] }
        return same ? counts.first ?? "" : zip(attacks, counts).map { "\($0.0.name): \($0.1)" }.joined(separator: "; ")
    }

    private func attackRow(_ attack: AttackFigures) -> HTML {
        let settings = attack.settings.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        let optimistic = attack.optimisticAUC.map { "optimistic AUC \(FigureText.decimal($0, 2))" }
        let details = settings + (optimistic.map { [$0] } ?? [])
        return """
            <tr><th scope="row">\(attack.title)<small class="line">\(details.joined(separator: " · "))</small></th>\
            <td class="word">\(attack.access.title)</td><td>\(FigureText.quantity(attack.evaluationsPerImage))</td>\
            \(figures(attack))</tr>

            """
    }

    /// An attack's figures, as cells; the rates are the best of all attacks where a release is given.
    func figures(_ attack: AttackFigures, bestOf release: ReleaseAudit? = nil) -> HTML {
        """
        <td>\(area(attack))</td><td class="graph">\(whisker(attack))</td>\
        <td>\(figure(FigureText.decimal(attack.asr, 2), FigureText.interval(attack.asrInterval, 2)))</td>\
        <td>\(release.map(bestAt1) ?? rateAt1(attack))</td><td>\(release.map(bestAt01) ?? rateAt01(attack))</td>
        """
    }

    /// The AUC as a dot on its interval, between 0.4 and 1; a line marks guessing. An arrow stands for an AUC further down.
    private func whisker(_ attack: AttackFigures) -> HTML {
        let lowest = 0.4
        func x(_ auc: Double) -> Double { 4 + 122 * (min(max(auc, lowest), 1) - lowest) / (1 - lowest) }
        var drawing = Drawing(width: 130, height: 18)
        drawing.line(from: x(0.5), 0, to: x(0.5), 18, .context)
        if let low = attack.aucInterval.first, let high = attack.aucInterval.last {
            drawing.line(from: x(low), 9, to: x(high), 9, .ink, width: 1.5)
        }
        if attack.auc < lowest {
            drawing.line([Point(x: 8, y: 4), Point(x: 2, y: 9), Point(x: 8, y: 14)], .accent, width: 2)
        } else {
            drawing.elements.append(.dot(Point(x: x(attack.auc), y: 9), radius: 3.5, role: .accent))
        }
        return drawing.svg(
            "AUC \(FigureText.decimal(attack.auc, 2)), interval \(FigureText.interval(attack.aucInterval, 2))")
    }

    private func warnings(_ release: ReleaseAudit) -> HTML {
        var seen: [String] = []
        for attack in release.attacks {
            for warning in attack.warnings where !seen.contains(warning) { seen.append(warning) }
        }
        guard !seen.isEmpty else { return .none }
        let items = seen.map { warning -> HTML in
            let names = release.attacks.filter { $0.warnings.contains(warning) }.map(\.name)
            let who = names.count == release.attacks.count ? "all attacks" : FigureText.list(names)
            return "<li>\(who): \(warning)</li>"
        }
        return "<ul class=\"note\">\(items)</ul>"
    }
}
