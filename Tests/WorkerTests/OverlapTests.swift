import Diffusion
import Jobs
import Tensor
import Testing
import Worker

/// How soon a real network's gradients may travel.
@Suite struct OverlapTests {
    /// Fails when the order of names and that of the backward pass have come to disagree, so that all is late.
    @Test func littleOfTheNetworkIsFinalOnlyAtTheEnd() {
        Threads.useOne()
        let network = UNet2D(.ddpmCIFAR10)
        let vector = ParameterVector(network)
        let tape = Tape(recording: true)
        let images = Tensor.zeros([1, 3, 32, 32])
        let loss = tape.meanSquaredError(network(images, timesteps: [10], on: tape), images)
        let buckets = vector.gradientBuckets(of: tape, floats: Trainer.usualBucketFloats)
        #expect(buckets.reduce(0) { $0 + $1.count } == vector.paddedCount)
        #expect(buckets.map(\.entriesLeft) == buckets.map(\.entriesLeft).sorted(by: >))
        #expect(buckets.last?.entriesLeft == 0)
        // The lowest of the up blocks and the middle: most of the weights, half-way through the pass at the latest.
        let early = buckets.filter { $0.entriesLeft >= tape.entryCount / 2 }.reduce(0) { $0 + $1.count }
        #expect(Double(early) > 0.5 * Double(vector.paddedCount), "\(early) of \(vector.paddedCount)")
        // What is released with a twentieth of the entries left has no time to travel.
        let late =
            Double(buckets.filter { 20 * $0.entriesLeft < tape.entryCount }.reduce(0) { $0 + $1.count })
            / Double(vector.paddedCount)
        #expect(abs(late - ScalingTable.ddpmCIFAR10.lateShare) < 0.005, "\(late)")
        withExtendedLifetime(loss) {}
    }
}
