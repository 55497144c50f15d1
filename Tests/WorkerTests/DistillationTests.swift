import Communication
import Datasets
import Diffusion
import Jobs
import Tensor
import Testing
import Worker

@Suite struct DistillationTests {
    @Test(arguments: [2, 3]) func partsTakeTurnsAndTheirOwnTeachersAreSilent(parts: Int) {
        let turns = DistillationTurns(parts: parts)
        var batches = [[Int]](repeating: [], count: parts)
        for step in 0..<12 {
            let part = turns.part(at: step)
            #expect(part == step % parts)
            batches[part].append(turns.batch(at: step))
            #expect(!turns.teachers(at: step).contains(part))
            #expect(Set(turns.teachers(at: step)).union([part]) == Set(0..<parts))
        }
        // A part advances by one batch, and only when it is its turn.
        #expect(batches == Array(repeating: Array(0..<12 / parts), count: parts))
    }

    /// Fails when teachers are swapped: the images of a part must be labelled by those that never saw it.
    @Test(arguments: [2, 3]) func imagesAreLabelledByTheTeachersThatNeverSawThem(parts: Int) throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job { $0.data.split.parts = parts })
        _ = try onRanks(1) { world in
            let session = try Session(world: world, directory: directory)
            let split = try session.split()
            let student = try #require(session.job.student)
            let predictions: [Float] = [1, 3, 8]
            let teachers = predictions.prefix(parts).map { constantNetwork($0, session.network) }
            let task = session.distillationTask(for: student, split: split, teachers: teachers)
            let silent = constantNetwork(0, session.network)
            for step in 0..<2 * parts {
                let part = step % parts
                let items = task.batch(step)
                #expect(items.count == 8)
                #expect(Set(items).isSubset(of: split.parts[part]), "step \(step)")
                let tape = Tape(recording: false)
                let loss = try task.laneLoss(silent, Array(items[2..<4]), step, tape).scalars[0]
                let others = (0..<parts).filter { $0 != part }.map { predictions[$0] }
                let label = others.reduce(0, +) / Float(others.count)
                #expect(abs(loss - label * label) < 1e-3, "step \(step): \(loss) for a label of \(label)")
            }
        }
    }

    /// The same over two epochs of each part, on several ranks and over interruptions, with every image once an epoch.
    ///
    /// Fails when the turns of parts or teachers begin anew after a resume, or a step is done twice.
    @Test(arguments: [2, 3]) func everyImageOfAnEpochIsTaughtOnceByTheTeachersThatNeverSawIt(parts: Int) throws {
        let workshop = try Workshop()
        let directory = try workshop.run(
            "run",
            workshop.job {
                $0.data.split.parts = parts
                $0.distill.steps = 13
            })
        let watch = LaneWatch()
        let predictions: [Float] = [1, 3, 8]
        var split: [[Int]] = []
        for (ranks, stopAfter) in [(3, 4), (2, 1), (4, Int.max)] {
            let end = try onRanks(ranks) { world in
                var questions = 0
                let session = try Session(world: world, directory: directory) {
                    questions += 1
                    return questions > stopAfter
                }
                let split = try session.split()
                let teachers = predictions.prefix(parts).map { constantNetwork($0, session.network) }
                let task = session.distillationTask(
                    for: try #require(session.job.student), split: split, teachers: teachers)
                // The loss of a student that says nothing is the square of what it is taught.
                let silent = constantNetwork(0, session.network)
                let watched = watch.watch(task) { items, step in
                    try task.laneLoss(silent, items, step, Tape(recording: false)).scalars[0].squareRoot()
                }
                let report = try TrainingLoop(session: session, task: watched, group: world).run()
                return (isFinished: report.isFinished, parts: split.parts)
            }[0]
            #expect(end.isFinished == (stopAfter == .max))
            split = end.parts
        }
        var images = [[Int]](repeating: [], count: parts)
        for (step, lanes) in try watch.steps(13, lanes: 4).enumerated() {
            let part = step % parts
            let others = predictions.prefix(parts).enumerated().filter { $0.offset != part }.map(\.element)
            let label = others.reduce(0, +) / Float(others.count)
            #expect(lanes.allSatisfy { abs(($0.label ?? 0) - label) < 1e-3 }, "step \(step): \(lanes) for \(label)")
            images[part] += lanes.flatMap(\.items)
        }
        for (taught, part) in zip(images, split) {
            #expect(taught.count >= 2 * part.count)
            for epoch in 0..<taught.count / part.count {
                let range = epoch * part.count..<(epoch + 1) * part.count
                #expect(taught[range].sorted() == part.sorted(), "epoch \(epoch)")
            }
        }
    }

    /// The same through the whole phase, teachers read from their checkpoints.
    @Test(arguments: WeightKind.allCases) func thePhaseReadsEachTeacherIntoItsOwnPlace(weights: WeightKind) throws {
        let workshop = try Workshop()
        let directory = try workshop.run(
            "run",
            workshop.job {
                $0.teacherWeights = weights
                $0.distill.steps = 4
            })
        let reports = try onRanks(2) { world in
            let session = try Session(world: world, directory: directory)
            try saveTeacher(0, predicting: 10, average: 50, session)
            try saveTeacher(1, predicting: 30, average: 70, session)
            return try session.distill(try #require(session.job.student), split: session.split())
        }
        #expect(reports.map(\.isFinished) == [true, true])
        #expect(reports.map(\.stepsDone) == [4, 4])
        // The student has barely moved from about 0.
        let roots = directory.losses("student").map { $0.squareRoot() }
        let expected = weights == .raw ? [30.0, 10, 30, 10] : [70.0, 50, 70, 50]
        #expect(zip(roots, expected).allSatisfy { abs($0 - $1) < 3 } && roots.count == 4, "\(roots)")
    }

    @Test func aTeacherThatIsNotFinishedTeachesNobody() throws {
        let workshop = try Workshop()
        let directory = try workshop.run("run", workshop.job())
        let messages = try onRanks(2) { world in
            let session = try Session(world: world, directory: directory)
            try saveTeacher(0, predicting: 1, average: 1, session)
            try saveTeacher(1, predicting: 1, average: 1, step: 5, session)
            let split = try session.split()
            return errorThrown { _ = try session.distill(try #require(session.job.student), split: split) }
                .map { (DiptychFailure($0).code, "\($0)") }
        }
        #expect(messages[0]?.0 == .badData)
        for message in messages {
            #expect(message?.1.contains("teacher-1") == true)
            #expect(message?.1.contains("step 5") == true)
        }
    }
}

/// A network that predicts one number everywhere.
private func constantNetwork(_ value: Float, _ configuration: UNetConfiguration) -> UNet2D {
    let network = UNet2D(configuration)
    let parameters = ParameterVector(network)
    parameters.setConstant(value, in: parameters.values)
    parameters.valuesChanged()
    return network
}

/// Saves a teacher whose weights, and whose average of weights, predict one number everywhere. Collective.
private func saveTeacher(
    _ index: Int, predicting value: Float, average: Float, step: Int? = nil, _ session: Session
) throws {
    let trainer = Trainer(
        configuration: session.network, adam: Adam(), group: session.world, laneCount: 4
    ) { $0.setConstant(value, in: $0.values) }
    let whole = FloatBuffer(count: trainer.parameters.paddedCount)
    trainer.parameters.setConstant(average, in: whole)
    trainer.optimizer.movingAverage.copy(from: whole, range: trainer.optimizer.shard, at: 0)
    let archive = ModelArchive(session: session, model: session.job.taughtModels[index], trainer: trainer)
    try archive.save(step: step ?? session.job.teach.steps)
    try archive.finish()
}

extension ParameterVector {
    /// Zeros but for the last bias.
    fileprivate func setConstant(_ value: Float, in vector: FloatBuffer) {
        vector.fill(0..<vector.count, with: 0)
        for entry in entries where entry.name == "conv_out.bias" {
            vector.fill(entry.offset..<entry.offset + entry.count, with: value)
        }
    }
}
