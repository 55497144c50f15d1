import Communication
import Foundation
import Jobs
import Tensor
import Testing
import Worker

@Suite struct ModelArchiveTests {
    @Test func filesDoNotDependOnTheNumberOfRanks() throws {
        let workshop = try Workshop()
        var files: [Data] = []
        for ranks in 1...4 {
            let directory = try workshop.run("on-\(ranks)", workshop.job())
            _ = try onRanks(ranks) { try train(in: directory, on: $0, steps: 0..<3) }
            files.append(try #require(directory.checkpoint("teacher-0", step: 3)))
        }
        #expect(Set(files).count == 1)
    }

    @Test(arguments: [(1, 3), (3, 2), (4, 1)]) func trainingGoesOnToTheSameBits(first: Int, second: Int) throws {
        let workshop = try Workshop()
        let whole = try workshop.run("whole", workshop.job())
        let broken = try workshop.run("broken", workshop.job())
        _ = try onRanks(2) { try train(in: whole, on: $0, steps: 0..<5) }
        _ = try onRanks(first) { try train(in: broken, on: $0, steps: 0..<2) }
        let restored = try onRanks(second) { try train(in: broken, on: $0, steps: 2..<5) }
        #expect(restored == Array(repeating: 2, count: second))
        #expect(broken.checkpoint("teacher-0", step: 5) == whole.checkpoint("teacher-0", step: 5))
        #expect(whole.checkpoint("teacher-0", step: 5) != nil)
    }

    @Test func aStateThatIsNotFiniteIsNeverSaved() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job())
        let messages = try onRanks(2) { world in
            let session = try Session(world: world, directory: directory)
            let (trainer, archive) = make(session)
            try archive.save(step: 1)
            // In the second rank's shard.
            if world.rank == 1 { trainer.optimizer.secondMoment[0] = .infinity }
            let message = errorThrown { try archive.save(step: 2) }.map { "\(DiptychFailure($0))" }
            try archive.finish()
            return message
        }
        for message in messages {
            #expect(message?.contains("teacher-0, step 2: 1 values of optimizer/second_moment are not finite") == true)
        }
        #expect(directory.checkpoint("teacher-0", step: 1) != nil)
        #expect(directory.checkpoint("teacher-0", step: 2) == nil)
    }

    @Test func aFailedSaveIsNotedAndTheLastOneMustSucceed() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job())
        // What keeps even root from making the folder.
        let obstacle = directory.checkpoints(of: "teacher-0")
        try workshop.write([1], to: "run/checkpoints/teacher-0")
        let codes = try onRanks(2) { world in
            let session = try Session(world: world, directory: directory)
            let (_, archive) = make(session)
            try archive.save(step: 1)
            // Notes the failure, and tries again with the newer state.
            try archive.save(step: 2)
            let code = errorThrown { try archive.finish() }.map { DiptychFailure($0).code }
            if world.rank == 0 { try FileManager.default.removeItem(atPath: obstacle) }
            try world.barrier()
            try archive.save(step: 3)
            try archive.finish()
            return code
        }
        #expect(codes[0] == .inputOutput)
        #expect(codes[1] == .rankLost, "an echo of rank 0's error, which the process leaves to rank 0")
        #expect(try directory.events(.writeFailed).count == 2)
        let saved = try directory.events(.checkpoint)
        #expect(saved.map { $0["step"] as? Int } == [3])
        #expect(saved.map { $0["model"] as? String } == ["teacher-0"])
        #expect(directory.checkpoint("teacher-0", step: 3) != nil)
    }

    @Test func aDamagedCheckpointIsPassedOverAndNoted() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job())
        _ = try onRanks(2) { try train(in: directory, on: $0, steps: 0..<2) }
        _ = try onRanks(2) { try train(in: directory, on: $0, steps: 2..<3) }
        let good = try #require(directory.checkpoint("teacher-0", step: 3))
        try workshop.write(Array(good.dropLast(9)), to: "run/checkpoints/teacher-0/step-00000003.h5")
        let restored = try onRanks(3) { world in
            try make(Session(world: world, directory: directory)).1.restore()
        }
        #expect(restored == [2, 2, 2])
        #expect(try directory.events(.checkpointSkipped).count == 1)
        #expect(try directory.events(.resumed).map { $0["step"] as? Int } == [2, 2])
        #expect(try directory.events(.resumed).map { $0["steps_lost"] as? Int } == [0, 1])

        let older = try #require(directory.checkpoint("teacher-0", step: 2))
        try workshop.write(Array(older.dropLast(9)), to: "run/checkpoints/teacher-0/step-00000002.h5")
        let codes = try onRanks(2) { world in
            let (_, archive) = make(try Session(world: world, directory: directory))
            return errorThrown { _ = try archive.restore() }.map { DiptychFailure($0).code }
        }
        #expect(codes[0] == .badData, "a run does not silently begin anew")
    }
}

private func make(_ session: Session) -> (Trainer, ModelArchive) {
    let trainer = Bench.trainer(lanes: 4, on: session.world, configuration: session.network)
    return (trainer, ModelArchive(session: session, model: session.job.taughtModels[0], trainer: trainer))
}

/// Goes on from the newest checkpoint, and saves the last state.
///
/// - Returns: The step gone on from.
private func train(in directory: RunDirectory, on world: any Communicator, steps: Range<Int>) throws -> Int {
    let (trainer, archive) = make(try Session(world: world, directory: directory))
    let start = try archive.restore()
    _ = try Bench.train(trainer, steps: steps)
    try archive.save(step: steps.upperBound)
    try archive.finish()
    return start
}
