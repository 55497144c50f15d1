import Communication
import Datasets
import Diffusion
import Jobs
import Tensor

extension Session {
    /// Trains every teacher on its own part, or the baseline on all members: the ranks part into groups, which train at
    /// the same time and meet again at the end. Collective.
    ///
    /// arXiv 2410.16657, algorithm 1. A group with several teachers trains them one after the other, to the same bits.
    ///
    /// - Returns: One report for each model, in order.
    package func teach(_ split: DisjointSplit) throws -> [TrainingLoop.Report] {
        let placement = try placement()
        let index = placement.groupIndex(of: world.rank)
        let group = try world.split(color: index, key: world.rank, name: "group \(index)")
        var reports: [TrainingLoop.Report] = []
        for model in placement.groups[index].models where reports.allSatisfy(\.isFinished) {
            let task = teachingTask(for: job.taughtModels[model], split: split)
            reports.append(try TrainingLoop(session: self, task: task, group: group).run())
        }
        try meet(after: .teach)
        let all: [[TrainingLoop.Report]] = try world.allGather(reports)
        return placement.groups.flatMap { all[$0.ranks.lowerBound] }
    }

    /// Which ranks do what. Collective.
    ///
    /// - Throws: `DiptychFailure` with code 64 when there are more ranks than lanes.
    func placement() throws -> Placement {
        try world.together("placing the ranks") { try Placement(job: job, ranks: world.size) }
    }

    /// The training of one teacher on its part, or of the baseline on all members.
    package func teachingTask(for model: TrainedModel, split: DisjointSplit) -> TrainingTask {
        let part = job.defence == .undefended ? split.members : split.parts[model.index]
        let order = BatchOrder(part: part, batch: job.teach.batch, seed: job.seed, model: model.index)
        let lanes = LaneImages(self, model: model, options: job.teach)
        let (diffusion, seed) = (diffusion, job.seed)
        return TrainingTask(
            model: model, options: job.teach, batch: order.batch,
            laneLoss: { network, items, step, tape in
                NoisePrediction.loss(
                    of: network, on: lanes.batch(items, step: step), diffusion: diffusion,
                    address: TrainingAddress(seed: seed, model: model.index, step: step), tape: tape)
            })
    }
}

/// Turns catalogue indices into a lane's images, flipped as the job says, with the labels that the step may see.
struct LaneImages {
    private let catalogue: Catalogue
    private let seed: UInt64
    private let model: TrainedModel
    private let flips: HorizontalFlip?
    private let isClassConditional: Bool
    private let classDropout: ClassDropout?

    init(_ session: Session, model: TrainedModel, options: Job.TrainingOptions) {
        catalogue = session.catalogue
        seed = session.job.seed
        self.model = model
        isClassConditional = session.job.model.classConditional
        classDropout = session.network.nullClass.map {
            ClassDropout(nullClass: $0, probability: session.job.model.classDropout)
        }
        flips = options.horizontalFlip ? HorizontalFlip(seed: seed, model: model.index) : nil
    }

    func batch(_ items: [Int], step: Int) -> TrainingBatch {
        TrainingBatch(
            images: imageBatch(catalogue, indices: items, flip: flips, step: step), items: items,
            labels: isClassConditional ? labels(of: items, step: step) : nil)
    }

    private func labels(of items: [Int], step: Int) -> [Int] {
        let labels = items.compactMap { catalogue.labels?[$0] }
        let address = TrainingAddress(seed: seed, model: model.index, step: step)
        return classDropout?.apply(to: labels, items: items, at: address) ?? labels
    }
}
