import Checkpoints
import Foundation
import Glibc
import Jobs
import Synchronization
import Testing
import Worker

/// A log of steps whose lines do not reach the medium, or were lost.
@Suite struct UnwrittenLogTests {
    /// A medium that loses the lines of some of the attempts to synchronise the log, and says so once, as Linux does.
    private final class ForgetfulMedium: Sendable {
        private let attempts = Atomic<Int>(0)
        private let durable = Atomic<Int>(0)
        /// The attempts that fail, from 1.
        private let failing: ClosedRange<Int>

        init(failing: ClosedRange<Int>) { self.failing = failing }

        var calls: SystemCalls {
            var calls = SystemCalls.real
            calls.synchronizeData = { [self] descriptor in
                if failing.contains(attempts.add(1, ordering: .relaxed).newValue) {
                    ftruncate(descriptor, off_t(durable.load(ordering: .relaxed)))
                    return -Int(EIO)
                }
                durable.store(Int(lseek(descriptor, 0, SEEK_END)), ordering: .relaxed)
                return SystemCalls.real.synchronizeData(descriptor)
            }
            return calls
        }
    }

    private struct Death: Error {}

    /// Trains teacher 0 on two ranks.
    ///
    /// - Parameters:
    ///   - deadly: A step in which every rank dies.
    ///   - last: Steps after which the run is asked to stop.
    private func train(
        in directory: RunDirectory, calls: SystemCalls = .real, deadly: Int? = nil, last: Int? = nil
    ) throws -> [DiptychFailure?] {
        try onRanks(2) { world in
            var questions = 0
            let isStopRequested = {
                questions += 1
                return questions == last
            }
            let session = try Session(
                world: world, directory: directory, isStopRequested: isStopRequested, calls: calls)
            let task = session.teachingTask(for: session.job.taughtModels[0], split: try session.split())
            let mortal = TrainingTask(model: task.model, options: task.options, batch: task.batch) {
                if $2 == deadly { throw Death() }
                return try task.laneLoss($0, $1, $2, $3)
            }
            let error = errorThrown { _ = try TrainingLoop(session: session, task: mortal, group: world).run() }
            return error.map { DiptychFailure($0) }
        }
    }

    private func directory(
        _ workshop: Workshop, _ name: String, steps: Int = 6, onFailure: SaveFailureKind = .goOn
    ) throws -> RunDirectory {
        let job = workshop.job {
            $0.checkpoint.everySteps = 2
            $0.checkpoint.onFailure = onFailure
            $0.teach.steps = steps
        }
        return try workshop.run(name, job)
    }

    /// Fails when a checkpoint counts on lines that the medium does not have, or a later save does without them.
    @Test func aSaveWaitsForTheLinesThatItCountsOn() throws {
        let workshop = try Workshop()
        let whole = try directory(workshop, "whole")
        #expect(try train(in: whole) == [nil, nil])
        let run = try directory(workshop, "run")
        // The second attempt, at step 4.
        #expect(try train(in: run, calls: ForgetfulMedium(failing: 2...2).calls) == [nil, nil])
        #expect(try run.events(.checkpoint).map { $0["step"] as? Int } == [2, 6])
        let failed = try run.events(.writeFailed)
        #expect(failed.map { $0["what"] as? String } == ["checkpoint of teacher-0"])
        let reason = failed.first?["reason"] as? String ?? ""
        #expect(reason == "\(run.log(of: "teacher-0")): write to the medium: Input/output error", "\(reason)")
        #expect(run.logText("teacher-0") == whole.logText("teacher-0"))
        #expect(run.checkpoint("teacher-0", step: 6) == whole.checkpoint("teacher-0", step: 6))
    }

    /// Fails when the run goes on from a step whose lines are gone: they could not be made again.
    @Test func aRunThatDiesAfterwardsHasLostNoLine() throws {
        let workshop = try Workshop()
        let whole = try directory(workshop, "whole", steps: 8)
        #expect(try train(in: whole) == [nil, nil])
        let run = try directory(workshop, "run", steps: 8)
        // Dead in step 7, all that was written since step 2 lost; the failure at step 6 has waited for any save of step 4.
        let ends = try train(in: run, calls: ForgetfulMedium(failing: 2...3).calls, deadly: 7)
        #expect(ends.allSatisfy { $0 != nil })
        #expect(try run.checkpointSteps(of: "teacher-0") == [2])
        #expect(truncate(run.log(of: "teacher-0"), off_t(linesOfTwoSteps(whole))) == 0)
        #expect(try train(in: run) == [nil, nil])
        #expect(run.logText("teacher-0") == whole.logText("teacher-0"))
        #expect(run.checkpoint("teacher-0", step: 8) == whole.checkpoint("teacher-0", step: 8))
        #expect(try run.events(.logIncomplete).isEmpty)
    }

    private func linesOfTwoSteps(_ directory: RunDirectory) -> Int {
        directory.logText("teacher-0").split(separator: "\n").prefix(2).reduce(0) { $0 + $1.utf8.count + 1 }
    }

    /// Fails when a model counts as trained though its log may be lost, or a rank does not end.
    @Test func theLastSaveMustHaveItsLines() throws {
        let workshop = try Workshop()
        let run = try directory(workshop, "run")
        let ends = try train(in: run, calls: ForgetfulMedium(failing: 1...100).calls)
        #expect(ends[0]?.code == .inputOutput && ends[1] != nil)
        #expect(ends[0]?.message.contains("teacher-0.jsonl: write to the medium: Input/output error") == true)
        #expect(try run.checkpointSteps(of: "teacher-0").isEmpty)
        #expect(try run.events(.writeFailed).count == 3)
        #expect(try train(in: run) == [nil, nil])
        #expect(run.losses("teacher-0").count == 6)
    }

    /// Fails when the run goes on all the same, or does not go on when it is started again.
    @Test func aSaveWithoutItsLinesEndsTheRunWhereTheJobSaysSo() throws {
        let workshop = try Workshop()
        let run = try directory(workshop, "run", onFailure: .end)
        let ends = try train(in: run, calls: ForgetfulMedium(failing: 2...2).calls)
        #expect(ends[0]?.code == .inputOutput && ends[1] != nil)
        #expect(try run.checkpointSteps(of: "teacher-0") == [2])
        #expect(try train(in: run) == [nil, nil])
        #expect(run.losses("teacher-0").count == 6)
    }

    /// Fails when lines that are gone are not missed, or the training that can go on does not.
    @Test func linesThatWereLostAreNoted() throws {
        let workshop = try Workshop()
        let run = try directory(workshop, "run")
        #expect(try train(in: run, last: 5) == [nil, nil])
        let lines = run.logText("teacher-0").split(separator: "\n").map { "\($0)\n" }
        #expect(try lines.count == 5 && run.checkpointSteps(of: "teacher-0") == [2, 4, 5])
        try lines.prefix(3).joined().write(toFile: run.log(of: "teacher-0"), atomically: false, encoding: .utf8)
        #expect(try train(in: run) == [nil, nil])
        let noted = try run.events(.logIncomplete)
        #expect(noted.map { $0["model"] as? String } == ["teacher-0"])
        #expect(noted.map { $0["step"] as? Int } == [5] && noted.map { $0["lines"] as? Int } == [3])
        let steps = run.logText("teacher-0").split(separator: "\n").compactMap { StepRecord(line: $0)?.step }
        #expect(steps == [0, 1, 2, 5])
    }
}
