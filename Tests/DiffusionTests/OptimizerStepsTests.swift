import Diffusion
import Foundation
import Tensor
import Testing

@Suite struct OptimizerStepsTests {
    /// Relative; measured: at most 1.7e-7, which is float32's rounding, and 2.3e-8 in the last step.
    static let tolerance = 5e-7

    @Test func twoHundredStepsOfAdamWithClippingHaveTheLossesOfPyTorchInDouble() throws {
        let golden = try GoldenFile(named: "unet-adam-steps.golden")
        let expected = try #require(golden.header.losses)
        #expect(expected.count == 200)
        let network = UNetCase.fashionMNIST.network()
        let vector = ParameterVector(network)
        let moments = (FloatBuffer(count: vector.paddedCount), FloatBuffer(count: vector.paddedCount))
        let losses = expected.indices.map { step in
            let tape = Tape(recording: true)
            let data = UNetCase.fashionMNIST.noisedExample(batch: golden.header.batch, step: step)
            let pass = network.loss(on: data, tape: tape)
            vector.clearGradients()
            tape.backward(from: pass.loss)
            let norm = GradientNorm.norm(
                ofBlockSquaredNorms: GradientNorm.blockSquaredNorms(
                    vector.gradients, blocks: 0..<vector.blockCount))
            Adam().update(
                values: vector.values, gradients: vector.gradients, firstMoment: moments.0, secondMoment: moments.1,
                ema: nil, range: 0..<vector.paddedCount, step: step, learningRate: 2e-4,
                gradientScale: GradientNorm.clipCoefficient(norm: norm, maximum: 1))
            vector.valuesChanged()
            return Double(pass.loss.scalars[0])
        }
        let differences = zip(losses, expected).map { abs($0 - $1) / $1 }
        #expect(differences.allSatisfy { $0 <= OptimizerStepsTests.tolerance }, "relative differences \(differences)")
        #expect(losses[199] < 0.5 * losses[0])
        if ProcessInfo.processInfo.environment["DIPTYCH_REPORT"] != nil { print("steps:", losses, differences) }
    }
}
