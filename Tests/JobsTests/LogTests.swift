import Checkpoints
import Foundation
import Jobs
import Synchronization
import Testing

@Suite struct LogTests {
    private func record(_ step: Int) -> StepRecord {
        StepRecord(step: step, loss: 1 / Double(step + 3), learningRate: 2e-6 * Double(step), gradientNorm: 1)
    }

    private func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    @Test func linesHaveAFixedForm() {
        let line = StepRecord(step: 3, loss: 0.1, learningRate: 2e-6, gradientNorm: 12).line
        #expect(line == #"{"step":3,"loss":0.1,"learning_rate":2e-06,"grad_norm":12.0}"# + "\n")
    }

    @Test func linesReadBackExactly() throws {
        for value in [0.1, 1.0 / 3, Double.leastNonzeroMagnitude, 1.7976931348623157e308, 123_456_789.123] {
            let record = StepRecord(step: 7, loss: value, learningRate: value, gradientNorm: value)
            #expect(StepRecord(line: record.line) == record)
        }
    }

    @Test func cutsBackToAStep() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/log"
            let log = try StepLog(path: path)
            for step in 0..<10 { try log.append(record(step)) }
            #expect(try log.cutBack(toStep: 6) == 6)
            #expect(try text(path) == (0..<6).map { record($0).line }.joined())
            for step in 6..<10 { try log.append(record(step)) }
            #expect(try text(path) == (0..<10).map { record($0).line }.joined())
            #expect(StepLog.last(path: path) == record(9))
            #expect(try log.cutBack(toStep: 10) == 10)
            #expect(try log.cutBack(toStep: 0) == 0)
            #expect(try text(path).isEmpty)
            #expect(StepLog.last(path: path) == nil)
        }
    }

    @Test func dropsTornLinesWhereverTheyAreTorn() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/log"
            let whole = (0..<3).map { record($0).line }.joined()
            let torn = record(3).line
            for length in 1..<torn.utf8.count {
                try (whole + torn.prefix(length)).write(toFile: path, atomically: false, encoding: .utf8)
                #expect(StepLog.last(path: path) == record(2))
                #expect(try StepLog(path: path).cutBack(toStep: 8) == 3)
                #expect(try text(path) == whole)
            }
        }
    }

    @Test func stopsAtForeignAndMissingLines() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/log"
            for bad in ["garbage\n", "\0\0\0\0\n", record(5).line, record(0).line, "{}\n"] {
                try (record(0).line + record(1).line + bad + record(2).line)
                    .write(toFile: path, atomically: false, encoding: .utf8)
                #expect(try StepLog(path: path).cutBack(toStep: 4) == 2)
                #expect(try text(path) == record(0).line + record(1).line)
            }
        }
    }

    /// Fails when lines behind a gap, which once were lost, are lost again with every resume.
    @Test func linesBehindAGapStay() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/log"
            let lines = [0, 1, 4, 5, 6, 7].map { record($0).line }
            try lines.joined().write(toFile: path, atomically: false, encoding: .utf8)
            #expect(try StepLog(path: path).cutBack(toStep: 7) == 5)
            #expect(try text(path) == lines.dropLast().joined())
        }
    }

    /// Fails when a piece of the file ends the search, or a line that lies in two of them is dropped.
    @Test func longLogsAreReadInPieces() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/log"
            let lines = (0..<30_000).map { record($0).line }
            try lines.joined().write(toFile: path, atomically: false, encoding: .utf8)
            let log = try StepLog(path: path)
            #expect(try log.cutBack(toStep: 40_000) == 30_000)
            #expect(try log.cutBack(toStep: 29_000) == 29_000)
            #expect(try text(path) == lines.prefix(29_000).joined())
        }
    }

    /// A medium that fails to take pages reports it once, and the kernel then takes them for written.
    ///
    /// Fails when lines that were lost so are not written again, or are written twice.
    @Test func linesThatTheMediumHasLostAreWrittenAgain() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/log"
            let fails = Atomic<Bool>(false)
            let whole = record(0).line.utf8.count
            var calls = SystemCalls.real
            calls.synchronizeData = { descriptor in
                guard fails.load(ordering: .relaxed) else { return SystemCalls.real.synchronizeData(descriptor) }
                ftruncate(descriptor, off_t(whole + 5))
                return -Int(EIO)
            }
            let log = try StepLog(path: path, calls: calls)
            try log.append(record(0))
            try log.synchronize()
            for step in 1..<4 { try log.append(record(step)) }
            fails.store(true, ordering: .relaxed)
            for _ in 0..<2 {
                let error = #expect(throws: SystemCallError.self) { try log.synchronize() }
                #expect(error?.description == "\(path): write to the medium: Input/output error")
            }
            fails.store(false, ordering: .relaxed)
            try log.append(record(4))
            #expect(try text(path) == (0..<5).map { record($0).line }.joined())
            try log.synchronize()
            try log.append(record(5))
            #expect(try text(path) == (0..<6).map { record($0).line }.joined())
        }
    }

    /// Fails when an event that the log does not take is lost or spoils the next one, or when one that it takes is spoken.
    @Test func eventsThatCannotBeWrittenAreSpoken() throws {
        try withTemporaryDirectory { directory in
            var spoken: [String] = []
            let path = directory + "/events"
            let log = try EventLog(path: path, rank: 1) { spoken.append($0) }
            #expect(log.append(.writeFailed, ["what": "log", "reason": "one"]))
            let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap {
                Int32($0)
            }
            let own = try #require(
                descriptors.first {
                    (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")) == path
                })
            let (real, full) = (dup(own), open("/dev/full", O_WRONLY))
            defer { for descriptor in [real, full] { close(descriptor) } }
            dup2(full, own)
            #expect(!log.append(.writeFailed, ["what": "log", "reason": "two\nlines"]))
            #expect(!log.append(.checkpoint))
            // As a disk does that has room for a few bytes.
            #expect(write(real, "{\"ti", 4) == 4)
            dup2(real, own)
            #expect(log.append(.finished))
            #expect(spoken.count == 2 && spoken.allSatisfy { !$0.contains("\n") })
            let events = try spoken.map { line in
                guard case .event(let text) = SpokenNote(line: line) else { throw CancellationError() }
                return try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
            }
            #expect(events.map { $0["kind"] as? String } == ["write_failed", "checkpoint"])
            #expect(events[0]["reason"] as? String == "two\nlines" && events[0]["rank"] as? Int == 1)
            let lines = try text(path).split(separator: "\n")
            #expect(lines.count == 3 && lines[0].contains("\"one\"") && lines[1] == "{\"ti", "\(lines)")
            #expect(lines.last?.hasPrefix("{\"time\"") == true && lines.last?.hasSuffix("\"finished\"}") == true)
        }
    }

    /// Fails when what a rank says of itself does not come out as it went in, or other lines are taken for it.
    @Test func signsOfLifeAreSpokenAsTheyAre() throws {
        let beat = Heartbeat(
            rank: 3, phase: .distill, model: "stu\ndent", step: 7, totalSteps: 9, loss: 0.1, imagesPerSecond: 2,
            isWaiting: true)
        let line = try #require(SpokenNote.heartbeat(beat).line)
        #expect(!line.contains("\n"))
        #expect(SpokenNote(line: line) == .heartbeat(beat))
        for other in ["", "diptych-worker: x", "diptych-heartbeat: {", " " + line] {
            #expect(SpokenNote(line: other) == nil, "\(other)")
        }
    }

    @Test func eventsAreOneLineEach() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/events"
            let log = try EventLog(path: path, rank: 3)
            #expect(
                log.append(.checkpoint, ["model": "teacher-0", "step": 5, "note": "two\nlines \"quoted\" \u{1B}[0m"]))
            try #expect(EventLog(path: path, rank: nil).append(.finished))
            let lines = try text(path).split(separator: "\n")
            #expect(lines.count == 2)
            let first = try #require(
                try JSONSerialization.jsonObject(with: Data(lines[0].utf8)) as? [String: Any])
            #expect(first["kind"] as? String == "checkpoint")
            #expect(first["rank"] as? Int == 3)
            #expect(first["step"] as? Int == 5)
            #expect(first["note"] as? String == "two\nlines \"quoted\" \u{1B}[0m")
            #expect(first["time"] is Double)
            #expect(lines[1].contains("\"rank\":null"))
        }
    }
}
