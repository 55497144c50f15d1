import Checkpoints
import Communication
import Foundation
import Glibc
import Jobs
import Synchronization
import Tensor
import Testing
import Worker

/// A training that cannot go on waits for the checkpoint that is just being written.
@Suite struct SettleTests {
    /// A medium on which nothing is ever done being written before it is released.
    private final class SlowMedium: Sendable {
        private let gate = DispatchSemaphore(value: 0)
        private let answer: Int?
        private let released = Atomic<Bool>(false)

        /// - Parameter error: What the medium answers in the end; nil when it writes.
        init(error: Int32? = nil) { answer = error.map { -Int($0) } }

        var isReleased: Bool { released.load(ordering: .acquiring) }

        /// Lets everything be written, after a while in which nobody that must wait may go on.
        func releaseSoon() {
            Thread.detachNewThread { [self] in
                usleep(300_000)
                released.store(true, ordering: .releasing)
                gate.signal()
            }
        }

        var calls: SystemCalls {
            var calls = SystemCalls.real
            calls.synchronize = { [self] descriptor in
                gate.wait()
                gate.signal()
                return answer ?? SystemCalls.real.synchronize(descriptor)
            }
            return calls
        }
    }

    /// What a rank saw when its training ended.
    private struct Ending: Sendable {
        var code: ExitCode?
        var message: String
        var wasReleased: Bool
    }

    /// Trains on two ranks until the loss of step 3 is no number; the checkpoint of step 2 is still being written then.
    private func train(on medium: SlowMedium, in directory: RunDirectory) throws -> [Ending] {
        try onRanks(2) { world in
            let session = try Session(world: world, directory: directory, calls: medium.calls)
            let task = session.teachingTask(for: session.job.taughtModels[0], split: try session.split())
            let broken = TrainingTask(model: task.model, options: task.options, batch: task.batch) {
                let loss = try task.laneLoss($0, $1, $2, $3)
                guard $2 == 3 else { return loss }
                if world.rank == 0 { medium.releaseSoon() }
                return $3.scale(loss, by: .nan)
            }
            let error = errorThrown { _ = try TrainingLoop(session: session, task: broken, group: world).run() }
            let failure = error.map { DiptychFailure($0) }
            return Ending(code: failure?.code, message: failure?.message ?? "", wasReleased: medium.isReleased)
        }
    }

    private func directory(_ workshop: Workshop) throws -> RunDirectory {
        try workshop.run("run", workshop.job { $0.checkpoint.everySteps = 2 })
    }

    /// Fails when a rank ends before the checkpoint is written, or nobody takes note of it.
    @Test func theCheckpointOnItsWayIsWrittenBeforeATrainingEnds() throws {
        let workshop = try Workshop()
        let directory = try directory(workshop)
        let endings = try train(on: SlowMedium(), in: directory)
        #expect(endings.map(\.code) == [.badData, .rankLost])
        for ending in endings {
            #expect(ending.wasReleased, "a rank ended while the checkpoint was being written")
            #expect(ending.message.contains("step 3 is nan"), "\(ending.message)")
        }
        let saved = try directory.events(.checkpoint)
        #expect(saved.map { $0["step"] as? Int } == [2] && saved.map { $0["model"] as? String } == ["teacher-0"])
        #expect(try directory.events(.writeFailed).isEmpty)
        let reports = try CheckpointStore(directory: directory.checkpoints).verify()
        #expect(reports.map(\.step) == [2] && reports.allSatisfy(\.valid))
    }

    /// Fails when a save that fails meanwhile hides why the training ended, or is hidden by it.
    @Test func aCheckpointOnItsWayThatFailsIsNotedToo() throws {
        let workshop = try Workshop()
        let directory = try directory(workshop)
        let endings = try train(on: SlowMedium(error: EIO), in: directory)
        #expect(endings.map(\.code) == [.badData, .rankLost])
        #expect(endings.allSatisfy { $0.wasReleased && $0.message.contains("step 3 is nan") }, "\(endings)")
        let failed = try directory.events(.writeFailed)
        #expect(failed.map { $0["what"] as? String } == ["checkpoint of teacher-0"])
        #expect((failed.first?["reason"] as? String)?.contains("Input/output error") == true, "\(failed)")
        #expect(try directory.events(.checkpoint).isEmpty)
    }
}
