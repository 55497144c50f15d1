import Communication

/// What a check throws on purpose.
private struct Planned: Error, CustomStringConvertible {
    var description: String { "planned failure" }
}

private struct Finding: Codable, Equatable {
    var name: String
    var loss: Double
}

let agreementChecks: [ConformanceCheck] = [
    ConformanceCheck("doubles travel bit for bit") { communicator in
        let rank = communicator.rank
        let values = [-0.0, .leastNonzeroMagnitude, .infinity, Double(nan: 77, signaling: false), 0.1 * Double(rank)]
        let all: [[Double]] = try communicator.allGather(values)
        for (peer, found) in all.enumerated() {
            let expected = values.dropLast() + [0.1 * Double(peer)]
            try expectEqual(found.map(\.bitPattern), expected.map(\.bitPattern), "doubles of rank \(peer)")
        }
    },
    ConformanceCheck("sums are added in rank order") { communicator in
        // Rounding makes every order of these give another sum.
        func value(_ rank: Int) -> Double { [1e16, 1, -1e16, 3.3, 0.7, -2e15, 1e-3, 5][rank % 8] }
        let expected = (0..<communicator.size).dropFirst().reduce(value(0)) { $0 + value($1) }
        let sums = try communicator.allSum([value(communicator.rank), 2])
        try expectEqual(sums, [expected, Double(2 * communicator.size)], "sums")
        let one = try communicator.allSum(value(communicator.rank))
        try expectEqual(one, expected, "one sum")
    },
    ConformanceCheck("maxima and conditions are those of all ranks") { communicator in
        let last = communicator.size - 1
        let isLast = communicator.rank == last
        try expectEqual(try communicator.allMax(Double(-communicator.rank)), 0, "maximum")
        try expectEqual(try communicator.allMax([isLast ? 7 : 1, -1]), [7, -1], "maxima")
        try expect(try communicator.allMax(isLast ? .nan : 1).isNaN, "a NaN got lost")
        try expect(try communicator.anyTrue(isLast), "the last rank's true got lost")
        try expect(try !communicator.anyTrue(false), "nobody said true")
    },
    ConformanceCheck("only the root gets what is gathered on it") { communicator in
        for root in 0..<communicator.size {
            let values = try communicator.gatherOnRoot(
                Finding(name: "rank", loss: Double(communicator.rank)), root: root)
            let all = (0..<communicator.size).map { Finding(name: "rank", loss: Double($0)) }
            try expectEqual(values, communicator.rank == root ? all : nil, "gathered on \(root)")
        }
    },
    ConformanceCheck("work on the root gives every rank its value") { communicator in
        for root in 0..<communicator.size {
            var runs = 0
            let value = try communicator.onRoot(root: root) {
                runs += 1
                return Finding(name: "from \(communicator.rank)", loss: 0.1 + 0.2)
            }
            try expectEqual(value, Finding(name: "from \(root)", loss: 0.1 + 0.2), "value")
            try expectEqual(runs, communicator.rank == root ? 1 : 0, "runs of the body")
        }
        let infinite = try communicator.onRoot { -Double.infinity }
        try expectEqual(infinite, -.infinity, "infinity")
        try communicator.onRoot {}
    },
    ConformanceCheck("an error on the root is thrown on every rank") { communicator in
        let root = communicator.size - 1
        do {
            _ = try communicator.onRoot(root: root) { () throws -> Int in throw Planned() }
            try expect(false, "no error was thrown")
        } catch is Planned {
            try expectEqual(communicator.rank, root, "rank with the root's own error")
        } catch let error as CommunicationError {
            try expect(communicator.rank != root, "the root lost its own error")
            try expectEqual(error.code, .peerFailed(rank: root), "code")
            try expect(error.reason.contains("planned failure"), "the reason got lost: \(error)")
        }
        do {
            try communicator.onRoot(root: root) { throw Planned() }
            try expect(false, "no error was thrown")
        } catch is Planned {} catch is CommunicationError {}
        try communicator.barrier()
    },
    ConformanceCheck("work on every rank fails everywhere if it fails anywhere") { communicator in
        let last = communicator.size - 1
        let value = try communicator.onEveryRank("counting") { communicator.rank + 1 }
        try expectEqual(value, communicator.rank + 1, "own value")
        do {
            try communicator.onEveryRank("reading") {
                if communicator.rank == last { throw Planned() }
            }
            try expect(false, "no error was thrown")
        } catch is Planned {
            try expectEqual(communicator.rank, last, "rank with the error")
        } catch let error as CommunicationError {
            try expect(communicator.rank != last, "the failing rank lost its own error")
            try expectEqual(error.code, .peerFailed(rank: last), "code")
            try expect(error.description.contains("reading"), "the operation got lost: \(error)")
        }
    },
    ConformanceCheck("a disagreement names the rank that differs", minimumRanks: 2) { communicator in
        let last = communicator.size - 1
        try communicator.requireAgreement(on: ["avx512", "2.6.3"], named: "the numerics profile")
        let error = try expectCommunicationError("disagreement") {
            try communicator.requireAgreement(
                on: communicator.rank == last ? "avx2" : "avx512", named: "the instruction set")
        }
        try expectEqual(error.code, .disagreement, "code")
        try expectEqual(error.peer, last, "rank that differs")
        try expect(error.reason.contains("instruction set") && error.reason.contains("avx2"), "reason: \(error)")
        let lengths = try expectCommunicationError("lengths") {
            _ = try communicator.allSum([Double](repeating: 1, count: communicator.rank == last ? 2 : 1))
        }
        try expectEqual(lengths.code, .disagreement, "code of unequal lengths")
    },
]
