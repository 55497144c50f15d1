/// How the page looks: ink on paper, one blue, no frames; the same in print, and light on dark where the reader likes it.
enum ReportStyle {
    /// The style sheet.
    static let sheet: HTML = """
        :root { color-scheme: light dark; --paper: #fff; --ink: #1a1a1a; --soft: #595959; --context: #9a9a9a; --area: #d9d9d9;
          --rule: #c8c8c8; --accent: #0054a6; }
        @media (prefers-color-scheme: dark) { :root { --paper: #16181b; --ink: #e8e8e6; --soft: #a9adb2; --context: #74797f;
          --area: #3b4046; --rule: #4a4f55; --accent: #7cb9f5; } }
        * { box-sizing: border-box; }
        html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
        body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 74rem; background: var(--paper); color: var(--ink);
          font: 1rem/1.5 Charter, "Bitstream Charter", Georgia, "Liberation Serif", serif; overflow-wrap: break-word; }
        h1 { font-size: clamp(1.35rem, 1rem + 1.8vw, 2rem); line-height: 1.25; font-weight: 600; margin: .2rem 0 1rem;
          max-width: 44rem; text-wrap: pretty; }
        h2 { font-size: 1.2rem; font-weight: 600; margin: 2.6rem 0 .5rem; padding-top: .6rem; border-top: 1px solid var(--ink); }
        h3 { font-size: 1rem; font-weight: 600; margin: 1.2rem 0 .4rem; }
        p, ul, dl { max-width: 44rem; margin: .5rem 0; }
        ul { padding-left: 1.2rem; }
        .kicker { color: var(--soft); margin: 0; }
        .note, small, figcaption, caption { color: var(--soft); }
        .note { font-size: .9rem; }
        .verdicts { list-style: none; padding: 0; }
        .verdicts li { margin: .5rem 0; padding-left: .8rem; border-left: 1px solid var(--rule); }
        .lead { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; align-items: flex-start; }
        .lead > div { flex: 1 1 20rem; max-width: 34rem; }
        .lead > figure { flex: 1 1 20rem; }
        .guide { display: grid; grid-template-columns: minmax(6rem, 9rem) 1fr; gap: .35rem 1rem; max-width: 50rem; }
        .guide dt { font-weight: 600; }
        .guide dd { margin: 0; }
        .scroll { overflow-x: auto; margin: .8rem 0; }
        table { border-collapse: collapse; font-variant-numeric: lining-nums tabular-nums; font-size: .95rem; line-height: 1.35; }
        caption { text-align: left; padding: .2rem 0 .5rem; }
        caption > * { display: block; font-weight: 400; }
        .attacks caption { color: var(--ink); font-weight: 600; }
        th, td { padding: .28rem 1.1rem .28rem 0; vertical-align: baseline; text-align: right; }
        th { font-weight: 400; }
        th[scope="row"], th[scope="rowgroup"], thead th:first-child, .word { text-align: left; }
        thead th { border-bottom: 1px solid var(--ink); vertical-align: bottom; font-weight: 600; }
        thead td { border-bottom: 1px solid var(--ink); }
        thead small, small.line { display: block; font-weight: 400; }
        tbody tr:last-child > * { border-bottom: 1px solid var(--rule); }
        .group th { font-weight: 600; padding-top: .9rem; }
        td { white-space: nowrap; }
        .attacks th[scope="row"] { min-width: 9rem; }
        .compare th[scope="row"] { white-space: nowrap; }
        /* Intervals hang to the right, so that the figures before them stand in line. */
        .compare th[scope="col"], .compare td { padding-right: 6.6rem; }
        .interval { display: inline-block; width: 5.9rem; margin-right: -5.9rem; padding-left: .5rem; text-align: left; }
        /* Many releases side by side: intervals below the figures, hints in lines of their own. */
        .many th[scope="col"], .many td { padding-right: .9rem; }
        .many .interval { display: block; width: auto; margin: 0; padding: 0; text-align: right; }
        .many th[scope="row"] { white-space: normal; min-width: 9.5rem; }
        .many th[scope="row"] small { display: block; }
        .attacks td:nth-child(4), .attacks td:nth-child(6) { padding-right: 4.6rem; }
        .attacks td:nth-child(7), .attacks td:nth-child(8) { padding-right: 5rem; }
        .attacks th[scope="col"] { white-space: nowrap; }
        .attacks th[scope="col"]:nth-child(2) { text-align: left; }
        .attacks th[scope="col"]:nth-child(4), .attacks th[scope="col"]:nth-child(6) { padding-right: 4.6rem; }
        .attacks th[scope="col"]:nth-child(n+7) { padding-right: 1.2rem; }
        .graph svg { display: block; }
        details { margin: .5rem 0; }
        summary { cursor: pointer; }
        .graph { padding-top: .38rem; padding-right: 1.4rem; vertical-align: top; }
        .scale { display: block; position: relative; width: 130px; height: 1.2em; color: var(--soft); font-weight: 400;
          font-size: .8rem; }
        .scale span { position: absolute; transform: translateX(-50%); left: 24.3px; }
        .scale span:nth-child(2) { left: 126px; }
        .plain td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
        code, pre { font: .85rem/1.45 ui-monospace, "DejaVu Sans Mono", monospace; }
        pre { white-space: pre-wrap; overflow-wrap: anywhere; border-left: 3px solid var(--rule); padding: .3rem .8rem; margin: .6rem 0; }
        figure { margin: 0; }
        .panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); gap: 1.6rem 2rem;
          margin: 1rem 0; }
        .panels figcaption, .lead figcaption { color: var(--ink); font-weight: 600; font-size: .95rem; }
        .panels svg, .lead svg { width: 100%; max-width: 24rem; height: auto; overflow: visible; }
        svg text { font-family: system-ui, "Helvetica Neue", "Liberation Sans", Arial, sans-serif;
          font-variant-numeric: lining-nums tabular-nums; }
        .l { fill: none; stroke-linejoin: round; }
        .l.accent { stroke: var(--accent); } .l.ink { stroke: var(--ink); } .l.context { stroke: var(--context); }
        .l.axis { stroke: var(--soft); } .l.area { stroke: var(--area); }
        .f.accent { fill: var(--accent); } .f.ink { fill: var(--ink); } .f.context { fill: var(--context); }
        .f.axis { fill: var(--soft); } .f.area { fill: var(--area); }
        .t { paint-order: stroke; stroke: var(--paper); stroke-width: 3px; stroke-linejoin: round; }
        .t.accent { fill: var(--accent); font-weight: 600; } .t.ink { fill: var(--ink); } .t.context { fill: var(--context); }
        .t.axis { fill: var(--soft); } .t.area { fill: var(--area); }
        .pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: .9rem; }
        .pair { display: grid; grid-template-columns: 1fr 1fr; gap: 2px; max-width: 9rem; }
        .pair img { width: 100%; image-rendering: pixelated; display: block; }
        .pair figcaption { grid-column: 1 / 3; font-size: .85rem; font-variant-numeric: tabular-nums; }
        @media (max-width: 34rem) {
          .guide { grid-template-columns: 1fr; gap: 0; }
          .guide dd { margin-bottom: .6rem; }
          .scroll { font-size: .9rem; }
          caption { max-width: calc(100vw - 2.5rem); }
          .compare th[scope="row"], .attacks th[scope="row"] { position: sticky; left: 0; background: var(--paper);
            white-space: normal; min-width: 7.6rem; max-width: 9.5rem; padding-right: .8rem; }
          .compare th[scope="col"], .compare td { padding-right: 1.1rem; }
          .compare .interval { display: block; width: auto; margin: 0; padding: 0; text-align: right; }
        }
        @media print {
          :root { --paper: #fff; --ink: #000; --soft: #444; --context: #888; --area: #d9d9d9; --rule: #999; --accent: #003c78; }
          @page { margin: 16mm; }
          html { font-size: 9.5pt; }
          body { max-width: none; padding: 0; }
          h2, h3, caption { break-after: avoid; }
          figure, tr, .attacks, .verdicts li, dl > * { break-inside: avoid; }
          .scroll { overflow: visible; }
          details { display: none; }
          table { font-size: .85rem; }
          th, td { padding-right: .7rem; }
          .panels { grid-template-columns: repeat(2, 1fr); }
          .f { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
        }
        """
}
