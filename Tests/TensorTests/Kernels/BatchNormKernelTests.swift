import CKernels
import TestSupport
import Testing

@Suite struct BatchNormKernelTests {
    static let shapes = [[2, 3, 5, 7], [1, 16, 4, 4], [3, 37, 3, 3], [4, 24, 1, 1], [2, 8, 29, 23]]

    @Test(arguments: Level.all, shapes) func momentsMatchTwin(_ level: Level, _ shape: [Int]) {
        var x = testImages(shape[0], shape[1], shape[2], shape[3], salt: 40)
        // Images that lie far apart, and far from zero.
        for index in x.values.indices { x.values[index] += Double(100 + 30 * (index / x.pixels / x.channels)) }
        x.values = x.values.floats.doubles
        let channels = Twin.channels(x)
        let means = channels.map { $0.reduce(0, +) / Double($0.count) }
        let squares = zip(channels, means).map { values, mean in
            values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        }
        for block in blocks {
            var found = [Double](repeating: 7, count: x.channels)
            var spread = found
            level.kernels.channel_moments(x.blocked(block), &found, &spread, x.images, x.channels, x.pixels, block)
            #expect(zip(found, means).allSatisfy { abs($0 - $1) <= 1e-6 * abs($1) }, "means, block \(block)")
            #expect(
                zip(spread, squares).allSatisfy { abs($0 - $1) <= 1e-5 * max(1, abs($1)) }, "squares, block \(block)")
        }
    }

    @Test(arguments: Level.all, shapes) func mapsAndSumsMatchTwin(_ level: Level, _ shape: [Int]) {
        let x = testImages(shape[0], shape[1], shape[2], shape[3], salt: 41)
        let dout = testImages(shape[0], shape[1], shape[2], shape[3], salt: 42)
        let (a, b, c) = (testNumbers(x.channels, 43), testNumbers(x.channels, 44), testNumbers(x.channels, 45))
        let channel = { (index: Int) in index / x.pixels % x.channels }
        let mapped = x.values.indices.map { x.values[$0] * a[channel($0)] + b[channel($0)] }
        let blended = x.values.indices.map {
            a[channel($0)] * dout.values[$0] + b[channel($0)] * x.values[$0] + c[channel($0)]
        }
        let sums = Twin.channels(dout).map { $0.reduce(0, +) }
        let products = zip(Twin.channels(dout), Twin.channels(x.with(mapped))).map { dot($0, $1) }
        for block in blocks {
            var out = garbage(x.blockedCount(block))
            level.kernels.channel_scale_shift(
                x.blocked(block), a.floats, b.floats, &out, x.images, x.channels, x.pixels, block)
            expectClose(x.unblocked(out, block), mapped, absolute: 1e-6, relative: 1e-6, "map, block \(block)")
            level.kernels.channel_blend(
                x.blocked(block), dout.blocked(block), a.floats, b.floats, c.floats, &out, x.images, x.channels,
                x.pixels, block)
            expectClose(x.unblocked(out, block), blended, absolute: 2e-6, relative: 1e-6, "blend, block \(block)")
            var found = [Double](repeating: 7, count: x.channels)
            var foundProducts = found
            level.kernels.channel_gradient_sums(
                x.blocked(block), dout.blocked(block), a.floats, b.floats, &found, &foundProducts, x.images, x.channels,
                x.pixels, block)
            expectClose(found.floats, sums, absolute: 1e-4, relative: 1e-6, "sums, block \(block)")
            expectClose(foundProducts.floats, products, absolute: 5e-4, relative: 1e-6, "products, block \(block)")
        }
    }
}
