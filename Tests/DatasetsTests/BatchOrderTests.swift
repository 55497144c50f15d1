import Datasets
import Tensor
import Testing

@Suite struct BatchOrderTests {
    /// Part sizes and batch sizes: divisible, straddling, a part smaller than a batch, a part of one image.
    @Test(arguments: [(12, 4), (10, 4), (7, 3), (3, 8), (1, 5), (1_000, 64)])
    func everyImageComesOncePerEpoch(_ size: Int, _ batch: Int) {
        let part = (0..<size).map { 100 + 3 * $0 }
        let order = BatchOrder(part: part, batch: batch, seed: 5, model: 1)
        let epochs = 6
        var seen: [Int] = []
        for number in 0..<(epochs * size + batch - 1) / batch {
            let indices = order.batch(number)
            #expect(indices.count == batch)
            seen += indices
        }
        for epoch in 0..<epochs {
            #expect(seen[epoch * size..<(epoch + 1) * size].sorted() == part, "epoch \(epoch)")
        }
    }

    @Test func epochsArePermutedAnew() {
        let order = BatchOrder(part: Array(0..<50), batch: 50, seed: 5, model: 0)
        let epochs = (0..<10).map { order.batch($0) }
        #expect(Set(epochs).count == 10)
        #expect(!epochs.contains(Array(0..<50)))
    }

    @Test func batchesAreAddressedNotDrawn() {
        let part = Array(0..<37)
        let order = BatchOrder(part: part, batch: 8, seed: 5, model: 0)
        let inOrder = (0..<40).map { order.batch($0) }
        for number in (0..<40).reversed() {
            #expect(BatchOrder(part: part, batch: 8, seed: 5, model: 0).batch(number) == inOrder[number])
            #expect(order.batch(number) == inOrder[number])
        }
        #expect(BatchOrder(part: part, batch: 8, seed: 6, model: 0).batch(0) != inOrder[0])
        #expect(BatchOrder(part: part, batch: 8, seed: 5, model: 1).batch(0) != inOrder[0])
    }

    @Test func permutationIsThatOfTheAddress() {
        let source = RandomSource(seed: 9, purpose: .batchOrder, model: 2)
        let order = BatchOrder(part: Array(0..<20), batch: 20, seed: 9, model: 2)
        #expect(order.batch(3) == source.permutation(of: 20, step: 3))
    }
}
