import Communication
import Tensor
import Testing
import Worker

/// Parameters of a block each.
private struct Wide: Module {
    let parameters: [Parameter]

    init(blocks: Int) {
        parameters = (0..<blocks).map {
            Parameter(name: "\($0)", shape: [ParameterVector.blockSize], initialization: .zeros)
        }
    }
}

@Suite struct LaneSumsTests {
    /// Numbers whose sum depends on the order of additions.
    static let gradients: [Float] = [1e8, 1, -1e8, 3, 0.5, 1e7, -7, 2]

    @Test(arguments: [1, 2, 4, 5, 6, 8]) func oneRankAddsInTheOrderOfTheTree(lanes: Int) {
        let (sums, gradients, _) = makeSums(lanes: lanes, ranks: 1, rank: 0)
        #expect(feed(sums, gradients, lanes: 0..<lanes) { $0.map { scalars($0, 5..<6) } } == [[treeSum(0..<lanes)]])
    }

    @Test func aRankHandsOverTheSumsOfItsCompleteSubtrees() {
        let (sums, gradients, plan) = makeSums(lanes: 6, ranks: 2, rank: 1)
        #expect(plan.subtrees[1] == [3..<4, 4..<6])
        #expect(feed(sums, gradients, lanes: 3..<6) { $0.map { scalars($0, 0..<1) } } == [[3], [treeSum(4..<6)]])
    }

    /// In a process of its own, since the pool is the process's.
    @Test func holdsAsFewVectorsAsTheTreeAllows() async {
        await #expect(processExitsWith: .success) {
            for (lanes, vectors) in [(1, 1), (2, 2), (4, 3), (6, 3), (8, 4)] {
                let plan = ReductionPlan(
                    lanes: lanes, shards: Shards(paddedCount: 40 * ParameterVector.blockSize, ranks: 1))
                let model = Wide(blocks: 40)
                let parameters = ParameterVector(model)
                let sums = LaneSums(plan: plan, rank: 0, parameters: parameters)
                let before = StoragePool.shared.statistics.bytesInUse
                for _ in 0..<lanes - 1 {
                    parameters.gradientVector.fill(0..<parameters.paddedCount, with: 1)
                    sums.append()
                }
                var most = 0
                sums.withLastLane { last in
                    parameters.gradientVector.fill(0..<parameters.paddedCount, with: 1)
                    most = StoragePool.shared.statistics.bytesInUse - before
                    last.add(0..<parameters.paddedCount)
                }
                guard most == vectors * 4 * parameters.paddedCount else {
                    fatalError("\(lanes) lanes took \(most) bytes, not \(vectors) vectors")
                }
                guard StoragePool.shared.statistics.bytesInUse == before else {
                    fatalError("memory was not given back")
                }
            }
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
        sums.withLastLane { last in
            for range in [9000..<gradients.count, 0..<10, 10..<9000] {
                gradients.fill(range, with: Self.gradients[lanes - 1])
                last.add(range)
                #expect(scalars(last.sums[0], range).allSatisfy { $0 == treeSum(0..<lanes) }, "\(range)")
            }
        }
    }

    private func scalars(_ gradients: GradientVector, _ range: Range<Int>) -> [Float] {
        let copy = FloatBuffer(count: range.count)
        gradients.copy(range, to: copy, at: 0)
        return copy.scalars
    }

    private func makeSums(lanes: Int, ranks: Int, rank: Int) -> (LaneSums, GradientVector, ReductionPlan) {
        let shards = Shards(paddedCount: ParameterVector.blockSize, ranks: ranks)
        let plan = ReductionPlan(lanes: lanes, shards: shards)
        let parameters = ParameterVector(Wide(blocks: 1))
        return (LaneSums(plan: plan, rank: rank, parameters: parameters), parameters.gradientVector, plan)
    }

    @discardableResult private func feed<Result>(
        _ sums: LaneSums, _ gradients: GradientVector, lanes: Range<Int>, _ body: ([GradientVector]) -> Result
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
