import Coordinator
import Foundation
import Jobs
import Testing

@Suite struct ProgressTests {
    private let models = [
        ModelProgress(
            phase: .teach, model: "teacher-0", step: 1240, totalSteps: 2000, loss: 0.03124, imagesPerSecond: 35.14,
            secondsLeft: 200),
        ModelProgress(
            phase: .teach, model: "teacher-1", step: 1239, totalSteps: 2000, loss: nil, imagesPerSecond: 0,
            secondsLeft: nil),
    ]

    private func bars(_ width: Int, colour: Bool = false, unicode: Bool = false) -> [String] {
        ProgressRenderer(style: .init(hasColour: colour, hasUnicode: unicode)).bars(models, width: width)
    }

    @Test func oneLineForEachModelAtEveryWidth() {
        for width in 1...220 {
            let lines = bars(width)
            #expect(lines.count == 2)
            for line in lines { #expect(line.count <= max(1, width - 1), "\(width): \(line)") }
        }
    }

    @Test func whatMattersLeastGoesFirst() {
        #expect(bars(20)[0] == "teacher-0   62 %")
        #expect(bars(40)[0] == "teacher-0   62 %  3 min 20 s left")
        #expect(
            bars(80)[0] == "teacher-0   62 %  1240/2000  loss 0.0312  35.1 images/s  3 min 20 s left")
        let wide = bars(200)[0]
        #expect(wide.hasPrefix("teacher-0  [" + String(repeating: "#", count: 22)))
        #expect(wide.hasSuffix("]   62 %  1240/2000  loss 0.0312  35.1 images/s  3 min 20 s left"))
    }

    @Test func coloursTakeNoRoom() {
        for width in [20, 40, 80, 120, 200] {
            for (plain, coloured) in zip(bars(width), bars(width, colour: true)) {
                #expect(coloured.replacing(/\u{1B}\[[0-9]*m/, with: "") == plain)
            }
        }
        #expect(bars(200, colour: true)[0].contains("\u{1B}[32m"))
        #expect(!bars(200).joined().contains("\u{1B}"))
        #expect(bars(200, unicode: true)[0].contains("█"))
    }

    @Test func terminalsAreTakenForWhatTheyAre() {
        func style(_ environment: [String: String], terminal: Bool = true) -> ProgressRenderer.Style? {
            Terminal.style(isTerminal: terminal, environment: environment)
        }
        #expect(style(["TERM": "dumb"]) == nil)
        #expect(style([:]) == nil)
        #expect(style(["TERM": "xterm"], terminal: false) == nil)
        #expect(style(["TERM": "xterm"]) == .init(hasColour: true, hasUnicode: false))
        #expect(style(["TERM": "xterm", "NO_COLOR": "1", "LANG": "en_GB.UTF-8"]) == .init(hasUnicode: true))
        #expect(style(["TERM": "xterm", "NO_COLOR": ""])?.hasColour == true)
        #expect(style(["TERM": "xterm", "LC_ALL": "C", "LANG": "en_GB.UTF-8"])?.hasUnicode == false)
    }

    private func beat(_ rank: Int, _ model: String, step: Int, rate: Double = 32) -> Heartbeat {
        Heartbeat(
            rank: rank, phase: .teach, model: model, step: step, totalSteps: 10, loss: 1, imagesPerSecond: rate)
    }

    private func job() throws -> Job { try Job.decode(FakeCluster.job, file: "job.yaml") }

    @Test func modelsAreWhatTheirLowestRankSays() throws {
        let beats = [
            beat(0, "teacher-0", step: 4), beat(1, "teacher-0", step: 5), beat(2, "teacher-1", step: 6, rate: 0),
            beat(3, "", step: 0),
        ]
        let models = ModelProgress.all(from: beats, job: try job())
        #expect(models.map(\.model) == ["teacher-0", "teacher-1"])
        #expect(models.map(\.step) == [4, 6])
        // Six steps of eight images at 32 images a second.
        #expect(models.map(\.secondsLeft) == [1.5, nil])
    }

    /// Fails when a rate is taken that makes times infinite or numbers of steps overflow.
    @Test(arguments: [(12, 2, 6), (1e-300, 2, nil), (1.7e308, 2, nil), (12, Int.max, nil)] as [(Double, Int, Double?)])
    func ratesThatNoMachineReachesAreNotTaken(rate: Double, ranks: Int, expected: Double?) throws {
        let folder = NSTemporaryDirectory() + "rates-\(UUID())"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let directory = RunDirectory(folder)
        try directory.create()
        try Outcome(
            exit: .done,
            phases: [.init(name: .teach, steps: 1, seconds: 1, imagesPerSecond: rate, finalLoss: [:])]
        ).write(to: directory)
        try EventLog(path: directory.events, rank: nil).append(.launched, ["ranks": .integer(ranks)])
        #expect(Plan.measuredRate(.teach, directory) == expected)
        #expect(Plan.measuredRate(.distill, directory) == nil)
    }

    @Test func filesGetALineEveryHalfMinute() throws {
        var written = ""
        var now = 0.0
        let lines = ProgressLines(clock: { now }, write: { written += $0 })
        for second in 0..<65 {
            now = Double(second)
            lines.update([beat(0, "teacher-0", step: second / 10)], job: try job())
        }
        #expect(written.split(separator: "\n").count == 3)
        lines.finish()
        let last = try #require(written.split(separator: "\n").last)
        #expect(last == "teach teacher-0 6/10 (60 %), loss 1.00, 32.0 images/s, 1 s left")
        #expect(!written.contains("\u{1B}"))
    }

    @Test func barsAreDrawnOverThemselves() throws {
        var written: [String] = []
        let bars = ProgressBars(renderer: .init(style: .init()), width: { 80 }, write: { written.append($0) })
        bars.update([beat(0, "teacher-0", step: 1), beat(1, "teacher-1", step: 1)], job: try job())
        bars.update([beat(0, "teacher-0", step: 2), beat(1, "teacher-1", step: 2)], job: try job())
        bars.say("note")
        #expect(written[0].filter { $0 == "\n" }.count == 2)
        #expect(!written[0].contains("\u{1B}"))
        #expect(written[1].hasPrefix("\u{1B}[2A\r\u{1B}[J"))
        #expect(written[2].hasSuffix("note\n"))
    }

    @Test func hostileNamesCannotWriteToTheTerminal() {
        var model = models[0]
        model.model = "a\u{1B}[2Jb"
        let line = ProgressRenderer(style: .init()).bars([model], width: 200)[0]
        #expect(!line.contains("\u{1B}"))
    }

    @Test func phasesWithoutStepsHaveNoPercentage() {
        let split = ModelProgress(
            phase: .split, model: "", step: 0, totalSteps: 0, loss: nil, imagesPerSecond: 0, secondsLeft: nil)
        let renderer = ProgressRenderer(style: .init())
        #expect(renderer.bars([split], width: 80) == ["split"])
        #expect(renderer.line([split]) == "split")
    }

    @Test func spansAndNumbersAreShort() {
        #expect(ProgressRenderer.duration(0.4) == "0 s")
        #expect(ProgressRenderer.duration(59.6) == "1 min 0 s")
        #expect(ProgressRenderer.duration(3_725) == "1 h 2 min")
        #expect(ProgressRenderer.duration(190_000) == "2 d 4 h")
        #expect(ProgressRenderer.duration(.infinity) == "more than 100 years")
        #expect(["0.0312", "1.50", "35.1", "857"] == [0.03124, 1.5, 35.14, 857.4].map(ProgressRenderer.digits))
    }
}
