import Checkpoints
import Communication
import Foundation
import Jobs
import Synchronization
import Tensor
import Testing
import Worker

@Suite struct TrainingLoopTests {
    @Test func aStopAndAResumeLeaveNoTrace() throws {
        let workshop = try Workshop()
        let whole = try workshop.run("whole", workshop.job())
        let finished = try onRanks(2) { try train(in: whole, on: $0) }
        #expect(finished.map(\.isFinished) == [true, true])
        #expect(finished.map(\.stepsDone) == [6, 6])
        #expect(whole.losses("teacher-0").count == 6)
        #expect(finished.map(\.finalLoss) == [whole.losses("teacher-0").last, whole.losses("teacher-0").last])
        // Every 4 steps, and the last.
        #expect(try whole.checkpointSteps(of: "teacher-0") == [4, 6])

        let broken = try workshop.run("broken", workshop.job())
        // One rank alone hears of it; the group stops after one and the same step.
        let stopped = try onRanks(2) { world in
            var questions = 0
            return try train(in: broken, on: world) {
                questions += 1
                return world.rank == 1 && questions == 3
            }
        }
        #expect(stopped.map(\.isFinished) == [false, false])
        #expect(stopped.map(\.stepsDone) == [3, 3])
        #expect(try broken.checkpointSteps(of: "teacher-0") == [3])

        // Steps beyond the checkpoint, as after kill -9, and half a line.
        let log = try StepLog(path: broken.log(of: "teacher-0"))
        try log.append(StepRecord(step: 3, loss: 5, learningRate: 1, gradientNorm: 1))
        let tail = try #require(FileHandle(forWritingAtPath: broken.log(of: "teacher-0")))
        try tail.seekToEnd()
        try tail.write(contentsOf: Data(#"{"step":4,"lo"#.utf8))

        let resumed = try onRanks(3) { try train(in: broken, on: $0) }
        #expect(resumed.map(\.stepsDone) == [3, 3, 3])
        #expect(broken.logText("teacher-0") == whole.logText("teacher-0"))
        #expect(broken.checkpoint("teacher-0", step: 6) == whole.checkpoint("teacher-0", step: 6))
    }

    @Test func theLearningRateRisesStaysAndFalls() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job())
        _ = try onRanks(1) { try train(in: directory, on: $0) }
        let rates = directory.logText("teacher-0").split(separator: "\n").compactMap {
            StepRecord(line: $0)?.learningRate
        }
        let expected = [0.5, 1, 1, 1, 2.0 / 3, 1.0 / 3].map { 1e-3 * $0 }
        #expect(rates.count == 6 && zip(rates, expected).allSatisfy { abs($0 - $1) < 1e-12 }, "\(rates)")
    }

