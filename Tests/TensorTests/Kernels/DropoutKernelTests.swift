import CKernels
import Tensor
import TestSupport
import Testing

@Suite struct DropoutKernelTests {
    // Pixels in fours and not, whole vectors and not, channels that fill blocks and do not.
    static let shapes = [[2, 5, 4, 4], [1, 16, 8, 8], [3, 37, 3, 3], [2, 20, 1, 1], [1, 24, 2, 6], [1, 9, 5, 7]]

    @Test(arguments: Level.all, shapes) func maskIsThatOfTheDefinition(_ level: Level, _ shape: [Int]) {
        let x = testImages(shape[0], shape[1], shape[2], shape[3], salt: 60)
        let source = RandomSource(seed: 11, purpose: .dropout, model: 1, layer: 4)
        let step = 5_000_000_000
        let items: [UInt32] = [7, 4_000_000_000, 12]
        let address = diptych_address(key0: source.key.x, key1: source.key.y, step: UInt64(step))
        let perImage = x.values.count / x.images
        for rate: Float in [0, 0.1, 0.5] {
            let mask = x.values.indices.map { index in
                let item = Int(items[index / perImage])
                return source.uniform(step: step, item: item, element: index % perImage) >= rate
            }
            let expected = Twin.dropout(x.values, mask: mask, rate: Double(rate))
            for block in blocks {
                var out = garbage(x.blockedCount(block))
                level.kernels.dropout(
                    x.blocked(block), &out, x.images, x.channels, x.pixels, block, rate, address, items)
                let plain = x.unblocked(out, block)
                expectClose(plain, expected, relative: 3e-7, "rate \(rate), block \(block)")
                #expect(zip(plain, mask).allSatisfy { ($0 != 0) == $1 }, "rate \(rate), block \(block)")
            }
        }
    }

    @Test(arguments: Level.all) func ratesAreComparedAsFloats(_ level: Level) {
        // The rate may be exactly a number that is drawn: then the element is kept.
        let source = RandomSource(seed: 3, purpose: .dropout)
        let address = diptych_address(key0: source.key.x, key1: source.key.y, step: 0)
        for element in 0..<8 {
            let rate = source.uniform(step: 0, item: 0, element: element)
            for (rate, kept) in [(rate, true), (rate.nextUp, false), (rate.nextDown, true)] {
                var out = garbage(8)
                level.kernels.dropout(
                    [Float](repeating: 1, count: 8), &out, 1, 8, 1, 1, rate, address, [0])
                #expect((out[element] != 0) == kept)
            }
        }
    }

    @Test(arguments: Level.all) func shareOfDroppedIsTheRate(_ level: Level) {
        let count = 1 << 18
        let source = RandomSource(seed: 1, purpose: .dropout)
        let address = diptych_address(key0: source.key.x, key1: source.key.y, step: 1)
        var out = garbage(count)
        level.kernels.dropout([Float](repeating: 1, count: count), &out, 1, 16, count / 16, 16, 0.1, address, [0])
        let dropped = Double(out.count { $0 == 0 }) / Double(count)
        #expect(abs(dropped - 0.1) < 5 * (0.09 / Double(count)).squareRoot())
    }
}
