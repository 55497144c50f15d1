import Communication
import Diffusion
import Foundation
import Jobs
import Tensor
import Testing
import Worker

/// Ranks whose copies of the weights are no longer equal.
@Suite struct ReplicaTests {
    private static func compared(_ step: Int) -> StepSettings {
        var settings = Bench.settings(step)
        settings.comparesReplicas = true
        return settings
    }

    /// What the ranks throw when a bit of the last weight flips on some of them, before or within step 1.
    private func errors(ranks: Int, flippedOn odd: [Int: UInt32], midway: Bool = false) throws -> [String?] {
        try onRanks(ranks) { group in
            let trainer = Bench.trainer(lanes: 4, on: group)
            func loss(_ lane: Int, _ step: Int, _ tape: Tape) -> Tensor {
                Bench.loss(trainer.network, items: [2 * lane, 2 * lane + 1], step: step, tape)
            }
            _ = try trainer.step(Self.compared(0)) { loss($0, 0, $1) }
            let values = trainer.parameters.values
            let place = trainer.parameters.count - 1
            func flip() {
                guard let bit = odd[group.rank] else { return }
                values[place] = Float(bitPattern: values[place].bitPattern ^ 1 << bit)
            }
            if !midway { flip() }
            let before = values.scalars
            let average = trainer.optimizer.movingAverage.scalars
            let error = errorThrown {
                _ = try trainer.step(Self.compared(1)) { lane, tape in
                    let loss = loss(lane, 1, tape)
                    if midway, lane == trainer.lanes.last { flip() }
                    return loss
                }
            }
            // Compared outside of the macro, which would print how two whole vectors differ.
            let isAsBefore = (midway || values.scalars == before) && trainer.optimizer.movingAverage.scalars == average
            #expect(isAsBefore == (error != nil), "an odd rank ends the step before anything is updated")
            return error.map { "\($0)" }
        }
    }

    /// Fails when the weights are not compared, or only those of the first ranks.
    @Test(arguments: [false, true]) func theOddRankIsNamedOnEveryRank(midway: Bool) throws {
        let text = "ranks [2] of the group have computed step 1 with other weights than the rest"
        #expect(try errors(ranks: 4, flippedOn: [2: 0], midway: midway) == Array(repeating: text, count: 4))
    }

    @Test func withoutAMajorityAllAreNamed() throws {
        for (ranks, odd) in [(2, [1: UInt32(3)]), (4, [0: 1, 1: 1]), (3, [0: 1, 1: 2])] {
            let text = "ranks \(Array(0..<ranks)) of the group have computed step 1 with other weights than the rest"
            #expect(try errors(ranks: ranks, flippedOn: odd) == Array(repeating: text, count: ranks))
        }
        #expect(try errors(ranks: 3, flippedOn: [0: 1, 1: 1])[0]?.contains("ranks [2] ") == true)
        #expect(try errors(ranks: 3, flippedOn: [:]) == [nil, nil, nil])
    }

    /// The step in which a training of 40 steps ends because of a fault that holds in some of them; nil when it does not.
    private func stepThatEnds(everySteps: Int, faults: Range<Int>) throws -> Int? {
        let workshop = try Workshop()
        let job = workshop.job {
            $0.teach.steps = 40
            $0.checkpoint.everySteps = everySteps
        }
        let directory = try workshop.run("run", job)
        let failures = try onRanks(2) { world in
            let session = try Session(world: world, directory: directory)
            let task = session.teachingTask(for: session.job.taughtModels[0], split: try session.split())
            let broken = TrainingTask(model: task.model, options: task.options, batch: task.batch) {
                // The first weight belongs to rank 0, which gives it to rank 1 anew after every step.
                if faults.contains($2), world.rank == 1 { $0.parameters[0].values[0] += 1 }
                return try task.laneLoss($0, $1, $2, $3)
            }
            return errorThrown { _ = try TrainingLoop(session: session, task: broken, group: world).run() }
                .map { DiptychFailure($0).message }
        }
        guard let message = failures[0] else { return nil }
        let match = try #require(
            message.firstMatch(of: /the ranks have computed step (\d+) with different/), "\(message)")
        return Int(match.1)
    }

    /// Fails when the copies are compared less often than every 16 steps, or not before a save; and when they are compared
    /// in every step, which costs a pass over the weights.
    @Test(
        arguments: [
            (1000, 1..<40, 16), (1000, 17..<40, 32), (1000, 33..<40, 39), (1000, 17..<32, nil), (10, 1..<40, 9),
            (10, 17..<40, 19),
        ] as [(Int, Range<Int>, Int?)])
    func copiesAreComparedEverySixteenthStepAndBeforeSaves(everySteps: Int, faults: Range<Int>, end: Int?) throws {
        #expect(try stepThatEnds(everySteps: everySteps, faults: faults) == end)
    }

    /// Fails when the loop does not ask for the comparison before a save, or the message lacks the place.
    @Test func aRunEndsBeforeTheStateIsSavedAndNamesTheMachine() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job { $0.checkpoint.everySteps = 2 })
        let failures = try onRanks(3) { world in
            let session = try Session(world: world, directory: directory)
            let task = session.teachingTask(for: session.job.taughtModels[0], split: try session.split())
            let broken = TrainingTask(model: task.model, options: task.options, batch: task.batch) {
                if $2 == 3, world.rank == 1 { $0.parameters[0].values[0] += 1 }
                return try task.laneLoss($0, $1, $2, $3)
            }
            let error = errorThrown { _ = try TrainingLoop(session: session, task: broken, group: world).run() }
            return error.map { DiptychFailure($0) }
        }
        #expect(failures[0]?.code == .rankLost)
        let host = ProcessInfo.processInfo.hostName
        for failure in failures {
            let message = failure?.message ?? ""
            #expect(message.contains("teacher-0: rank 1 on \(host) computed step 3 with other weights"), "\(message)")
        }
        #expect(try directory.checkpointSteps(of: "teacher-0") == [2])
        #expect(directory.losses("teacher-0").count == 3)
    }
}
