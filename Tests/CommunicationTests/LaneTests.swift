import Communication
import Testing

@Suite struct LaneTests {
    @Test func contiguousRangesDifferByAtMostOneAndTheLongerComeFirst() {
        #expect(contiguousRanges(count: 8, among: 3) == [0..<3, 3..<6, 6..<8])
        #expect(contiguousRanges(count: 2, among: 4) == [0..<1, 1..<2, 2..<2, 2..<2])
        #expect(contiguousRanges(count: 0, among: 1) == [0..<0])
    }

    @Test func shardsAreWholeBlocksThatCoverTheVector() {
        let block = Shards.blockSize
        let shards = Shards(paddedCount: 7 * block, ranks: 3)
        #expect(shards.ranges == [0..<3 * block, 3 * block..<5 * block, 5 * block..<7 * block])
        #expect(shards.blocks(of: 1) == 3..<5)
        #expect(shards[2] == 5 * block..<7 * block)
        #expect(Shards(paddedCount: block, ranks: 2)[1].isEmpty)
        #expect(shards.bytesSentGathering(by: 0) == 3 * block * 2 * 4)
    }

    @Test func shardsOfAnUnpaddedVectorAreACallersMistake() async {
        await #expect(processExitsWith: .failure) { _ = Shards(paddedCount: 100, ranks: 1) }
    }

    @Test(arguments: [(2, 1), (3, 2), (4, 2), (5, 4), (6, 4), (7, 4), (8, 4), (9, 8), (24, 16)])
    func aNodeSplitsAtTheLargestPowerOfTwo(_ count: Int, _ left: Int) {
        #expect(LaneTree.middle(of: 0..<count) == left)
        #expect(LaneTree.middle(of: 5..<5 + count) == 5 + left)
    }

    @Test func subtreesAreTheLargestNodesInsideARange() {
        #expect(LaneTree(lanes: 8).subtrees(of: 0..<4) == [0..<4])
        #expect(LaneTree(lanes: 8).subtrees(of: 3..<6) == [3..<4, 4..<6])
        #expect(LaneTree(lanes: 8).subtrees(of: 1..<7) == [1..<2, 2..<4, 4..<6, 6..<7])
        #expect(LaneTree(lanes: 7).subtrees(of: 4..<7) == [4..<7])
        #expect(LaneTree(lanes: 7).subtrees(of: 0..<7) == [0..<7])
        #expect(LaneTree(lanes: 6).subtrees(of: 2..<6) == [2..<4, 4..<6])
        #expect(LaneTree(lanes: 1).subtrees(of: 0..<1) == [0..<1])
    }

    @Test func onlySiblingsHaveAParent() {
        let tree = LaneTree(lanes: 7)
        #expect(tree.parent(of: 0..<4, and: 4..<7) == 0..<7)
        #expect(tree.parent(of: 4..<6, and: 6..<7) == 4..<7)
        #expect(tree.parent(of: 2..<4, and: 4..<6) == nil)
        #expect(tree.parent(of: 1..<2, and: 2..<3) == nil)
        #expect(tree.parent(of: 0..<2, and: 3..<4) == nil)
        #expect(LaneTree(lanes: 5).parent(of: 3..<4, and: 4..<5) == nil)
    }

    @Test(arguments: [(1..<2, 1), (0..<1, 1), (0..<2, 2), (0..<8, 4), (0..<16, 5), (1..<15, 6), (0..<24, 5)])
    func aRankHoldsFewSumsAtATime(_ lanes: Range<Int>, _ peak: Int) {
        #expect(LaneTree(lanes: max(lanes.upperBound, 16)).peakSums(of: lanes) == peak)
    }

    @Test func additionsFollowTheTree() {
        let additions = LaneTree(lanes: 8).additions(over: [0..<1, 1..<2, 2..<4, 4..<8])
        #expect(additions.map { [$0.target, $0.source] } == [[0, 1], [0, 2], [0, 3]])
        #expect(LaneTree(lanes: 3).additions(over: [0..<3]).isEmpty)
    }

    @Test func subtreesThatDoNotCoverTheTreeAreACallersMistake() async {
        await #expect(processExitsWith: .failure) { _ = LaneTree(lanes: 4).additions(over: [0..<2, 2..<3]) }
    }
}

@Suite struct LaneAccumulatorTests {
    /// A sum as the expression that made it.
    private final class Expression {
        var text: String
        init(_ text: String) { self.text = text }
    }

    private func accumulate(_ lanes: Range<Int>, of total: Int) -> (sums: [String], peak: Int) {
        var peak = 0
        var accumulator = LaneAccumulator<Expression>(
            tree: LaneTree(lanes: total), lanes: lanes, add: { $0.text = "(\($0.text) \($1.text))" })
        for lane in lanes {
            accumulator.append(Expression("\(lane)"))
            peak = max(peak, accumulator.sums.count)
        }
        return (accumulator.finish().map(\.buffer.text), peak)
    }

    @Test func addsInTheOrderOfTheTree() {
        #expect(accumulate(0..<4, of: 4).sums == ["((0 1) (2 3))"])
        #expect(accumulate(0..<7, of: 7).sums == ["(((0 1) (2 3)) ((4 5) 6))"])
        #expect(accumulate(3..<7, of: 8).sums == ["3", "(4 5)", "6"])
        #expect(accumulate(2..<2, of: 8).sums == [])
    }

