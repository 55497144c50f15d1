import Communication
import CommunicationConformance
import Testing

/// Every check on one process and on simulated ranks; `mpi-tests` runs the same ones on MPI processes.
@Suite struct ConformanceTests {
    static let threadCases = [1, 2, 3, 4, 8].flatMap { ranks in
        ConformanceCheck.all.filter { $0.minimumRanks <= ranks }.map { (ranks, $0) }
    }

    @Test(arguments: ConformanceCheck.all.filter { $0.minimumRanks == 1 })
    func holdsOnOneProcess(_ check: ConformanceCheck) throws {
        try check.run(SoloCommunicator())
    }

    @Test(arguments: threadCases)
    func holdsOnThreads(_ ranks: Int, _ check: ConformanceCheck) throws {
        _ = try onRanks(ranks) { try check.run($0) }
    }
}
