import Jobs
import Synchronization
import Tensor
import Testing
import Worker

/// Notes which images each lane of each step was given, on whatever rank, and how often.
final class LaneWatch: Sendable {
    /// One lane of one step, computed once.
    struct Visit: Sendable {
        let items: [Int]
        /// What the images were taught, where that is asked for.
        let label: Float?
    }

    private let visits = Mutex<[Int: [Int: [Visit]]]>([:])

    /// A task, watched.
    ///
    /// - Parameter label: What the images of a lane are taught in a step.
    func watch(
        _ task: TrainingTask, label: @escaping (_ items: [Int], _ step: Int) throws -> Float? = { _, _ in nil }
    ) -> TrainingTask {
        let size = task.options.imagesPerLane
        return TrainingTask(model: task.model, options: task.options, batch: task.batch) {
            [self] network, items, step, tape in
            let batch = task.batch(step)
            let lane = (0..<batch.count / size).first { Array(batch[$0 * size..<($0 + 1) * size]) == items }
            let visit = Visit(items: items, label: try label(items, step))
            visits.withLock { $0[step, default: [:]][lane ?? -1, default: []].append(visit) }
            return try task.laneLoss(network, items, step, tape)
        }
    }

    /// The lanes of each step, of which every one must have been computed once and no other.
    func steps(
        _ count: Int, lanes: Int, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> [[Visit]] {
        let visits = visits.withLock(\.self)
        #expect(visits.keys.sorted() == Array(0..<count), sourceLocation: sourceLocation)
        return try (0..<count).map { step in
            let found = visits[step] ?? [:]
            #expect(found.keys.sorted() == Array(0..<lanes), "step \(step)", sourceLocation: sourceLocation)
            return try (0..<lanes).map { lane in
                let times = found[lane] ?? []
                #expect(times.count == 1, "times of step \(step), lane \(lane)", sourceLocation: sourceLocation)
                return try #require(times.first, sourceLocation: sourceLocation)
            }
        }
    }
}
