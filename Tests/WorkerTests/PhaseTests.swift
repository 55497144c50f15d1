import Communication
import Datasets
import Diffusion
import Foundation
import Jobs
import Synchronization
import Testing
import Worker

@Suite struct SplitPhaseTests {
    @Test func theSplitIsMadeOnceAndKept() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job { $0.data.split.parts = 3 })
        let made = try onRanks(2) { try Session(world: $0, directory: directory).split() }
        let file = try #require(FileManager.default.contents(atPath: directory.split))
        let read = try onRanks(3) { try Session(world: $0, directory: directory).split() }
        #expect(Set(made + read).count == 1)
        #expect(made[0].parts.map(\.count) == [14, 14, 14])
        #expect(made[0].heldOut.count == 8)
        #expect(FileManager.default.contents(atPath: directory.split) == file)
        let report = try String(contentsOfFile: directory.splitReport, encoding: .utf8)
        #expect(report.contains("64 images, 42 members in 3 parts, 8 held out"), "\(report)")
        #expect(report.split(separator: "\n").contains { $0.hasPrefix("part 2") && $0.contains(" 14 ") })
    }

    @Test func theFileHoldsTheWholeRecord() throws {
        let workshop = try Workshop()
        let catalogue = try Catalogue.load(
            DataSource(reader: .idx, images: workshop.path + "/images.idx", labels: workshop.path + "/labels.idx"))
        let split = try DisjointSplit.make(
            catalogue: catalogue, members: 30, heldOut: 5, parts: 3, balance: .label, nearDuplicates: .together, seed: 4
        )
        let record = SplitRecord(split, of: catalogue)
        let directory = RunDirectory(workshop.path)
        try SplitFile.write(record, to: directory)
        let found = try SplitFile.read(directory)
        #expect(found == record)
        #expect(try found.split(verifiedAgainst: catalogue) == split)
    }

    @Test func changedDataIsRefusedAndOneRankSaysSo() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job())
        _ = try onRanks(1) { try Session(world: $0, directory: directory).split() }
        try workshop.writeImages(count: 64, stream: 1)
        let failures = try onRanks(2) { world in
            let session = try Session(world: world, directory: directory)
            return errorThrown { _ = try session.split() }
                .map { (DiptychFailure($0), ($0 as? CommunicationError)?.isEcho) }
        }
        #expect(failures[0]?.0.code == .badData)
        #expect(failures[0]?.0.message.contains("the data is not what the run was started with") == true)
        #expect(failures.map { $0?.1 } == [nil, true])
    }
}

@Suite struct TeachPhaseTests {
    @Test func threeTeachersAreTheSameOnAnyNumberOfRanks() throws {
        let workshop = try Workshop()
        var files: [[Data?]] = []
        for ranks in [1, 2, 3, 4] {
            let directory = try workshop.run("on-\(ranks)", workshop.job { $0.data.split.parts = 3 })
            let reports = try onRanks(ranks) { world in
                let session = try Session(world: world, directory: directory)
                return try session.teach(session.split())
            }
            for reports in reports {
                #expect(reports.map(\.model) == ["teacher-0", "teacher-1", "teacher-2"])
                #expect(reports.allSatisfy { $0.isFinished && $0.stepsDone == 6 })
            }
            files.append((0..<3).map { directory.checkpoint("teacher-\($0)", step: 6) })
        }
        #expect(Set(files).count == 1)
        #expect(Set(files[0]).count == 3 && !files[0].contains(nil), "and they differ from each other")
    }

