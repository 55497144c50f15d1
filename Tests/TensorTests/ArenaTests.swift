import Tensor
import Testing

@Suite struct ArenaTests {
    /// Against a map of single bytes: places never overlap, each is the lowest that fits, and all is free in the end.
    @Test func lendsTheLowestPlaceThatFits() {
        var arena = Arena(capacity: 512)
        var taken = [Bool](repeating: false, count: 512)
        var lent: [Range<Int>] = []
        let numbers = RandomSource(seed: 5, purpose: .testing).uniform(count: 4000, step: 0, item: 0)
        for (turn, number) in numbers.enumerated() {
            if turn % 3 != 2 || lent.isEmpty {
                let bytes = 1 + Int(number * 60)
                let lowest = (0...512 - bytes).first { start in !taken[start..<start + bytes].contains(true) }
                let found = arena.take(bytes)
                #expect(found == lowest)
                guard let found else { continue }
                for byte in found..<found + bytes { taken[byte] = true }
                lent.append(found..<found + bytes)
            } else {
                let place = lent.remove(at: Int(number * Float(lent.count)))
                for byte in place { taken[byte] = false }
                arena.giveBack(place)
            }
        }
        #expect(arena.highWater > 256 && arena.highWater <= 512)
        lent.forEach { arena.giveBack($0) }
        #expect(arena.take(512) == 0)
        #expect(arena.take(1) == nil)
    }

    @Test func refusesWhatItHasNotLent() async {
        await #expect(processExitsWith: .failure) {
            var arena = Arena(capacity: 100)
            _ = arena.take(10)
            arena.giveBack(5..<20)
        }
    }

    /// Blocks of different sizes share one memory: kept by size they would take the sum of both.
    @Test func sizesShareMemory() async {
        await #expect(processExitsWith: .success) {
            let before = StoragePool.shared.statistics.bytes
            for megabytes in 1...16 {
                let tensor = Tensor.zeros([megabytes << 18])
                withExtendedLifetime(tensor) {}
            }
            guard StoragePool.shared.statistics.bytes - before <= 16 << 20 else { fatalError("sizes do not share") }
        }
    }
}
