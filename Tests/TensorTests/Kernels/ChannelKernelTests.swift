import CKernels
import TestSupport
import Testing

@Suite struct ChannelKernelTests {
    static let shapes = [[2, 3, 5, 7], [1, 16, 4, 4], [2, 37, 3, 3], [1, 24, 1, 1], [1, 8, 29, 23]]

    @Test(arguments: Level.all, shapes) func sumsOfChannelsMatchTwin(_ level: Level, _ shape: [Int]) {
        let x = testImages(shape[0], shape[1], shape[2], shape[3], salt: 30)
        let totals = (0..<x.images * x.channels).map { index in
            x.values[index * x.pixels..<(index + 1) * x.pixels].reduce(0, +)
        }
        for block in blocks {
            var sums = garbage(totals.count)
            level.kernels.channel_sums(x.blocked(block), &sums, x.images, x.channels, x.pixels, block)
            expectClose(sums, totals, absolute: 1e-5, relative: 1e-6)
        }
    }

    @Test(arguments: Level.all, [[16, 16], [8, 24], [3, 5], [16, 7], [5, 16], [30, 19], [1, 1]])
    func concatenationAndSplitMatchTwin(_ level: Level, _ channels: [Int]) {
        let a = testImages(2, channels[0], 3, 5, salt: 32)
        let b = testImages(2, channels[1], 3, 5, salt: 33)
        let expected = Twin.concatenateChannels(a, b)
        for block in blocks {
            var out = garbage(expected.blockedCount(block))
            level.kernels.concatenate_channels(
                a.blocked(block), b.blocked(block), &out, 2, channels[0], channels[1], 15, block)
            #expect(expected.unblocked(out, block) == expected.values.floats)
            var aBack = garbage(a.blockedCount(block))
            var bBack = garbage(b.blockedCount(block))
            level.kernels.split_channels(out, &aBack, &bBack, 2, channels[0], channels[1], 15, block)
            #expect(aBack == a.blocked(block) && bBack == b.blocked(block), "block \(block)")
        }
    }

    @Test(arguments: Level.all, shapes + [[2, 33, 4, 5], [1, 64, 8, 8]])
    func layoutsHoldTheSameValues(_ level: Level, _ shape: [Int]) {
        let x = testImages(shape[0], shape[1], shape[2], shape[3], salt: 34)
        let tokens = Twin.tokens(x).floats
        for block in blocks {
            let memory = x.blocked(block)
            var out = garbage(memory.count)
            level.kernels.block_channels(x.values.floats, &out, x.images, x.channels, x.pixels, block)
            #expect(out == memory, "to blocks of \(block)")
            var plain = garbage(x.values.count)
            level.kernels.unblock_channels(memory, &plain, x.images, x.channels, x.pixels, block)
            #expect(plain == x.values.floats, "from blocks of \(block)")
            var rows = garbage(x.values.count)
            level.kernels.images_to_tokens(memory, &rows, x.images, x.channels, x.pixels, block)
            #expect(rows == tokens, "to tokens from blocks of \(block)")
            out = garbage(memory.count)
            level.kernels.tokens_to_images(tokens, &out, x.images, x.channels, x.pixels, block)
            #expect(out == memory, "from tokens to blocks of \(block)")
        }
    }
}