    @Test func everyTeacherSeesItsOwnPartAlone() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job { $0.data.split.parts = 3 })
        _ = try onRanks(1) { world in
            let session = try Session(world: world, directory: directory)
            let split = try session.split()
            for (model, part) in zip(session.job.taughtModels, split.parts) {
                let task = session.teachingTask(for: model, split: split)
                // Six batches of 8: more than three epochs of 14 images.
                #expect(Set((0..<6).flatMap(task.batch)) == Set(part))
            }
        }
    }

    @Test(arguments: [1, 2, 4]) func ranksMeetBeforeTheyGoOn(ranks: Int) throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job())
        let arrivals = Arrivals()
        let seen = try onRanks(ranks) { world in
            let session = try Session(world: world, directory: directory)
            usleep(UInt32(20_000 * world.rank))
            arrivals.count.withLock { $0 += 1 }
            try session.meet(after: .teach)
            return arrivals.count.withLock { $0 }
        }
        #expect(seen == Array(repeating: ranks, count: ranks))
    }

    /// Fails when a rank that waits for another is taken for one that works: after a while it would be found silent.
    @Test(arguments: [0, 1]) func whoWaitsForOthersSaysSoAtOnce(late: Int) throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job())
        let seen = try onRanks(2) { world -> Bool? in
            let session = try Session(world: world, directory: directory)
            session.beat(phase: .teach)
            var isWaiting: Bool?
            let clock = Stopwatch()
            // Below the time between two signs of life.
            while world.rank == late, isWaiting != true, clock.seconds < 4 {
                usleep(2000)
                isWaiting = Heartbeat.readAll(in: directory).first { $0.rank == 1 - late }?.isWaiting
            }
            try session.meet(after: .teach)
            return isWaiting
        }
        #expect(seen[late] == true)
    }

    private final class Arrivals: Sendable {
        let count = Mutex(0)
    }

    @Test func withoutDefenceOneModelLearnsFromAllMembers() throws {
        let workshop = try Workshop()
        var files: Set<Data?> = []
        for ranks in [1, 3] {
            let directory = try workshop.run("on-\(ranks)", workshop.job { $0.defence = .undefended })
            let reports = try onRanks(ranks) { world in
                let session = try Session(world: world, directory: directory)
                let split = try session.split()
                let task = session.teachingTask(for: session.job.taughtModels[0], split: split)
                #expect(Set((0..<6).flatMap(task.batch)) == Set(split.members))
                return try session.teach(split)
            }
            #expect(reports.allSatisfy { $0.map(\.model) == ["baseline"] })
            files.insert(directory.checkpoint("baseline", step: 6))
        }
        #expect(files.count == 1 && !files.contains(nil))
    }

    @Test func aStopWhileAnotherGroupHasFinishedSavesAndEnds() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job())
        // Only the second group hears of it; the first has long been waiting.
        let outcomes = try onRanks(2) { world in
            var questions = 0
            let session = try Session(world: world, directory: directory) {
                questions += 1
                return world.rank == 1 && questions > 2
            }
            return try TrainingRun(session: session).walk()
        }
        #expect(outcomes.map(\.exit) == [.stopped, .stopped])
        #expect(try directory.checkpointSteps(of: "teacher-0").last == 6)
        #expect(try (directory.checkpointSteps(of: "teacher-1").last ?? 6) < 6)
        #expect(try directory.checkpointSteps(of: "student").isEmpty)
    }
}

