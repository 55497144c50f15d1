import CKernels
import TestSupport
import Testing

/// Winograd's convolution against the sum as it is written, at every level.
@Suite struct WinogradKernelTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let images: Int
        let channels: Int
        let filters: Int
        let height: Int
        let width: Int
        var padding: (top: Int, left: Int, bottom: Int, right: Int) = (1, 1, 1, 1)
        var testDescription: String { "\(images) of \(channels) x \(height) x \(width) to \(filters), \(padding)" }

        var source: Images { testImages(images, channels, height, width, salt: 60) }
        var weights: [Double] { testNumbers(filters * channels * 9, 61) }
        var bias: [Double] { testNumbers(filters, 62) }
        var result: Images { result(bias: bias) }
        func result(bias: [Double]?) -> Images {
            Twin.convolution(
                source, weight: weights, outputs: filters, kernelHeight: 3, kernelWidth: 3, bias: bias,
                padding: padding)
        }
        var gradient: Images { testImages(images, filters, result.height, result.width, salt: 63) }
        var shape: diptych_winograd_shape {
            diptych_winograd_shape(
                images: images, channels: channels, filters: filters, height: height, width: width, top: padding.top,
                left: padding.left, result_height: height + padding.top + padding.bottom - 2,
                result_width: width + padding.left + padding.right - 2)
        }
    }

    static let cases = [
        Case(images: 1, channels: 1, filters: 1, height: 3, width: 3, padding: (0, 0, 0, 0)),
        Case(images: 2, channels: 17, filters: 35, height: 6, width: 5),
        Case(images: 3, channels: 40, filters: 3, height: 8, width: 8),
        Case(images: 2, channels: 24, filters: 72, height: 9, width: 14, padding: (2, 0, 1, 2)),
        // More channels than a product takes at once, all widths of groups of filters, one tile.
        Case(images: 1, channels: 136, filters: 16, height: 4, width: 4),
        Case(images: 1, channels: 16, filters: 32, height: 4, width: 3),
        Case(images: 1, channels: 16, filters: 48, height: 2, width: 4),
        Case(images: 1, channels: 32, filters: 80, height: 4, width: 8),
        // More tiles than a block has, the last block shorter.
        Case(images: 13, channels: 16, filters: 20, height: 11, width: 9),
        // Several groups and several blocks, and kernels turned deeper than a product takes at once.
        Case(images: 5, channels: 24, filters: 136, height: 16, width: 16),
    ]

    @Test(arguments: Level.all, cases) func everyDirectionMatchesTheSum(_ level: Level, _ c: Case) {
        let block = level.number == 2 ? 16 : 8
        var shape = c.shape
        let (result, gradient) = (c.result, c.gradient)
        var out = garbage(result.blockedCount(block))
        withScratch(level, &shape, diptych_winograd_result) {
            level.kernels.winograd_forward(
                &$0, c.source.blocked(block), c.weights.floats, c.bias.floats, &out, $1)
        }
        let size = Double(9 * c.channels).squareRoot()
        expectClose(result.unblocked(out, block), result.values, absolute: 2e-5 * size, relative: 0)
        withScratch(level, &shape, diptych_winograd_result) {
            level.kernels.winograd_forward(&$0, c.source.blocked(block), c.weights.floats, nil, &out, $1)
        }
        let bare = c.result(bias: nil)
        expectClose(bare.unblocked(out, block), bare.values, absolute: 2e-5 * size, relative: 0, "without bias")

        let twin = convolutionGradients(c.source, weights: c.weights, gradient: gradient, padding: c.padding)
        var dx = garbage(c.source.blockedCount(block))
        withScratch(level, &shape, diptych_winograd_of_source) {
            level.kernels.winograd_source_gradient(&$0, gradient.blocked(block), c.weights.floats, &dx, $1)
        }
        let width = Double(9 * c.filters).squareRoot()
        expectClose(c.source.unblocked(dx, block), twin.source, absolute: 2e-5 * width, relative: 0)

        let pixels = Double(c.images * gradient.pixels).squareRoot()
        for adds in [false, true] {
            var dweights = adds ? [Float](repeating: 1, count: c.weights.count) : garbage(c.weights.count)
            var dbias = adds ? garbage(c.filters) : [Float](repeating: 1, count: c.filters)
            withScratch(level, &shape, diptych_winograd_of_weights) {
                // The bias is added to where the weights are written, and the reverse.
                level.kernels.winograd_weights_gradient(
                    &$0, c.source.blocked(block), gradient.blocked(block), &dweights, adds, &dbias, !adds, $1)
            }
            let before: Double = adds ? 1 : 0
            expectClose(
                dweights, twin.weights.map { $0 + before }, absolute: 2e-5 * pixels, relative: 0, "adds \(adds)")
            expectClose(
                dbias, twin.bias.map { $0 + 1 - before }, absolute: 2e-5 * pixels, relative: 0, "adds \(adds)")
            var alone = adds ? [Float](repeating: 1, count: c.weights.count) : garbage(c.weights.count)
            withScratch(level, &shape, diptych_winograd_of_weights) {
                level.kernels.winograd_weights_gradient(
                    &$0, c.source.blocked(block), gradient.blocked(block), &alone, adds, nil, false, $1)
            }
            #expect(alone == dweights, "without bias")
        }
    }

    /// The same bits whatever else is in the batch, so that neither lanes nor rounds of samples change an image.
    @Test(arguments: Level.all) func anImageDoesNotDependOnTheOthers(_ level: Level) {
        let block = level.number == 2 ? 16 : 8
        let c = batch(of: 11)
        var shape = c.shape
        var all = garbage(c.result.blockedCount(block))
        withScratch(level, &shape, diptych_winograd_result) {
            level.kernels.winograd_forward(&$0, c.source.blocked(block), c.weights.floats, c.bias.floats, &all, $1)
        }
        let image = all.count / c.images
        let gradients = c.gradient.blocked(block)
        let gradient = gradients.count / c.images
        var allSources = garbage(c.source.blockedCount(block))
        withScratch(level, &shape, diptych_winograd_of_source) {
            level.kernels.winograd_source_gradient(&$0, gradients, c.weights.floats, &allSources, $1)
        }
        for first in [0, 4, 10] {
            var one = batch(of: 1).shape
            var out = garbage(image)
            let source = c.source.blocked(block)
            let size = source.count / c.images
            withScratch(level, &one, diptych_winograd_result) {
                level.kernels.winograd_forward(
                    &$0, Array(source[first * size..<(first + 1) * size]), c.weights.floats, c.bias.floats, &out, $1)
            }
            #expect(out == Array(all[first * image..<(first + 1) * image]), "image \(first)")
            var dx = garbage(size)
            withScratch(level, &one, diptych_winograd_of_source) {
                level.kernels.winograd_source_gradient(
                    &$0, Array(gradients[first * gradient..<(first + 1) * gradient]), c.weights.floats, &dx, $1)
            }
            #expect(dx == Array(allSources[first * size..<(first + 1) * size]), "gradient of image \(first)")
        }
    }

    private func batch(of images: Int) -> Case { Case(images: images, channels: 20, filters: 24, height: 9, width: 12) }

    /// Scratch memory as it may come: full of numbers that are none. What lies behind it must stay.
    private func withScratch(
        _ level: Level, _ shape: inout diptych_winograd_shape, _ direction: diptych_winograd_direction,
        _ body: (inout diptych_winograd_shape, UnsafeMutablePointer<Float>) -> Void
    ) {
        let count = level.kernels.winograd_scratch_floats(&shape, direction)
        let guardFloats = 64
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 4 * (count + guardFloats), alignment: 64)
            .bindMemory(to: Float.self, capacity: count + guardFloats)
        defer { memory.deallocate() }
        for index in 0..<count { memory[index] = .nan }
        for index in count..<count + guardFloats { memory[index] = 7 }
        body(&shape, memory)
        #expect((count..<count + guardFloats).allSatisfy { memory[$0] == 7 }, "written behind the scratch memory")
    }
}

/// The gradients of the sum's operands, added up term by term.
private func convolutionGradients(
    _ x: Images, weights: [Double], gradient: Images, padding: (top: Int, left: Int, bottom: Int, right: Int)
) -> (source: [Double], weights: [Double], bias: [Double]) {
    var source = Images(images: x.images, channels: x.channels, height: x.height, width: x.width)
    var sums = [Double](repeating: 0, count: weights.count)
    var bias = [Double](repeating: 0, count: gradient.channels)
    for n in 0..<x.images {
        for o in 0..<gradient.channels {
            for i in 0..<gradient.height {
                for j in 0..<gradient.width {
                    let incoming = gradient[n, o, i, j]
                    bias[o] += incoming
                    for k in 0..<3 where (0..<x.height).contains(i + k - padding.top) {
                        for l in 0..<3 where (0..<x.width).contains(j + l - padding.left) {
                            let (row, column) = (i + k - padding.top, j + l - padding.left)
                            for c in 0..<x.channels {
                                let index = ((o * x.channels + c) * 3 + k) * 3 + l
                                source[n, c, row, column] += incoming * weights[index]
                                sums[index] += incoming * x[n, c, row, column]
                            }
                        }
                    }
                }
            }
        }
    }
    return (source.values, sums, bias)
}
