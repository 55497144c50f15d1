import Tensor
import TestSupport
import Testing

@Suite struct ResamplingTests {
    static let shapes = [[1, 1, 1, 1], [2, 3, 4, 5], [2, 17, 20, 7], [2, 32, 4, 4]]

    @Test(arguments: shapes) func tokensMatchTwin(_ shape: [Int]) {
        GradientCheck(tensors: [Doubles(random: shape, salt: 1)]) { tensors, _ in
            twinTokens(tensors[0])
        } operation: { tape, tensors, _ in
            tape.tokens(tensors[0])
        }.run()
    }

    @Test(arguments: shapes) func imagesUndoTokens(_ shape: [Int]) {
        let tokens = twinTokens(Doubles(random: shape, salt: 1))
        GradientCheck(tensors: [tokens]) { tensors, _ in
            // Read as images of one row for each pixel, tokens become images by the same transposition.
            let transposed = Images(
                images: shape[0], channels: shape[2] * shape[3], height: shape[1], width: 1,
                values: tensors[0].scalars)
            return Doubles(Twin.tokens(transposed), shape: shape)
        } operation: { tape, tensors, _ in
            tape.images(tensors[0], height: shape[2], width: shape[3])
        }.run()
    }

    @Test(arguments: shapes, [[2, 0], [2, -1], [3, 1]]) func nearestMatchesTwin(_ shape: [Int], _ target: [Int]) {
        // Twice the size, one pixel less, and three times plus one.
        let (height, width) = (target[0] * shape[2] + target[1], target[0] * shape[3] + target[1])
        GradientCheck(tensors: [Doubles(random: shape, salt: 1)]) { tensors, _ in
            Doubles(Twin.upsampleNearest(tensors[0].images, height: height, width: width))
        } operation: { tape, tensors, _ in
            tape.upsampleNearest(tensors[0], height: height, width: width)
        }.run()
    }

    @Test(arguments: [[1, 1], [3, 5], [4, 13], [16, 16], [17, 3], [3, 32], [20, 33], [32, 16]])
    func concatenationMatchesTwin(_ channels: [Int]) {
        let (a, b) = ([2, channels[0], 5, 3], [2, channels[1], 5, 3])
        GradientCheck(tensors: [Doubles(random: a, salt: 1), Doubles(random: b, salt: 2)]) { tensors, _ in
            Doubles(Twin.concatenateChannels(tensors[0].images, tensors[1].images))
        } operation: { tape, tensors, _ in
            tape.concatenateChannels(tensors[0], tensors[1])
        }.run()
    }
}

/// The twin on shaped arrays.
private func twinTokens(_ x: Doubles) -> Doubles {
    Doubles(Twin.tokens(x.images), shape: [x.shape[0], x.shape[2] * x.shape[3], x.shape[1]])
}
