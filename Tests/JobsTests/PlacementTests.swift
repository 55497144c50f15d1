import Checkpoints
import Jobs
import Testing

@Suite struct PlacementTests {
    @Test func dealsContiguousRangesThatDifferByAtMostOne() {
        for count in 0...40 {
            for parts in 1...12 {
                let ranges = Placement.deal(count, among: parts)
                #expect(ranges.count == parts)
                #expect(ranges.flatMap { Array($0) } == Array(0..<count))
                let lengths = ranges.map(\.count)
                #expect((lengths.max() ?? 0) - (lengths.min() ?? 0) <= 1)
                #expect(lengths == lengths.sorted(by: >))
            }
        }
    }

    @Test func coversEveryModelRankAndLaneOnce() throws {
        for parts in 2...5 {
            for (teach, distill) in [(1, 1), (2, 1), (4, 2), (12, 1)] {
                let job = try job(
                    "data.split.parts=\(parts)", "data.members=1000", "teach.images_per_lane=\(teach)",
                    "distill.images_per_lane=\(distill)")
                for ranks in 1...job.rankLimit {
                    let placement = try Placement(job: job, ranks: ranks)
                    #expect(placement.groups.count == min(ranks, parts))
                    #expect(placement.groups.flatMap { Array($0.ranks) } == Array(0..<ranks))
                    #expect(placement.groups.flatMap { Array($0.models) } == Array(0..<parts))
                    for group in placement.groups {
                        #expect(group.lanes.count == group.ranks.count)
                        #expect(group.lanes.allSatisfy { !$0.isEmpty })
                        #expect(group.lanes.flatMap { Array($0) } == Array(0..<job.teach.lanes))
                    }
                    #expect(placement.distillLanes.count == ranks)
                    #expect(placement.distillLanes.allSatisfy { !$0.isEmpty })
                    #expect(placement.distillLanes.flatMap { Array($0) } == Array(0..<job.distill.lanes))
                    for rank in 0..<ranks { #expect(placement.group(of: rank).ranks.contains(rank)) }
                }
            }
        }
    }

    @Test func oneRankTrainsAllTeachersInTurn() throws {
        let placement = try Placement(job: job("data.split.parts=3"), ranks: 1)
        #expect(placement.groups.map(\.models) == [0..<3])
        let two = try Placement(job: job("data.split.parts=3"), ranks: 2)
        #expect(two.groups.map(\.models) == [0..<2, 2..<3])
    }

    @Test func undefendedIsOneGroupOfTheWholeWorld() throws {
        let job = try job("defence=none")
        #expect(job.models.map(\.name) == ["baseline"])
        let placement = try Placement(job: job, ranks: 6)
        #expect(placement.groups.map(\.ranks) == [0..<6])
        #expect(placement.distillLanes.isEmpty)
    }

    @Test func moreRanksThanLanesIsAUsageError() throws {
        for (overrides, limit) in [
            (["defence=none"], 6), (["defence=dualmd"], 12), (["distill.images_per_lane=1"], 12), ([], 4),
        ] {
            let job = try Job.decode(smallJob, file: "job.yaml", overrides: overrides)
            #expect(job.rankLimit == limit)
            _ = try Placement(job: job, ranks: limit)
            do {
                _ = try Placement(job: job, ranks: limit + 1)
                Issue.record("\(limit + 1) ranks were accepted")
            } catch let failure as DiptychFailure {
                #expect(failure.code == .usage)
                #expect(failure.message.contains("must be 1...\(limit), found \(limit + 1)"))
            }
        }
    }

    @Test func modelsHaveDistinctAddresses() throws {
        let job = try job("data.split.parts=3")
        #expect(job.models.map(\.name) == ["teacher-0", "teacher-1", "teacher-2", "student"])
        #expect(job.models.map(\.index) == [0, 1, 2, 3])
        #expect(job.options(of: try #require(job.student)) == job.distill)
    }
}

@Suite struct MemoryPlanTests {
    private let cost = MemoryPlan.NetworkCost(
        parameters: 100_000, activationFloatsPerImage: 1000, reorderedParameters: 40_000, multiplyAddsPerImage: 1)

    @Test func oneRankExchangesNothing() throws {
        let job = try job()
        let plan = MemoryPlan(job: job, placement: try Placement(job: job, ranks: 1), cost: cost)
        #expect(plan.paddedParameters == 7 * 16_384)
        #expect(plan.phases.map(\.exchanged) == [0, 0])
        #expect(plan.checkpointBytes == 1_600_000)
        #expect(plan.phases[0].rank.activations == 4 * 1000 * 2)
        #expect(plan.phases[0].rank.teachers == 0)
        // Several lanes: the vector and, of some, a copy for each direction; a teacher has no backward pass.
        #expect(plan.phases[1].rank.weights == 4 * (7 * 16_384 + 2 * 40_000))
        #expect(plan.phases[1].rank.teachers == 2 * 4 * (7 * 16_384 + 40_000))
        #expect(plan.phases[0].rank.optimizer == 3 * 4 * 7 * 16_384)
    }

