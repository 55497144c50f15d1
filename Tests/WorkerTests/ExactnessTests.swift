import Communication
import Datasets
import Diffusion
import Foundation
import Jobs
import Tensor
import Testing
import Worker

/// The result is a function of the job alone: small random jobs, on every rank count, stopped and resumed on others.
@Suite struct ExactnessTests {
    private static let rankCounts = [1, 2, 3, 4, 6, 8]
    private static let usualJobs = 4
    private static let isTorture = !(ProcessInfo.processInfo.environment["DIPTYCH_TORTURE"] ?? "").isEmpty

    /// Numbers drawn for one random job.
    private struct Draw {
        let source = RandomSource(seed: 11, purpose: .testing)
        let job: Int
        var drawn = 0

        mutating func number(below limit: Int) -> Int {
            drawn += 1
            return Int(source.word(step: job, item: 0, element: drawn) % UInt32(limit))
        }

        /// The first jobs, which are all that `make test` takes, go through the choices in turn.
        mutating func one<Element>(of choices: [Element]) -> Element {
            let number = self.number(below: choices.count)
            return choices[job < ExactnessTests.usualJobs ? (job + drawn) % choices.count : number]
        }
    }

    /// Everything that must not depend on ranks and interruptions.
    private static func result(_ directory: RunDirectory, _ job: Job) -> [String: Data?] {
        var files: [String: Data?] = [:]
        for model in job.models {
            let step = job.options(of: model).steps
            files["\(model.name) checkpoint"] = directory.checkpoint(model.name, step: step)
            files["\(model.name) log"] = FileManager.default.contents(atPath: directory.log(of: model.name))
        }
        files["split"] = FileManager.default.contents(atPath: directory.split)
        let samples = (try? FileManager.default.contentsOfDirectory(atPath: directory.samples)) ?? []
        for name in samples where name.hasSuffix(".npz") {
            files[name] = FileManager.default.contents(atPath: "\(directory.samples)/\(name)")
        }
        return files
    }

    /// Executes a run on so many ranks; one of them asks to stop once it has been asked so many times itself.
    private static func execute(_ directory: RunDirectory, ranks: Int, stopAfter: Int = .max) throws -> ExitCode {
        try onRanks(ranks) { world in
            var questions = 0
            let session = try Session(world: world, directory: directory) {
                questions += 1
                return world.rank == ranks / 2 && questions > stopAfter
            }
            return try TrainingRun(session: session).walk().exit
        }[0]
    }

    private static func randomJob(_ number: Int, _ workshop: Workshop) -> (Job, Draw) {
        var draw = Draw(job: number)
        // The first jobs have the lanes that the promise names, and a number that no count divides.
        let lanes = number < usualJobs ? [8, 12, 24, 9][number] : draw.one(of: [8, 9, 12, 16, 24])
        let job = workshop.job { job in
            job.seed = UInt64(100 + number)
            job.defence = draw.one(of: [.distillMD, .distillMD, .dualMD, .undefended])
            job.teacherWeights = draw.one(of: [.raw, .ema])
            job.data.split.parts = draw.one(of: [2, 2, 3])
            job.data.members = 84
            job.model.dropout = draw.one(of: [0, 0.1])
            job.diffusion.prediction = draw.one(of: Prediction.allCases)
            (job.model.classConditional, job.model.classDropout) = draw.one(of: [(false, 0), (true, 0), (true, 0.3)])
            if job.model.classDropout > 0 { job.sample.guidanceScale = 2 }
            job.checkpoint.everySteps = 1 + draw.number(below: 3)
            job.sample.count = 3 + draw.number(below: 4)
            (job.sample.sampler, job.sample.eta) = draw.one(of: [(.ddpm, 0), (.ddim, 0), (.ddim, 0.5)])
            for options in [\Job.teach, \Job.distill] {
                job[keyPath: options].steps = 3 + draw.number(below: 2)
                // A batch has at most 24 images.
                job[keyPath: options].imagesPerLane = draw.one(of: lanes > 12 ? [1] : [1, 2])
                job[keyPath: options].batch = lanes * job[keyPath: options].imagesPerLane
                job[keyPath: options].decaySteps = 1
                job[keyPath: options].optimizer = draw.one(of: [.adam, .adamW])
            }
        }
        return (job, draw)
    }

