import Tensor

/// Adam's moments and the moving average of the weights, for one rank's shard of the flat parameter vector.
///
/// The shards of a group are contiguous ranges of whole blocks, in rank order, so an update's time and
/// memory fall with the number of ranks.
package final class ShardedOptimizer {
    /// The floats of the padded parameter vector that this rank updates.
    package let shard: Range<Int>
    /// First moments of the shard, `shard.count` floats, as the next two.
    package let firstMoment: FloatBuffer
    /// Second moments.
    package let secondMoment: FloatBuffer
    /// The moving average of the weights.
    package let movingAverage: FloatBuffer
    private let adam: Adam

    /// Starts with zero moments and an average equal to the values.
    init(adam: Adam, shard: Range<Int>, values: FloatBuffer) {
        self.adam = adam
        self.shard = shard
        firstMoment = FloatBuffer(count: shard.count)
        secondMoment = FloatBuffer(count: shard.count)
        movingAverage = FloatBuffer(count: shard.count)
        movingAverage.copy(from: values, range: shard, at: 0)
    }

    /// Squared norms of the shard's blocks of a full-length gradient, in block order.
    func blockSquaredNorms(of gradients: GradientVector) -> [Double] {
        let block = ParameterVector.blockSize
        return GradientNorm.blockSquaredNorms(
            gradients, blocks: shard.lowerBound / block..<shard.upperBound / block)
    }

    /// One fused pass over the shard: Adam on `values`, then the moving average.
    ///
    /// - Parameters:
    ///   - values: The full vector of weights.
    ///   - gradients: A full-length vector whose shard holds the sum over all lanes.
    ///   - gradientScale: Multiplies that sum.
    func update(
        values: FloatBuffer, gradients: GradientVector, gradientScale: Float, settings: StepSettings
    ) {
        for part in gradients.parts(of: shard) {
            let (buffer, start) = gradients.buffer(holding: part)
            let state = Adam.State(
                values: values, gradients: buffer, gradientsStart: part.lowerBound - start, firstMoment: firstMoment,
                secondMoment: secondMoment, ema: movingAverage, momentsStart: shard.lowerBound)
            adam.update(
                part, of: state, step: settings.step, learningRate: settings.learningRate,
                gradientScale: gradientScale, emaDecay: settings.averageDecay)
        }
    }
}