    @Test(arguments: [(0..<1, 1), (0..<4, 4), (0..<7, 7), (3..<7, 8), (2..<5, 6)])
    func whatTheLastLaneLeavesToAddIsWhatFinishWouldHaveAdded(lanes: Range<Int>, total: Int) {
        var accumulator = LaneAccumulator<Expression>(
            tree: LaneTree(lanes: total), lanes: lanes, add: { $0.text = "(\($0.text) \($1.text))" })
        for _ in 1...2 {
            for lane in lanes.dropLast() { accumulator.append(Expression("\(lane)")) }
            let last = Expression("")
            let ending = accumulator.end(with: last)
            last.text = "\(lanes.upperBound - 1)"
            for addition in ending.additions {
                let (target, source) = (ending.buffers[addition.target], ending.buffers[addition.source])
                target.text = "(\(target.text) \(source.text))"
            }
            let sums = ending.subtrees.map { ending.buffers[$0].text }
            #expect(sums == accumulate(lanes, of: total).sums)
        }
    }

    /// So that its memory is free for the next lane.
    @Test func dropsEveryBufferThatIsMerged() {
        var accumulator = LaneAccumulator<Expression>(
            tree: LaneTree(lanes: 2), lanes: 0..<2, add: { $0.text += $1.text })
        weak var merged: Expression?
        accumulator.append(Expression("0"))
        do {
            let gradient = Expression("1")
            merged = gradient
            accumulator.append(gradient)
        }
        #expect(merged == nil)
        #expect(accumulator.finish().map(\.buffer.text) == ["01"])
    }

    @Test func holdsLogarithmicallyManySums() {
        #expect(accumulate(0..<64, of: 64).peak <= 6)
        #expect(LaneTree(lanes: 64).peakSums(of: 0..<64) == 7)
    }

    @Test func startsOverAfterFinish() {
        var accumulator = LaneAccumulator<[Float]>(
            tree: LaneTree(lanes: 2), lanes: 0..<2, add: { $0[0] += $1[0] })
        for step in 1...2 {
            accumulator.append([Float(step)])
            #expect(!accumulator.isComplete)
            accumulator.append([10])
            #expect(accumulator.isComplete)
            #expect(accumulator.finish().map(\.buffer) == [[Float(step) + 10]])
        }
    }

    @Test func aMissingLaneIsACallersMistake() async {
        await #expect(processExitsWith: .failure) {
            var accumulator = LaneAccumulator<Int>(
                tree: LaneTree(lanes: 2), lanes: 0..<2, add: { $0 += $1 })
            accumulator.append(1)
            _ = accumulator.finish()
        }
    }
}

@Suite struct ReductionPlanTests {
    private let block = Shards.blockSize

    @Test func completeSubtreesCostNoMoreThanAStandardReduceScatter() {
        for (lanes, ranks) in [(8, 1), (8, 2), (8, 4), (8, 8), (4, 2), (24, 1)] {
            let plan = ReductionPlan(lanes: lanes, shards: Shards(paddedCount: 8 * block, ranks: ranks))
            #expect(plan.extraBytes == 0, "\(lanes) lanes on \(ranks) ranks")
        }
    }

    @Test func brokenSubtreesCostWhatTheyAre() {
        let plan = ReductionPlan(lanes: 8, shards: Shards(paddedCount: 6 * block, ranks: 3))
        #expect(plan.subtrees == [[0..<2, 2..<3], [3..<4, 4..<6], [6..<8]])
        #expect((0..<3).map(plan.bytesSent(by:)) == [2, 2, 1].map { $0 * 4 * block * 4 })
        #expect(plan.bytesSentByStandardReduceScatter(by: 0) == 4 * block * 4)
        #expect(plan.extraBytes == 2 * 4 * block * 4)
    }

    @Test func temporaryMemoryStaysWithinItsLimit() {
        for ranks in [2, 3, 8, 24, 64] {
            let plan = ReductionPlan(lanes: 96, shards: Shards(paddedCount: 2200 * block, ranks: ranks))
            for rank in 0..<ranks {
                #expect(plan.temporaryBytes(at: rank) > 0)
                #expect(plan.temporaryBytes(at: rank) <= plan.limits.temporaryBytes, "rank \(rank) of \(ranks)")
            }
        }
        #expect(ReductionPlan(lanes: 4, shards: Shards(paddedCount: block, ranks: 1)).temporaryBytes(at: 0) == 0)
    }
}

@Suite struct FloatRegionTests {
    @Test(arguments: [0, 1, 15, 16, 17, 4099])
    func addsElementByElement(count: Int) {
        let left = (0..<count).map { Float($0) * 0.1 }
        let right = (0..<count).map { 1 / Float($0 + 1) }
        let target = FloatRegion(left)
        target.add(FloatRegion(right))
        #expect(target.scalars == zip(left, right).map(+))
        let sum = FloatRegion(zeros: count)
        sum.setSum(of: FloatRegion(left), and: FloatRegion(right))
        #expect(sum.scalars == target.scalars)
    }

    @Test func partsShareMemoryAndKeepItAlive() {
        var whole: FloatRegion? = FloatRegion([1, 2, 3, 4])
        let part = whole?[1..<3]
        part?.copy(from: FloatRegion([7, 8]))
        #expect(whole?.scalars == [1, 7, 8, 4])
        whole = nil
        #expect(part?.scalars == [7, 8])
    }

    @Test func aRangeOutsideIsACallersMistake() async {
        await #expect(processExitsWith: .failure) { _ = FloatRegion(zeros: 4)[2..<5] }
    }
}