    @Test func aFinishedModelIsLeftAlone() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job())
        let first = try onRanks(1) { try train(in: directory, on: $0) }
        let log = directory.logText("teacher-0")
        let made = Atomic<Int>(0)
        var calls = SystemCalls.real
        calls.open = { path, flags, mode in
            if flags & O_EXCL != 0 { made.add(1, ordering: .relaxed) }
            return SystemCalls.real.open(path, flags, mode)
        }
        let again = try onRanks(2) { [calls] in try train(in: directory, on: $0, calls: calls) }
        #expect(made.load(ordering: .relaxed) == 0, "there is nothing to make room for")
        #expect(again.map(\.isFinished) == [true, true])
        #expect(again.map(\.stepsDone) == [0, 0])
        #expect(again.map(\.finalLoss) == [first[0].finalLoss, first[0].finalLoss])
        #expect(directory.logText("teacher-0") == log)
    }

    @Test func timeAloneMakesCheckpointsDue() throws {
        let workshop = try Workshop()
        let job = workshop.job {
            $0.checkpoint.everySteps = 1000
            $0.checkpoint.everyMinutes = 1e-9
            $0.checkpoint.keep = 2
            $0.teach.steps = 3
        }
        let directory = try workshop.run("run", job)
        _ = try onRanks(2) { try train(in: directory, on: $0) }
        #expect(try directory.events(.checkpoint).map { $0["step"] as? Int } == [1, 2, 3])
        #expect(try directory.checkpointSteps(of: "teacher-0") == [2, 3])
    }

    @Test func eventsTellWhoDidWhatAndWhen() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job())
        let before = Date().timeIntervalSince1970
        _ = try onRanks(3) { try train(in: directory, on: $0) }
        let after = Date().timeIntervalSince1970

        let lanes = try directory.events(.started).filter { $0["model"] as? String == "teacher-0" }
            .sorted { ($0["rank"] as? Int ?? 0) < ($1["rank"] as? Int ?? 0) }.map { $0["lanes"] as? [Int] }
        #expect(lanes == [[0, 1], [2], [3]])
        let machines = try directory.events(.started).compactMap { $0["numerics"] as? [String: Any] }
        #expect(machines.count == 3)
        #expect(machines.allSatisfy { $0["onednn"] as? String == NumericsProfile.current().oneDNN })

        let rates = try directory.events(.rate)
        #expect(rates.count == 3)
        for rate in rates {
            let began = try #require(rate["began"] as? Double)
            let ended = try #require(rate["ended"] as? Double)
            #expect(before <= began && began < ended && ended <= after)
            #expect(rate["model"] as? String == "teacher-0")
            #expect(rate["first_step"] as? Int == 0)
            #expect(rate["steps"] as? Int == 6)
            #expect((rate["images_per_second"] as? Double ?? 0) > 0)
        }

        let beats = Heartbeat.readAll(in: directory)
        #expect(beats.map(\.rank) == [0, 1, 2])
        #expect(beats.allSatisfy { $0.model == "teacher-0" && $0.step == 6 && $0.totalSteps == 6 })
        #expect(beats.allSatisfy { $0.loss == directory.losses("teacher-0").last })
    }

    /// Fails when a rank's pace does not get into its heartbeat, or holds the time in which it waits for others.
    @Test func aSlowRanksPaceIsInItsHeartbeat() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job { $0.teach.steps = 3 })
        _ = try onRanks(2) { world in
            try train(
                in: directory, on: world,
                changing: { _, loss in
                    // A lane has two images: 0.1 s for each.
                    if world.rank == 1 { usleep(200_000) }
                    return loss
                })
        }
        let paces = Heartbeat.readAll(in: directory).map(\.secondsPerImage)
        try #require(paces.count == 2)
        let (quick, slow) = (try #require(paces[0]), try #require(paces[1]))
        #expect(quick > 0 && slow >= 0.1 && slow > quick + 0.05, "\(quick) and \(slow) s per image")
    }

    /// Fails when the message names other images than those of the lane.
    @Test func aLossThatIsNotFiniteEndsTheRunWithOneReport() throws {
        let messages = try messages(ranks: 2) { $0.scale($1, by: .infinity) }
        for (message, images) in messages {
            let text = "teacher-0 cannot go on: the loss of lane 3 at step 3 is inf, on images "
            #expect(images.count == 2)
            let names = images.map(String.init).joined(separator: ", ")
            #expect(message.contains(text + names + " of the data set."), "\(message)")
        }
    }

    @Test(arguments: [1, 2]) func aGradientThatIsNotFiniteEndsTheRunWithOneReport(ranks: Int) throws {
        for (message, _) in try messages(ranks: ranks, { $0.withInfiniteGradient($1) }) {
            let text = /teacher-0 cannot go on: the gradient's norm at step 3 is (inf|nan) although/
            #expect(message.firstMatch(of: text) != nil, "\(message)")
            #expect(message.contains(" although every lane's loss is finite. The last good checkpoint"), "\(message)")
        }
    }

    /// What the ranks say when the loss of lane 3, the last rank's, is changed in step 3, and that lane's images. Only
    /// rank 0 may report, and of the step nothing may be left.
    private func messages(
        ranks: Int, _ change: @escaping @Sendable (_ tape: Tape, _ loss: Tensor) -> Tensor
    ) throws -> [(message: String, images: [Int])] {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job { $0.checkpoint.everySteps = 2 })
        let failures = try onRanks(ranks) { world in
            var images: [Int] = []
            let error = errorThrown {
                _ = try train(
                    in: directory, on: world,
                    changing: { lane, loss in
                        guard lane.step == 3, lane.number == 3 else { return loss }
                        images = lane.images
                        return change(lane.tape, loss)
                    })
            }
            return error.map {
                ($0 is DiptychFailure, ($0 as? CommunicationError)?.isEcho, DiptychFailure($0), images)
            }
        }
        let (reports, echoes): ([Bool?], [Bool?]) = ([true, false], [nil, true])
        #expect(failures.map { $0?.0 } == Array(reports.prefix(ranks)), "rank 0 reports")
        #expect(failures.map { $0?.1 } == Array(echoes.prefix(ranks)), "rank 1 leaves the word to rank 0")
        #expect(failures[0]?.2.code == .badData)
        #expect(directory.losses("teacher-0").count == 3)
        #expect(directory.checkpoint("teacher-0", step: 2) != nil)
        #expect(directory.checkpoint("teacher-0", step: 4) == nil)
        let images = failures.last.flatMap { $0?.3 } ?? []
        return failures.map { ($0?.2.message ?? "", images) }
    }
}

/// One lane of a step.
private struct Lane {
    let number, step: Int
    let images: [Int]
    let tape: Tape
}

/// Trains teacher 0 on all ranks.
///
/// - Parameter change: What becomes of a lane's loss.
private func train(
    in directory: RunDirectory, on world: any Communicator, calls: SystemCalls = .real,
    isStopRequested: @escaping () -> Bool = { false },
    changing change: @escaping (_ lane: Lane, _ loss: Tensor) -> Tensor = { $1 }
) throws -> TrainingLoop.Report {
    let session = try Session(world: world, directory: directory, isStopRequested: isStopRequested, calls: calls)
    let task = session.teachingTask(for: session.job.taughtModels[0], split: try session.split())
    let size = task.options.imagesPerLane
    let changed = TrainingTask(model: task.model, options: task.options, batch: task.batch) {
        network, images, step, tape in
        let first = task.batch(step).firstIndex(of: images[0]) ?? 0
        let lane = Lane(number: first / size, step: step, images: images, tape: tape)
        return change(lane, try task.laneLoss(network, images, step, tape))
    }
    return try TrainingLoop(session: session, task: changed, group: world).run()
}
