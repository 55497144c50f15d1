import Communication
import Datasets
import Diffusion
import Foundation
import Jobs
import Tensor

/// What to sample, and where to put it.
package struct SampleRequest: Sendable {
    /// A model's name, or `dual`.
    package var model: String
    /// How many images.
    package var count: Int
    /// The sampler and its steps.
    package var configuration: SamplingConfiguration
    /// Which of the model's weights.
    package var weights: WeightKind
    /// How far classifier-free guidance goes; 1 for none.
    package var guidanceScale: Double
    /// Images denoised together; part of the result's definition.
    package var batch: Int
    /// The folder that receives `<model>.png` and `<model>.npz`.
    package var folder: String

    /// Gathers the request.
    package init(
        model: String, count: Int, configuration: SamplingConfiguration, weights: WeightKind,
        guidanceScale: Double = 1, batch: Int, folder: String
    ) {
        precondition(count > 0 && batch > 0, "\(count) images in batches of \(batch) cannot be sampled")
        self.model = model
        self.count = count
        self.configuration = configuration
        self.weights = weights
        self.guidanceScale = guidanceScale
        self.batch = batch
        self.folder = folder
    }
}

extension Session {
    /// Samples on all ranks and writes the images as one grid and one array. Collective.
    ///
    /// Batches have one size and are dealt to ranks, so the images do not depend on the number of ranks.
    ///
    /// - Returns: The path of the grid, or nil if somebody asked to stop.
    package func sample(_ request: SampleRequest) throws -> String? {
        guard request.configuration.steps <= job.diffusion.timesteps else {
            throw world.shared(
                DiptychFailure(
                    .usage,
                    "sampling takes 1...\(job.diffusion.timesteps) steps in this run, found \(request.configuration.steps)"
                ),
                "sampling")
        }
        let denoiser = try denoiser(
            named: request.model, weights: request.weights, guidanceScale: request.guidanceScale)
        let batches = (request.count + request.batch - 1) / request.batch
        let shape = [network.outChannels, network.height, network.width]
        let mine = contiguousRanges(count: batches, among: world.size)[world.rank]
        var bytes: [UInt8] = []
        var isStopping = false
        for number in mine where !isStopping {
            let items = Array(number * request.batch..<(number + 1) * request.batch)
            let batch = SampleBatch(items: items, labels: sampleLabels(items), shape: shape, seed: job.seed)
            let total = mine.count * request.configuration.steps
            do {
                let images = try Diffusion.sample(
                    batch, from: denoiser, diffusion: diffusion, configuration: request.configuration
                ) { position in
                    if isStopRequested() { throw StopRequested() }
                    let done = (number - mine.lowerBound) * request.configuration.steps + position
                    beat(phase: .sample, model: request.model, step: done, total: total)
                }
                bytes += try ImageSet(images).pixels
            } catch is StopRequested {
                isStopping = true
            }
        }
        try meet(after: .sample)
        if try world.anyTrue(isStopping) { return nil }
        let all = try world.allGather(bytes).flatMap(\.self)
        return try world.onRoot { () -> String in
            let images = ImageSet(
                count: request.count, channels: shape[0], height: shape[1], width: shape[2],
                pixels: Array(all.prefix(request.count * shape.reduce(1, *))))
            try makeFolder(request.folder)
            let grid = "\(request.folder)/\(request.model).png"
            try NPZ.write(images, to: "\(request.folder)/\(request.model).npz")
            try PNG.write(ImageGrid().compose(images), to: grid)
            return grid
        }
    }

    private func makeFolder(_ path: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw DiptychFailure(
                .inputOutput, "cannot create the folder \(path) for the samples: \(error.localizedDescription)")
        }
    }

    private struct StopRequested: Error {}

    /// Classes in turn, for class-conditional models.
    private func sampleLabels(_ items: [Int]) -> [Int]? {
        network.classCount.map { count in items.map { $0 % count } }
    }
}