    /// Fails when anything but the job decides: a sum in rank order, a random number drawn from a stream, a log that is
    /// not cut back.
    @Test(arguments: 0..<(isTorture ? 12 : usualJobs))
    func theSameBitsOnEveryRankCountAndThroughEveryInterruption(number: Int) throws {
        // A part of a third of the members still has a batch of 24.
        let workshop = try Workshop(images: 100)
        let (job, start) = Self.randomJob(number, workshop)
        var draw = start
        let whole = try workshop.run("whole", job)
        #expect(try Self.execute(whole, ranks: 1) == .done)
        let expected = Self.result(whole, job)
        // Checkpoint and log of each model, the split and the images.
        #expect(expected.count == 2 * job.models.count + 2, "\(expected.keys.sorted())")
        #expect(!expected.values.contains(nil), "\(expected.keys.sorted())")
        // Whether blocks are computed again may change from one execution to the next.
        func prepare(_ name: String) throws -> RunDirectory {
            var job = job
            job.numerics.recomputeBlocks = draw.one(of: [true, false])
            return try workshop.run(name, job)
        }

        // On one rank count each, without interruption.
        for ranks in Self.isTorture ? Self.rankCounts : [[2, 8], [3, 6], [4, 8]][number % 3] {
            let directory = try prepare("on-\(ranks)")
            #expect(try Self.execute(directory, ranks: ranks) == .done)
            #expect(Self.result(directory, job) == expected, "job \(number) on \(ranks) ranks")
        }
        // And one run that is stopped again and again, and resumed on another count each time.
        var broken = whole
        var counts: [Int] = []
        for turn in 0..<40 {
            let ranks = Self.rankCounts[(turn + number) % Self.rankCounts.count]
            counts.append(ranks)
            broken = try prepare("broken")
            // Twice at once, so that the shortest job is interrupted twice, too.
            let stop = turn < 2 ? 1 : turn < 9 ? 1 + draw.number(below: 3) : .max
            let exit = try Self.execute(broken, ranks: ranks, stopAfter: stop)
            if exit == .done { break }
            #expect(exit == .stopped)
        }
        #expect(counts.count > 2, "the run was interrupted")
        #expect(Self.result(broken, job) == expected, "job \(number) on \(counts) ranks in turn")
    }

    /// Looks at the images that the lanes are given, on several ranks and over an interruption.
    ///
    /// Fails when a step is done twice after a resume, a lane is left out, or the rest of an epoch is dropped.
    @Test func everyImageOfAnEpochIsUsedOnce() throws {
        let workshop = try Workshop()
        let job = workshop.job {
            $0.teach.steps = 11
            $0.data.members = 42
        }
        let directory = try workshop.run("run", job)
        let watch = LaneWatch()
        var part: [Int] = []
        for (ranks, stopAfter) in [(3, 5), (2, 1), (4, Int.max)] {
            part = try onRanks(ranks) { world in
                var questions = 0
                let session = try Session(world: world, directory: directory) {
                    questions += 1
                    return questions > stopAfter
                }
                let split = try session.split()
                let task = session.teachingTask(for: session.job.taughtModels[0], split: split)
                _ = try TrainingLoop(session: session, task: watch.watch(task), group: world).run()
                return split.parts[0]
            }[0]
        }
        let images = try watch.steps(11, lanes: 4).joined().flatMap(\.items)
        #expect(images.count == 11 * 8 && part.count == 21)
        for epoch in 0..<images.count / part.count {
            let range = epoch * part.count..<(epoch + 1) * part.count
            #expect(images[range].sorted() == part.sorted(), "epoch \(epoch)")
        }
    }
}
