import Checkpoints
import Communication
import Diffusion
import Foundation
import Jobs
import Tensor
import TestSupport
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

    /// Puts a file in the place of teacher 0's folder, which keeps even root from making it. Collective.
    private func obstruct(_ workshop: Workshop, _ world: any Communicator) throws {
        if world.rank == 0 { try workshop.write([1], to: "run/checkpoints/teacher-0") }
        try world.barrier()
    }

    @Test func aFailedSaveIsNotedAndTheLastOneMustSucceed() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job())
        let obstacle = directory.checkpoints(of: "teacher-0")
        let codes = try onRanks(2) { world in
            let session = try Session(world: world, directory: directory)
            let (_, archive) = make(session)
            try obstruct(workshop, world)
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

    @Test func aFailedSaveEndsTheRunWhereTheJobSaysSo() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job { $0.checkpoint.onFailure = .end })
        let codes = try onRanks(2) { world in
            let session = try Session(world: world, directory: directory)
            let (_, archive) = make(session)
            try obstruct(workshop, world)
            try archive.save(step: 1)
            return errorThrown { try archive.save(step: 2) }.map { DiptychFailure($0).code }
        }
        #expect(codes == [.inputOutput, .rankLost], "rank 1 echoes the error of rank 0")
        let told = try directory.events(.writeFailed)
        #expect(told.count == 1 && told[0]["ends_run"] as? Bool == true, "\(told)")
        #expect(told[0]["what"] as? String == "checkpoint of teacher-0", "\(told)")
        #expect(try directory.events(.checkpoint).isEmpty)
    }

    /// Fails when a run that could save its last state ends for the sake of one before.
    @Test func aFailedSaveBeforeTheLastDoesNotMatterWhateverTheJobSays() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job { $0.checkpoint.onFailure = .end })
        _ = try onRanks(2) { world in
            let session = try Session(world: world, directory: directory)
            let (_, archive) = make(session)
            try obstruct(workshop, world)
            try archive.save(step: 1)
            while world.rank == 0, !archive.mustEnd { usleep(1000) }
            let obstacle = directory.checkpoints(of: "teacher-0")
            if world.rank == 0 { try FileManager.default.removeItem(atPath: obstacle) }
            try world.barrier()
            try archive.save(step: 2, isLast: true)
            try archive.finish()
            #expect(!archive.mustEnd)
        }
        #expect(directory.checkpoint("teacher-0", step: 2) != nil)
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

    /// Fails when the first rank holds more of a checkpoint beside its training than a parameter, or when one that only
    /// predicts reads what it does not need.
    @Test func aRestoreTakesNoMemoryBesideTheTraining() async throws {
        let workshop = try Workshop()
        // Of 30 MB a vector: libhdf5 reads it from the disk.
        let directory = try workshop.run("run", workshop.job { $0.model.channels = [128, 256] })
        _ = try onRanks(1) { world in
            let (trainer, archive) = make(try Session(world: world, directory: directory))
            for moment in [trainer.optimizer.firstMoment, trainer.optimizer.secondMoment] {
                moment.copy(from: trainer.parameters.values.scalars)
            }
            try archive.save(step: 1)
            try archive.finish()
        }
        // In a process of its own, whose memory nobody else takes.
        await #expect(processExitsWith: .success) { [path = directory.path as String] in
            _ = try onRanks(1) { world in
                let session = try Session(world: world, directory: RunDirectory(path))
                let (trainer, archive) = make(session)
                let size = try #require(session.checkpointBytes)
                try #require(size > CheckpointEstimate.largestImage)
                ProcessCounts.forgetPeak()
                let (peak, start) = try (ProcessCounts.peakMemory(), ProcessCounts.bytesRead())
                try #require(try archive.restore() == 1)
                let taken = try ProcessCounts.peakMemory() - peak
                try #require(
                    taken < 4 * trainer.parameters.count, "\(taken) bytes for \(trainer.parameters.count) weights")
                // The whole file for its hash, weights and average for theirs, and each vector once.
                let restored = try ProcessCounts.bytesRead()
                try #require(abs(restored - start - size * 10 / 4) < size / 20, "\(restored - start) of \(size)")
                _ = try session.frozenNetwork(of: session.job.taughtModels[0], weights: .ema)
                let predicting = try ProcessCounts.bytesRead() - restored
                try #require(abs(predicting - size * 7 / 4) < size / 20, "\(predicting) of \(size)")
            }
        }
        withExtendedLifetime(workshop) {}
    }

    /// Fails when a rank waits for what the first one cannot read, or when who only predicts reads the moments.
    @Test func aVectorThatCannotBeReadEndsAllRanks() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job())
        _ = try onRanks(2) { try train(in: directory, on: $0, steps: 0..<3) }
        try spoilSecondMoment(in: directory, step: 3)
        let reports = try CheckpointStore(directory: directory.checkpoints).verify()
        #expect(reports.map(\.valid) == [false])
        #expect(reports[0].reason?.contains("optimizer/second_moment/") == true, "\(reports)")
        let failures = try onRanks(3) { world in
            let (_, archive) = make(try Session(world: world, directory: directory))
            return errorThrown { _ = try archive.restore() }.map { DiptychFailure($0) }
        }
        #expect(failures.map { $0?.code } == [.badData, .rankLost, .rankLost])
        #expect(failures[0]?.message.contains("optimizer/second_moment/") == true, "\(failures)")
        let counts = try onRanks(2) { world in
            let session = try Session(world: world, directory: directory)
            return try session.frozenNetwork(of: session.job.taughtModels[0], weights: .raw).parameters.count
        }
        #expect(counts[0] > 0 && counts[0] == counts[1])
    }
}

extension Session {
    /// The size of the only checkpoint's file.
    fileprivate var checkpointBytes: Int? {
        let name = directory.checkpoints(of: job.taughtModels[0].name) + "/step-00000001.h5"
        return (try? FileManager.default.attributesOfItem(atPath: name))?[.size] as? Int
    }
}

/// Makes the last chunk of the first teacher's checkpoint impossible to unpack, and has its manifest call the file right: who
/// makes a file may make its hash, too.
private func spoilSecondMoment(in directory: RunDirectory, step: Int) throws {
    let path = directory.checkpoints(of: "teacher-0") + "/step-0000000\(step)"
    var file = try Data(contentsOf: URL(fileURLWithPath: path + ".h5"))
    let frame = try #require(file.range(of: Data([0x28, 0xB5, 0x2F, 0xFD]), options: .backwards))
    file[frame.lowerBound] ^= 0xFF
    try file.write(to: URL(fileURLWithPath: path + ".h5"))
    let zeros = String(repeating: "0", count: 64)
    let blank = try String(contentsOfFile: path + ".json", encoding: .utf8)
        .replacing(/"sha256": "[0-9a-f]*"/, with: "\"sha256\": \"\(sha256Hex(Array(file)))\"")
        .replacing(/"manifest_sha256": "[0-9a-f]*"/, with: "\"manifest_sha256\": \"\(zeros)\"")
    let own = sha256Hex(Array(blank.utf8))
    try blank.replacing("\"manifest_sha256\": \"\(zeros)\"", with: "\"manifest_sha256\": \"\(own)\"")
        .write(toFile: path + ".json", atomically: false, encoding: .utf8)
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