    @Test func subtreesCostNothingExtra() throws {
        let job = try job()
        // Four lanes: on two ranks each holds a whole subtree, on three the first holds two lanes and so do not others.
        let two = MemoryPlan(job: job, placement: try Placement(job: job, ranks: 2), cost: cost)
        #expect(two.phases[1].exchangedExtra == 0)
        #expect(two.phases[1].exchanged == 2 * 4 * 7 * 16_384)
        let wide = try self.job6()
        let three = MemoryPlan(job: wide, placement: try Placement(job: wide, ranks: 4), cost: cost)
        #expect(three.phases[0].exchangedExtra == 0)
        let lane = try singleLane()
        let single = MemoryPlan(job: lane, placement: try Placement(job: lane, ranks: 1), cost: cost)
        #expect(single.phases[1].rank.weights == 4 * 7 * 16_384, "one lane needs its reordered weights once")
    }

    @Test func takenTeachersAreNotTrainedAndKeepOneCheckpointEach() throws {
        let job = try job("checkpoint.keep=5")
        let placement = try Placement(job: job, ranks: 2)
        let whole = MemoryPlan(job: job, placement: placement, cost: cost)
        let taken = MemoryPlan(job: job, placement: placement, cost: cost, taken: job.taughtModels)
        #expect(whole.phases.map(\.phase) == [.teach, .distill] && taken.phases == [whole.phases[1]])
        let one = MemoryPlan(job: job, placement: placement, cost: cost, taken: [job.taughtModels[1]])
        #expect(one.phases == whole.phases)
    }

    /// Fails when the teachers' checkpoints are not counted as written at the same time, or what is there is forgotten.
    @Test func checkpointsTakeTheMostDiskInOneOfThePhases() throws {
        let estimate = CheckpointEstimate(parameters: 100_000, tensors: 0)
        let (file, copy) = (estimate.fileBytes, estimate.stagingBytes)
        let job = try job("checkpoint.keep=5")
        let teachers = job.taughtModels
        func bytes(_ taken: [TrainedModel] = [], saved: [String: Int] = [:], finished: Set<String> = []) -> Int {
            job.diskBytes(of: estimate, taken: taken) { finished.contains($0.name) ? nil : saved[$0.name] ?? 0 }
        }
        #expect(bytes() == 16 * file + copy, "ten of the teachers, the student's five and its next")
        #expect(bytes(teachers) == 8 * file + copy && bytes([teachers[1]]) == 12 * file + copy)
        #expect(bytes(saved: ["student": 7], finished: ["teacher-0", "teacher-1"]) == file + copy)
        #expect(bytes(saved: ["teacher-0": 4], finished: ["student"]) == (2 + 6) * file + 2 * copy)
        let plan = try MemoryPlan(job: job, placement: Placement(job: job, ranks: 2), cost: cost, taken: [teachers[0]])
        #expect(plan.diskBytes == 12 * file + copy)
    }

    @Test func withoutAStudentTheTeachersTakeTheMostDisk() throws {
        let estimate = CheckpointEstimate(parameters: 100_000, tensors: 0)
        let bytes = try job("checkpoint.keep=1", "defence=dualmd").diskBytes(of: estimate, taken: [])
        #expect(bytes == 2 * (2 * estimate.fileBytes + estimate.stagingBytes))
    }

    private func singleLane() throws -> Job { try job("teach.images_per_lane=12", "distill.images_per_lane=12") }

    /// Six lanes on four ranks: 2, 2, 1, 1, each a whole subtree of (0 1)(2 3) | (4 5).
    private func job6() throws -> Job { try job("defence=none") }

    @Test func lanesThatStraddleSubtreesCostExtra() throws {
        // Six lanes on two ranks: lanes 0 to 2 are the subtrees 0-1 and 2, lanes 3 to 5 are 3 and 4-5.
        let job = try job6()
        let plan = MemoryPlan(job: job, placement: try Placement(job: job, ranks: 2), cost: cost)
        #expect(plan.phases[0].exchangedExtra == 4 * 7 * 16_384)
    }

    @Test func aRankKeepsFewSumsWhateverItsLanes() throws {
        let job = try job("teach.batch=32", "teach.images_per_lane=1", "defence=none")
        let plan = MemoryPlan(job: job, placement: try Placement(job: job, ranks: 1), cost: cost)
        // A binary counter over 32 lanes holds at most six sums; the newest counts as part of the lane's passes.
        #expect(plan.phases[0].rank.gradients == 5 * 4 * 7 * 16_384)
    }
}
