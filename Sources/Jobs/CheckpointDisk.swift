import Checkpoints

extension Job {
    /// The most bytes that the checkpoints of a run, and the copies that they are written from, take on disk at once, beside
    /// those that are there.
    ///
    /// A model in training has the checkpoints that are kept, the next, and its copy. Teachers are trained at the same time,
    /// the student after them. A teacher that is taken from another run is copied, and saved once.
    ///
    /// - Parameters:
    ///   - estimate: What a checkpoint takes.
    ///   - taken: The teachers that are taken.
    ///   - saved: How many checkpoints of a model are there; nil for all that it will have.
    package func diskBytes(
        of estimate: CheckpointEstimate, taken: [TrainedModel], saved: (TrainedModel) -> Int? = { _ in 0 }
    ) -> Int {
        func most(_ model: TrainedModel, isTrained: Bool) -> Int {
            guard let standing = saved(model) else { return 0 }
            let kept = taken.contains(model) ? 1 : checkpoint.keep
            let besides =
                !isTrained ? 0 : estimate.stagingBytes + (taken.contains(model) ? 0 : estimate.fileBytes)
            return (kept - min(standing, kept)) * estimate.fileBytes + besides
        }
        func sum(isTrained: Bool) -> Int { taughtModels.reduce(0) { $0 + most($1, isTrained: isTrained) } }
        return max(sum(isTrained: true), sum(isTrained: false) + (student.map { most($0, isTrained: true) } ?? 0))
    }
}
