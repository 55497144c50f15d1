import Foundation
import Tensor
import TestSupport
import Testing

@Suite struct LossTests {
    @Test(arguments: [[], [1], [3, 5], [2, 3, 4, 5], [2, 17, 20, 7]]) func meanSquaredErrorMatchesTwin(_ shape: [Int]) {
        let target = Doubles(random: shape, salt: 2)
        GradientCheck(tensors: [Doubles(random: shape, salt: 1)]) { tensors, _ in
            Doubles([Twin.meanSquaredError(tensors[0].scalars, target.scalars)], shape: [])
        } operation: { tape, tensors, _ in
            tape.meanSquaredError(tensors[0], target.tensor)
        }.run()
    }

    @Test(arguments: [[1, 1], [3, 10], [17, 5]]) func crossEntropyMatchesTwin(_ shape: [Int]) {
        let labels = (0..<shape[0]).map { $0 * 7 % shape[1] }
        GradientCheck(tensors: [Doubles(random: shape, salt: 1)]) { tensors, _ in
            Doubles([Twin.crossEntropy(tensors[0].scalars, labels: labels)], shape: [])
        } operation: { tape, tensors, _ in
            tape.crossEntropy(tensors[0], labels: labels)
        }.run()
    }

    @Test func crossEntropyOfLargeScoresDoesNotOverflow() {
        let scores = Tensor([1000, 0, -1000, 0], shape: [2, 2])
        let loss = Tape(recording: false).crossEntropy(scores, labels: [1, 1])
        #expect(loss.scalars == [500])
    }
}

@Suite struct EmbeddingTests {
    @Test func resultAndGradientMatchTwin() {
        let indices = [4, 0, 4, 2]
        GradientCheck(tensors: [], parameters: [Doubles(random: [5, 19], salt: 1)]) { _, parameters in
            Doubles(Twin.embedding(indices, table: parameters[0].scalars, width: 19), shape: [4, 19])
        } operation: { tape, _, parameters in
            tape.embedding(indices, table: parameters[0])
        }.run()
    }

    @Test func rejectsARowThatIsNotThere() async {
        await #expect(processExitsWith: .failure) {
            let table = Parameter(name: "table", shape: [5, 2], initialization: .zeros)
            _ = Tape(recording: false).embedding([5], table: table)
        }
    }
}

@Suite struct TimestepTests {
    /// diffusers 0.35: get_timestep_embedding([0, 1, 999], 8, ...).
    @Test func matchesTheDefinition() {
        let embedding = Timesteps.sinusoidalEmbedding(
            [0, 1, 999], width: 8, flipSineToCosine: false, frequencyShift: 1)
        #expect(embedding.shape == [3, 8])
        let frequencies = [1, 0.046_415_888_336_127_79, 0.002_154_434_690_031_884, 0.0001]
        let expected = [0.0, 1, 999].flatMap { t in
            frequencies.map { sin(t * $0) } + frequencies.map { cos(t * $0) }
        }
        expectClose(embedding.scalars, expected, absolute: 1e-7, relative: 1e-6)
    }

    @Test func cosinesMayComeFirstAndOddWidthsEndInZero() {
        let embedding = Timesteps.sinusoidalEmbedding([3], width: 5, flipSineToCosine: true, frequencyShift: 0)
        expectClose(
            embedding.scalars, [cos(3), cos(0.03), sin(3), sin(0.03), 0], absolute: 1e-7, relative: 1e-6)
    }
}