@Suite struct SamplePhaseTests {
    @Test func imagesDoNotDependOnTheNumberOfRanks() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job())
        _ = try onRanks(2) {
            try Session(world: $0, directory: directory).teach(Session(world: $0, directory: directory).split())
        }
        let events = FileManager.default.contents(atPath: directory.events)
        let beats = Heartbeat.readAll(in: directory)
        for sampler in [Sampler.ddim(eta: 0.5), .ddpm(variance: .fixedSmall)] {
            var files: Set<[Data?]> = []
            for ranks in [1, 2, 3, 4] {
                // Three batches of two, of which the last image is dropped.
                let folder = workshop.path + "/images-\(sampler)-\(ranks)"
                let grids = try onRanks(ranks) { world in
                    try Session(world: world, directory: directory, purpose: .reading).sample(
                        SampleRequest(
                            model: "dual", count: 5, configuration: SamplingConfiguration(sampler, steps: 3),
                            weights: .ema, batch: 2, folder: folder))
                }
                #expect(grids == Array(repeating: folder + "/dual.png", count: ranks))
                files.insert(["png", "npz"].map { FileManager.default.contents(atPath: "\(folder)/dual.\($0)") })
            }
            #expect(files.count == 1)
            #expect(files.first?.contains(nil) == false)
        }
        #expect(FileManager.default.contents(atPath: directory.events) == events, "sampling leaves the run alone")
        #expect(Heartbeat.readAll(in: directory) == beats)
    }

    /// Fails when the labels that are dropped depend on the lane's rank, or the scale is not heeded.
    @Test func guidedImagesDoNotDependOnTheNumberOfRanks() throws {
        let workshop = try Workshop()
        var files: [[Data?]] = []
        for ranks in [1, 3] {
            let directory = try workshop.run(
                "on-\(ranks)",
                workshop.job {
                    $0.defence = .undefended
                    $0.model.classConditional = true
                    $0.model.classDropout = 0.5
                })
            _ = try onRanks(ranks) { world in
                let session = try Session(world: world, directory: directory)
                _ = try session.teach(session.split())
            }
            for scale in [1.0, 3] {
                let folder = "\(directory.samples)-\(scale)"
                _ = try onRanks(ranks) { world in
                    try Session(world: world, directory: directory, purpose: .reading).sample(
                        SampleRequest(
                            model: "baseline", count: 5,
                            configuration: SamplingConfiguration(.ddim(eta: 1), steps: 3), weights: .raw,
                            guidanceScale: scale, batch: 2, folder: folder))
                }
                files.append([
                    directory.checkpoint("baseline", step: 6),
                    FileManager.default.contents(atPath: folder + "/baseline.npz"),
                ])
            }
        }
        #expect(files[0] == files[2] && files[1] == files[3])
        #expect(files[0][1] != files[1][1] && !files[0].contains(nil))
    }

    @Test func modelsThatKnowNoNullClassCannotBeGuided() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job { $0.model.classConditional = true })
        let failures = try onRanks(2) { world in
            let session = try Session(world: world, directory: directory)
            _ = try session.teach(session.split())
            return errorThrown {
                _ = try session.sample(
                    SampleRequest(
                        model: "dual", count: 4, configuration: SamplingConfiguration(.ddim(eta: 0), steps: 2),
                        weights: .raw, guidanceScale: 2, batch: 2, folder: directory.samples))
            }.map { DiptychFailure($0) }
        }
        #expect(failures[0]?.code == .usage)
        #expect(failures.allSatisfy { $0?.message.contains("without `model.class_dropout`") == true })
    }

    @Test func anUnknownModelAndAWishToStopAreAnswered() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job())
        let answers = try onRanks(2) { world in
            let session = try Session(world: world, directory: directory) { world.rank == 0 }
            _ = try Session(world: world, directory: directory).teach(session.split())
            func request(_ model: String) -> SampleRequest {
                SampleRequest(
                    model: model, count: 4, configuration: SamplingConfiguration(.ddim(eta: 0), steps: 2),
                    weights: .raw, batch: 2, folder: directory.samples)
            }
            let error = errorThrown { _ = try session.sample(request("teacher-7")) }
            return ("\(error.map { DiptychFailure($0).message } ?? "")", try session.sample(request("teacher-1")))
        }
        for (message, grid) in answers {
            #expect(message.contains("there are teacher-0, teacher-1, student, dual"))
            #expect(grid == nil)
        }
    }
}

