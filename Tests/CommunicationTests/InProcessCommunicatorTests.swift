import Communication
import Synchronization
import Testing

private struct Planned: Error, Equatable {
    var rank: Int
}

@Suite struct InProcessCommunicatorTests {
    @Test func returnsValuesInRankOrder() throws {
        let values = try onRanks(5) { "rank \($0.rank) of \($0.size)" }
        #expect(values == (0..<5).map { "rank \($0) of 5" })
    }

    @Test(arguments: [0, 1, 2])
    func aFailingRankReleasesThoseThatWaitInACollective(failing: Int) {
        let codes = Mutex<[Int: CommunicationError.Code]>([:])
        #expect(throws: Planned(rank: failing)) {
            try onRanks(3) { communicator in
                try communicator.barrier()
                if communicator.rank == failing { throw Planned(rank: failing) }
                do {
                    try communicator.barrier()
                } catch let error as CommunicationError {
                    codes.withLock { $0[communicator.rank] = error.code }
                    #expect(error.reason.contains("Planned"), "the reason got lost: \(error)")
                    throw error
                }
            }
        }
        let others = (0..<3).filter { $0 != failing }
        #expect(
            codes.withLock { $0 } == Dictionary(uniqueKeysWithValues: others.map { ($0, .peerFailed(rank: failing)) }))
    }

    @Test func aFailingRankReleasesThoseThatWaitForAMessage() {
        #expect(throws: Planned(rank: 1)) {
            try onRanks(3) { communicator in
                if communicator.rank == 1 { throw Planned(rank: 1) }
                let exchange = try communicator.makeExchange(for: "a message that never comes")
                _ = try exchange.receive(into: FloatRegion(zeros: 4), from: 1)
                try exchange.wait()
            }
        }
    }

    @Test func aFailingRankReleasesThePartsOfASplit() {
        #expect(throws: Planned(rank: 3)) {
            try onRanks(4) { communicator in
                let part = try communicator.split(color: communicator.rank / 2, key: 0, name: "part")
                if communicator.rank == 3 { throw Planned(rank: 3) }
                while true { try part.barrier() }
            }
        }
    }

    @Test func aRankThatEndsReleasesThoseThatWait() throws {
        let codes = try onRanks(2) { communicator in
            guard communicator.rank == 0 else { return CommunicationError.Code?.none }
            do {
                try communicator.barrier()
                return nil
            } catch let error as CommunicationError {
                return error.code
            }
        }
        #expect(codes == [.peerFailed(rank: 1), nil])
    }

    @Test func aMessageFromARankThatHasEndedStillArrives() throws {
        let received = try onRanks(2) { communicator in
            let exchange = try communicator.makeExchange(for: "a farewell")
            let region = FloatRegion(zeros: 2)
            if communicator.rank == 1 {
                _ = try exchange.send(FloatRegion([3, 4]), to: 0)
            } else {
                _ = try exchange.receive(into: region, from: 1)
                try exchange.wait()
            }
            return region.scalars
        }
        #expect(received == [[3, 4], [0, 0]])
    }

    @Test func waitingForOneselfIsAnError() {
        #expect(throws: CommunicationError.self) {
            let exchange = try SoloCommunicator().makeExchange(for: "nothing")
            _ = try exchange.receive(into: FloatRegion(zeros: 1), from: 0)
            try exchange.wait()
        }
    }

    @Test func ranksThatWaitForEachOtherAreReleased() {
        let reasons = Mutex<[String]>([])
        #expect(throws: (any Error).self) {
            try onRanks(3) { communicator in
                do {
                    if communicator.rank == 0 {
                        try communicator.barrier()
                    } else {
                        let exchange = try communicator.makeExchange(for: "a circle")
                        _ = try exchange.receive(into: FloatRegion(zeros: 1), from: 3 - communicator.rank)
                        try exchange.wait()
                    }
                } catch let error as CommunicationError {
                    reasons.withLock { $0.append(error.reason) }
                    throw error
                }
            }
        }
        #expect(reasons.withLock { $0.count } == 3)
        #expect(reasons.withLock { $0.allSatisfy { $0.contains("every rank waits") } })
    }

    @Test func abortReportsRankAndReasonAndReleasesTheOthers() {
        let report = Mutex("")
        let codes = Mutex<Set<CommunicationError.Code>>([])
        #expect {
            try onRanks(3) { communicator in
                do {
                    if communicator.rank == 2 {
                        try communicator.abort(code: 71, reason: "loss is nan") { text in report.withLock { $0 = text }
                        }
                    }
                    try communicator.barrier()
                } catch let error as CommunicationError {
                    _ = codes.withLock { $0.insert(error.code) }
                    throw error
                }
            }
        } throws: { error in
            (error as? CommunicationError)?.code == .aborted(exitCode: 71)
        }
        #expect(report.withLock { $0 }.wholeMatch(of: /rank 2\/3 on \S+: loss is nan/) != nil)
        #expect(codes.withLock { $0 } == [.aborted(exitCode: 71), .peerFailed(rank: 2)])
    }

    @Test func oneProcessAbortsByThrowing() {
        #expect {
            try SoloCommunicator().abort(code: 65, reason: "bad data") { #expect($0.hasSuffix(": bad data")) }
        } throws: { error in
            (error as? CommunicationError)?.code == .aborted(exitCode: 65)
        }
    }

    @Test func anotherThreadMayNotUseACommunicator() async {
        await #expect(processExitsWith: .failure) {
            _ = try InProcessCommunicator.run(ranks: 2) { communicator in
                nonisolated(unsafe) let stolen = communicator
                _ = try InProcessCommunicator.run(ranks: 1) { _ in try stolen.barrier() }
            }
        }
    }

    @Test func errorsReadAsOneLine() {
        let error = CommunicationError(
            .invalidPeer, operation: "MPI_Isend", communicator: "world", rank: 3, size: 8, peer: 9, bytes: 4096,
            reason: "MPI_ERR_RANK: invalid rank")
        #expect("\(error)" == "rank 3/8 of world: MPI_Isend (4096 bytes, peer 9): MPI_ERR_RANK: invalid rank")
    }
}
