import Communication
import Jobs
import Testing

/// The plan's arithmetic against that of the training itself, which the coordinator does not link.
@Suite struct PlanTests {
    /// Fails when the plan counts other subtrees, pieces or limits than the reduction has.
    @Test(arguments: [1, 2, 3, 4, 6, 8, 16, 24], [24, 96])
    func theRoomForReceivedSumsIsTheReductions(ranks: Int, lanes: Int) {
        for blocks in [1, 100, 2200] {
            let padded = blocks * MemoryPlan.block
            let reduction = ReductionPlan(lanes: lanes, shards: Shards(paddedCount: padded, ranks: ranks))
            let planned = MemoryPlan.receivingBytes(reduction.lanes, of: lanes, padded: padded)
            #expect(planned == (0..<ranks).map(reduction.temporaryBytes).max(), "\(blocks) blocks")
        }
    }
}
