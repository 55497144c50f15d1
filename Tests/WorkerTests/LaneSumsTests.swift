import Communication
import Tensor
import Testing
import Worker

@Suite struct LaneSumsTests {
    /// Numbers whose sum depends on the order of additions.
    static let gradients: [Float] = [1e8, 1, -1e8, 3, 0.5, 1e7, -7, 2]

    @Test(arguments: [1, 2, 4, 5, 6, 8]) func oneRankAddsInTheOrderOfTheTree(lanes: Int) {
        let (sums, gradients, _) = makeSums(lanes: lanes, ranks: 1, rank: 0)
        #expect(feed(sums, gradients, lanes: 0..<lanes) { $0.map { $0[5] } } == [treeSum(0..<lanes)])
    }

    @Test func aRankHandsOverTheSumsOfItsCompleteSubtrees() {
        let (sums, gradients, plan) = makeSums(lanes: 6, ranks: 2, rank: 1)
        #expect(plan.subtrees[1] == [3..<4, 4..<6])
        #expect(feed(sums, gradients, lanes: 3..<6) { $0.map { $0[0] } } == [3, treeSum(4..<6)])
    }

    @Test(arguments: [(1, 0, 0), (2, 1, 1), (4, 2, 2), (6, 3, 2), (8, 4, 3)])
    func copiesAsLittleAsTheTreeAllows(lanes: Int, copies: Int, vectors: Int) {
        let (sums, gradients, _) = makeSums(lanes: lanes, ranks: 1, rank: 0)
        for step in 1...3 {
            feed(sums, gradients, lanes: 0..<lanes) { _ in }
            // The same few vectors serve every step.
            #expect(sums.copiesMade == step * copies)
            #expect(sums.vectorsMade == vectors)
        }
    }

    @Test func theLastLaneStaysInTheModelsOwnVector() {
        let (sums, gradients, _) = makeSums(lanes: 6, ranks: 2, rank: 0)
        #expect(feed(sums, gradients, lanes: 0..<3) { $0.map { $0 === gradients } } == [false, true])
    }

    /// The last lane's gradient comes in parts, the later ones written after the earlier ones were added.
    @Test(arguments: [4, 6, 7, 8]) func theLastLaneIsAddedPartByPart(lanes: Int) {
        let (sums, gradients, _) = makeSums(lanes: lanes, ranks: 1, rank: 0)
        for lane in 0..<lanes - 1 {
            gradients.fill(0..<gradients.count, with: Self.gradients[lane])
            sums.append()
        }
        gradients.fill(0..<gradients.count, with: .nan)
        sums.withLastLane { last in
            for range in [9000..<gradients.count, 0..<10, 10..<9000] {
                gradients.fill(range, with: Self.gradients[lanes - 1])
                last.add(range)
                #expect(last.sums[0][range].allSatisfy { $0 == treeSum(0..<lanes) }, "\(range)")
            }
        }
    }

    private func makeSums(lanes: Int, ranks: Int, rank: Int) -> (LaneSums, FloatBuffer, ReductionPlan) {
        let shards = Shards(paddedCount: ParameterVector.blockSize, ranks: ranks)
        let plan = ReductionPlan(lanes: lanes, shards: shards)
        let gradients = FloatBuffer(count: shards.count)
        return (LaneSums(plan: plan, rank: rank, gradients: gradients), gradients, plan)
    }

    @discardableResult private func feed<Result>(
        _ sums: LaneSums, _ gradients: FloatBuffer, lanes: Range<Int>, _ body: ([FloatBuffer]) -> Result
    ) -> Result {
        for lane in lanes.dropLast() {
            gradients.fill(0..<gradients.count, with: Self.gradients[lane])
            sums.append()
        }
        return sums.withLastLane { last in
            gradients.fill(0..<gradients.count, with: Self.gradients[lanes.upperBound - 1])
            last.add(0..<gradients.count)
            return body(last.sums)
        }
    }

    /// The tree's definition: a node splits after the largest power of two below its length.
    private func treeSum(_ node: Range<Int>) -> Float {
        if node.count == 1 { return Self.gradients[node.lowerBound] }
        var left = 1
        while 2 * left < node.count { left *= 2 }
        let middle = node.lowerBound + left
        return treeSum(node.lowerBound..<middle) + treeSum(middle..<node.upperBound)
    }
}
