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
            var y = Doubles(zeros: shape)
            for index in y.scalars.indices {
                let (n, c, pixel) = (
                    index / (shape[1] * shape[2] * shape[3]), index / (shape[2] * shape[3]) % shape[1],
                    index % (shape[2] * shape[3])
                )
                y.scalars[index] = tensors[0][n, pixel, c]
            }
            return y
        } operation: { tape, tensors, _ in
            tape.images(tensors[0], height: shape[2], width: shape[3])
        }.run()
    }

    @Test(arguments: shapes, [[2, 0], [2, -1], [3, 1]]) func nearestMatchesTwin(_ shape: [Int], _ target: [Int]) {
        // Twice the size, one pixel less, and three times plus one.
        let (height, width) = (target[0] * shape[2] + target[1], target[0] * shape[3] + target[1])
        GradientCheck(tensors: [Doubles(random: shape, salt: 1)]) { tensors, _ in
            let x = tensors[0]
            var y = Doubles(zeros: [shape[0], shape[1], height, width])
            for n in 0..<shape[0] {
                for c in 0..<shape[1] {
                    for i in 0..<height {
                        for j in 0..<width { y[n, c, i, j] = x[n, c, i * shape[2] / height, j * shape[3] / width] }
                    }
                }
            }
            return y
        } operation: { tape, tensors, _ in
            tape.upsampleNearest(tensors[0], height: height, width: width)
        }.run()
    }

    @Test(arguments: [[1, 1], [3, 5], [4, 13], [16, 16], [17, 3], [3, 32], [20, 33], [32, 16]])
    func concatenationMatchesTwin(_ channels: [Int]) {
        let (a, b) = ([2, channels[0], 5, 3], [2, channels[1], 5, 3])
        GradientCheck(tensors: [Doubles(random: a, salt: 1), Doubles(random: b, salt: 2)]) { tensors, _ in
            var images: [Double] = []
            for n in 0..<2 {
                for (part, count) in zip(tensors, channels) {
                    images += part.scalars[n * count * 15..<(n + 1) * count * 15]
                }
            }
            return Doubles(images, shape: [2, channels[0] + channels[1], 5, 3])
        } operation: { tape, tensors, _ in
            tape.concatenateChannels(tensors[0], tensors[1])
        }.run()
    }
}

/// (N, C, H, W) to (N, H W, C).
private func twinTokens(_ x: Doubles) -> Doubles {
    let pixels = x.extent(2) * x.extent(3)
    var y = Doubles(zeros: [x.extent(0), pixels, x.extent(1)])
    for n in 0..<x.extent(0) {
        for c in 0..<x.extent(1) {
            for pixel in 0..<pixels { y[n, pixel, c] = x[n, c, pixel / x.extent(3), pixel % x.extent(3)] }
        }
    }
    return y
}
