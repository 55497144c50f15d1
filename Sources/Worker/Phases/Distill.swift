import Datasets
import Diffusion
import Jobs
import Tensor

extension Session {
    /// Distils the student on the whole cluster: every batch comes from one part and is labelled by the teachers that
    /// never saw that part. Collective.
    ///
    /// arXiv 2410.16657, algorithm 2 and equation 7. Step s draws from part s mod K; with more than two parts, the
    /// teachers of all other parts are averaged.
    package func distill(_ student: TrainedModel, split: DisjointSplit) throws -> TrainingLoop.Report {
        let teachers = try job.taughtModels.map {
            try frozenNetwork(of: $0, weights: job.teacherWeights, mustBeFinished: true)
        }
        return try TrainingLoop(
            session: self, task: distillationTask(for: student, split: split, teachers: teachers), group: world
        ).run()
    }

    /// The student's training.
    ///
    /// - Parameter teachers: One for each part, in the order of the parts.
    package func distillationTask(
        for student: TrainedModel, split: DisjointSplit, teachers: [UNet2D]
    ) -> TrainingTask {
        let turns = DistillationTurns(parts: split.parts.count)
        let orders = split.parts.enumerated().map { part, images in
            // The student's orders are its own: the numbers after its index belong to nobody else.
            BatchOrder(part: images, batch: job.distill.batch, seed: job.seed, model: student.index + part)
        }
        let lanes = LaneImages(self, model: student, options: job.distill)
        let (diffusion, seed) = (diffusion, job.seed)
        return TrainingTask(
            model: student, options: job.distill,
            batch: { orders[turns.part(at: $0)].batch(turns.batch(at: $0)) },
            laneLoss: { network, items, step, tape in
                Distillation.loss(
                    of: network, taughtBy: turns.teachers(at: step).map { teachers[$0] },
                    on: lanes.batch(items, step: step), diffusion: diffusion,
                    address: TrainingAddress(seed: seed, model: student.index, step: step), tape: tape)
            })
    }
}

/// Whose turn it is: which part a step of distillation draws from, and which teachers label it.
package struct DistillationTurns: Hashable, Sendable {
    /// The number of parts, and of teachers.
    package let parts: Int

    /// The turns of so many parts.
    package init(parts: Int) {
        self.parts = parts
    }

    /// The part that the step's images come from.
    package func part(at step: Int) -> Int { step % parts }

    /// The number of that part's batch: a part advances only when it is its turn.
    package func batch(at step: Int) -> Int { step / parts }

    /// The teachers that never saw the part.
    package func teachers(at step: Int) -> [Int] { (0..<parts).filter { $0 != part(at: step) } }
}