@Suite struct TrainingRunTests {
    @Test func aRunGoesThroughItsPhasesToTheSameEnd() throws {
        let workshop = try Workshop()
        var ends: [[Data?]] = []
        for ranks in [1, 3] {
            let directory = try workshop.run("on-\(ranks)", workshop.job())
            let outcomes = try onRanks(ranks) { world in
                try TrainingRun(session: Session(world: world, directory: directory)).walk()
            }
            for outcome in outcomes {
                #expect(outcome.exit == .done)
                #expect(outcome.phases.map(\.name) == [.split, .teach, .distill, .sample])
                #expect(outcome.phases.map(\.steps) == [0, 6, 6, 0])
                #expect(outcome.phases.allSatisfy { $0.seconds > 0 })
                #expect(outcome.phases[1].finalLoss.keys.sorted() == ["teacher-0", "teacher-1"])
                #expect(outcome.phases[2].finalLoss["student"] == directory.losses("student").last)
            }
            ends.append(
                ["teacher-0", "teacher-1", "student"].map { directory.checkpoint($0, step: 6) }
                    + [FileManager.default.contents(atPath: directory.samples + "/student.npz")])
        }
        #expect(Set(ends).count == 1)
        #expect(!ends[0].contains(nil))
    }

    @Test func moreRanksThanLanesAreRefusedBeforeAnythingIsDone() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job())
        let failures = try onRanks(5) { world in
            let session = try Session(world: world, directory: directory)
            return errorThrown { _ = try TrainingRun(session: session).walk() }.map { DiptychFailure($0) }
        }
        #expect(failures[0]?.code == .usage)
        #expect(failures.allSatisfy { $0?.message.contains("must be 1...4, found 5") == true })
        #expect(!FileManager.default.fileExists(atPath: directory.split))
    }

    @Test func aDiskWithoutRoomIsRefusedBeforeAnythingIsDone() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job())
        let failures = try onRanks(2) { world in
            let session = try Session(world: world, directory: directory)
            try session.requireSpace { _ in 1 << 30 }
            return errorThrown { try session.requireSpace { _ in 1 << 20 } }.map { DiptychFailure($0) }
        }
        #expect(failures[0]?.code == .inputOutput)
        #expect(failures[0]?.message.contains("room for 2 MB") == true, "\(failures)")
    }

    @Test func aHostWithoutMemoryIsRefusedBeforeAnythingIsDone() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job())
        for (limits, words) in [
            (MemoryLimits(host: 1000, process: nil), "and can have 1 MB there"),
            (MemoryLimits(host: 1 << 40, process: 1000), "may take only 1 MB"),
        ] {
            let failures = try onRanks(2) { world in
                let session = try Session(world: world, directory: directory)
                return errorThrown { _ = try TrainingRun(session: session).walk(limits: limits) }.map {
                    DiptychFailure($0)
                }
            }
            #expect(failures[0]?.code == .inputOutput, "\(failures)")
            #expect(failures[0]?.message.contains(words) == true, "\(failures)")
        }
        #expect(!FileManager.default.fileExists(atPath: directory.split))
    }

    /// Limits hold for groups and for those above them, in both versions of control groups.
    @Test(arguments: [
        ("0::/a/b", "sys/fs/cgroup/a/memory.max", "1000000\n", 2_024_000),
        ("0::/a/b", "sys/fs/cgroup/a/memory.max", "max\n", 3_072_000),
        ("5:cpu,memory:/job", "sys/fs/cgroup/memory/job/memory.limit_in_bytes", "2000000\n", 3_024_000),
        ("5:cpu:/job", "sys/fs/cgroup/memory/job/memory.limit_in_bytes", "2000000\n", 3_072_000),
    ])
    func theMemoryOfAHostIsFound(line: String, file: String, text: String, expected: Int) throws {
        let root = NSTemporaryDirectory() + "/diptych-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: root) }
        let files = [
            "proc/meminfo": "MemTotal:  2000 kB\nMemFree:  10 kB\nSwapTotal:  1000 kB\n",
            "proc/self/cgroup": line + "\n",
            file: text,
        ]
        for (name, text) in files {
            let path = "\(root)/\(name)"
            try FileManager.default.createDirectory(
                atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            try text.write(toFile: path, atomically: true, encoding: .utf8)
        }
        #expect(MemoryLimits.current(root: root).host == expected)
    }
}
