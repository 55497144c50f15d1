import CKernels
import TestSupport
import Testing

@Suite struct GroupNormKernelTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let shape: [Int]
        let groups: Int
        var testDescription: String { "\(shape) in \(groups) groups" }
        func images(salt: Int) -> Images { testImages(shape[0], shape[1], shape[2], shape[3], salt: salt) }
    }

    // Groups that are a block, part of one, several, and that cut across blocks; one pixel; many pixels.
    static let cases = [
        Case(shape: [2, 6, 3, 5], groups: 3), Case(shape: [1, 20, 4, 4], groups: 5),
        Case(shape: [2, 30, 3, 3], groups: 5), Case(shape: [2, 32, 1, 1], groups: 8),
        Case(shape: [1, 17, 7, 7], groups: 1), Case(shape: [1, 48, 5, 3], groups: 2),
        Case(shape: [1, 4, 33, 37], groups: 2),
    ]

    @Test(arguments: Level.all, cases) func forwardMatchesTwin(_ level: Level, _ c: Case) {
        let x = c.images(salt: 1)
        let gamma = testNumbers(x.channels, 2)
        let beta = testNumbers(x.channels, 3)
        for silu in [false, true] {
            let expected = Twin.groupNorm(x, groups: c.groups, gamma: gamma, beta: beta, epsilon: 1e-5, silu: silu)
            for block in blocks {
                let result = forward(level, x, gamma, beta, groups: c.groups, epsilon: 1e-5, block, silu)
                expectClose(
                    x.unblocked(result.out, block), expected.values, absolute: 2e-6, relative: 1e-6, "block \(block)")
                let size = x.values.count / x.images / c.groups
                for index in 0..<x.images * c.groups {
                    let part = x.values[index * size..<(index + 1) * size]
                    let (mean, deviation) = Twin.moments(part, epsilon: 1e-5)
                    expectClose([result.mean[index]], [mean], absolute: 1e-6, relative: 1e-6, "mean")
                    expectClose([result.reciprocal[index]], [1 / deviation], relative: 1e-6, "reciprocal deviation")
                }
            }
        }
    }

    @Test(arguments: Level.all, cases) func aChannelBiasAndTheRemadeResultMatchTwin(_ level: Level, _ c: Case) {
        let x = c.images(salt: 14)
        let (gamma, beta) = (testNumbers(x.channels, 15), testNumbers(x.channels, 16))
        let bias = testNumbers(x.images * x.channels, 17)
        let biased = Twin.addChannelBias(x, bias)
        for silu in [false, true] {
            let expected = Twin.groupNorm(biased, groups: c.groups, gamma: gamma, beta: beta, epsilon: 1e-3, silu: silu)
            for block in blocks {
                let plain = forward(level, biased, gamma, beta, groups: c.groups, epsilon: 1e-3, block, silu)
                let result = forward(
                    level, x, gamma, beta, adding: bias.floats, groups: c.groups, epsilon: 1e-3, block, silu)
                expectClose(
                    x.unblocked(result.out, block), expected.values, absolute: 2e-5, relative: 1e-5, "block \(block)")
                var again = garbage(x.blockedCount(block))
                level.kernels.group_norm_apply(
                    x.blocked(block), result.factors, result.shifts, &again, x.images, x.channels, x.pixels, block, silu
                )
                #expect(again == result.out, "made again, block \(block)")
                // The gradient of the biased input, by the kernel that knows the bias and by the one that was given the sum.
                let dout = c.images(salt: 18).blocked(block)
                let zeros = [Float](repeating: 0, count: x.channels)
                var (dx, expectedDx) = (garbage(again.count), garbage(again.count))
                var (dgamma, expectedDgamma, dbeta, expectedDbeta) = (zeros, zeros, zeros, zeros)
                level.kernels.group_norm_backward(
                    x.blocked(block), bias.floats, gamma.floats, beta.floats, result.mean, result.reciprocal, dout,
                    &dx, &dgamma, &dbeta, x.images, x.channels, x.pixels, block, c.groups, silu)
                level.kernels.group_norm_backward(
                    biased.blocked(block), nil, gamma.floats, beta.floats, plain.mean, plain.reciprocal, dout,
                    &expectedDx, &expectedDgamma, &expectedDbeta, x.images, x.channels, x.pixels, block, c.groups, silu)
                let scale = Double(expectedDx.reduce(1) { max($0, abs($1)) })
                expectClose(dx, expectedDx.map(Double.init), absolute: 2e-5 * scale, relative: 1e-5, "dx")
                expectClose(dgamma, expectedDgamma.map(Double.init), absolute: 1e-3, relative: 1e-4, "dgamma")
                expectClose(dbeta, expectedDbeta.map(Double.init), absolute: 1e-3, relative: 1e-4, "dbeta")
            }
        }
    }

    @Test(arguments: Level.all) func squaresDoNotCancelFarFromZero(_ level: Level) {
        // A large common offset, and a first pixel (the origin of the sums) far from all others.
        var shifted = testImages(1, 20, 31, 33, salt: 4)
        shifted.values = shifted.values.map { Double(Float($0 + 1_000)) }
        var outlier = testImages(1, 20, 31, 33, salt: 5)
        for c in 0..<20 { outlier[0, c, 0, 0] = 300 }
        let ones = [Double](repeating: 1, count: 20)
        let zeros = [Double](repeating: 0, count: 20)
        for (x, tolerance) in [(shifted, 1e-4), (outlier, 1e-6)] {
            let expected = Twin.groupNorm(x, groups: 5, gamma: ones, beta: zeros, epsilon: 1e-5)
            for block in blocks {
                let result = forward(level, x, ones, zeros, groups: 5, epsilon: 1e-5, block, false)
                expectClose(x.unblocked(result.out, block), expected.values, absolute: tolerance, relative: 1e-6)
            }
        }
    }

    @Test(arguments: Level.all, cases) func backwardMatchesFiniteDifferences(_ level: Level, _ c: Case) {
        let x = c.images(salt: 6)
        let gamma = testNumbers(x.channels, 7)
        let beta = testNumbers(x.channels, 8)
        let dout = c.images(salt: 9)
        // All of a small input, some of a large one.
        let count = x.values.count
        let indices = count <= 300 ? Array(0..<count) : [0, 1, 15, 16, 17, count / 3, count / 2, count - 17, count - 1]
        for silu in [false, true] {
            func loss(_ x: Images, _ gamma: [Double], _ beta: [Double]) -> Double {
                let out = Twin.groupNorm(x, groups: c.groups, gamma: gamma, beta: beta, epsilon: 1e-3, silu: silu)
                return dot(out.values, dout.values)
            }
            let dx = finiteDifferenceGradient(of: { loss(x.with($0), gamma, beta) }, at: x.values, indices: indices)
            let dgamma = finiteDifferenceGradient(of: { loss(x, $0, beta) }, at: gamma)
            let dbeta = finiteDifferenceGradient(of: { loss(x, gamma, $0) }, at: beta)
            for block in blocks {
                let norm = forward(level, x, gamma, beta, groups: c.groups, epsilon: 1e-3, block, silu)
                var result = garbage(x.blockedCount(block))
                // Gradients of parameters are added to what is there.
                var gammaSums = [Float](repeating: 1, count: x.channels)
                var betaSums = [Float](repeating: -1, count: x.channels)
                level.kernels.group_norm_backward(
                    x.blocked(block), nil, gamma.floats, beta.floats, norm.mean, norm.reciprocal, dout.blocked(block),
                    &result, &gammaSums, &betaSums, x.images, x.channels, x.pixels, block, c.groups, silu)
                let plain = x.unblocked(result, block)
                let label = "block \(block), silu \(silu)"
                // A single pixel's variance is near zero, where gradients are large and cancel.
                let scale = indices.reduce(1e-3) { max($0, abs(dx[$1])) }
                expectClose(
                    indices.map { plain[$0] }, indices.map { dx[$0] }, absolute: 1e-5 * scale, relative: 1e-5,
                    "dx, \(label)")
                let sumScale = max(1, Double(x.images * x.pixels).squareRoot())
                expectClose(
                    gammaSums, dgamma.map { $0 + 1 }, absolute: 3e-6 * sumScale, relative: 1e-5, "dgamma, \(label)")
                expectClose(
                    betaSums, dbeta.map { $0 - 1 }, absolute: 3e-6 * sumScale, relative: 1e-5, "dbeta, \(label)")
            }
        }
    }

    @Test(arguments: Level.all) func gradientMayReplaceTheIncomingOne(_ level: Level) {
        let x = testImages(2, 12, 3, 3, salt: 10)
        let gamma = testNumbers(12, 11).floats
        let beta = testNumbers(12, 12).floats
        for silu in [false, true] {
            for block in blocks {
                let norm = forward(level, x, gamma.doubles, beta.doubles, groups: 4, epsilon: 1e-5, block, silu)
                var apart = garbage(x.blockedCount(block))
                var inPlace = testImages(2, 12, 3, 3, salt: 13).blocked(block)
                var sums = [Float](repeating: 0, count: 12)
                var more = sums
                level.kernels.group_norm_backward(
                    x.blocked(block), nil, gamma, beta, norm.mean, norm.reciprocal, inPlace, &apart, &sums, &more, 2,
                    12, 9,
                    block, 4, silu)
                inPlace.withUnsafeMutableBufferPointer { memory in
                    guard let start = memory.baseAddress else { return }
                    level.kernels.group_norm_backward(
                        x.blocked(block), nil, gamma, beta, norm.mean, norm.reciprocal, start, start, &sums, &more, 2,
                        12, 9,
                        block, 4, silu)
                }
                #expect(apart == inPlace)
            }
        }
    }

    private struct Result {
        var out: [Float]
        var mean: [Float]
        var reciprocal: [Float]
        var factors: [Float]
        var shifts: [Float]
    }

    private func forward(
        _ level: Level, _ x: Images, _ gamma: [Double], _ beta: [Double], adding bias: [Float]? = nil, groups: Int,
        epsilon: Float, _ block: Int, _ silu: Bool
    ) -> Result {
        let (statistics, channels) = (garbage(x.images * groups), garbage(x.images * x.channels))
        var result = Result(
            out: garbage(x.blockedCount(block)), mean: statistics, reciprocal: statistics, factors: channels,
            shifts: channels)
        level.kernels.group_norm_forward(
            x.blocked(block), bias, gamma.floats, beta.floats, &result.out, &result.mean, &result.reciprocal,
            &result.factors, &result.shifts, x.images, x.channels, x.pixels, block, groups, epsilon, silu)
        return result
    }
}
