import Communication
import Glibc

let collectiveChecks: [ConformanceCheck] = [
    ConformanceCheck("ranks are numbered from zero, and hosts have names") { communicator in
        let ranks: [Int] = try communicator.allGather(communicator.rank)
        try expectEqual(ranks, Array(0..<communicator.size), "ranks")
        try expect(!communicator.host.isEmpty, "the host has no name")
    },
    ConformanceCheck("nobody leaves a barrier before everybody has come") { communicator in
        if communicator.rank == communicator.size - 1 { usleep(20_000) }
        let enter = seconds()
        try communicator.barrier()
        let leave = seconds()
        let times: [[Double]] = try communicator.allGather([enter, leave])
        let last = times.map { $0[0] }.max() ?? 0
        try expect(times.allSatisfy { $0[1] >= last }, "a rank left before \(last): \(times)")
    },
    ConformanceCheck("a broadcast reaches every rank from every root, at any length") { communicator in
        for root in 0..<communicator.size {
            for length in [0, 1, 4097, 100_003] {
                let message = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ root) }
                let mine = communicator.rank == root ? message : [9, 9]
                let received = try communicator.broadcast(mine, root: root)
                try expect(received == message, "\(length) bytes from \(root) differ")
            }
        }
    },
    ConformanceCheck("an all-gather keeps each rank's length and order") { communicator in
        for factor in [0, 1, 7, 5000] {
            let all = try communicator.allGather(
                [UInt8](repeating: UInt8(communicator.rank + 1), count: communicator.rank * factor))
            let expected = (0..<communicator.size).map {
                [UInt8](repeating: UInt8($0 + 1), count: $0 * factor)
            }
            try expect(all == expected, "gathered lengths \(all.map(\.count))")
        }
    },
    ConformanceCheck("the parts of a split talk among themselves, ordered by key") { communicator in
        let (rank, size) = (communicator.rank, communicator.size)
        let color = rank % 2
        let part = try communicator.split(color: color, key: -rank, name: "part \(color)")
        let expected = Array((0..<size).filter { $0 % 2 == color }.reversed())
        try expectEqual(part.size, expected.count, "size of the part")
        // The parts call different numbers of collectives at the same time.
        for _ in 0...color {
            let members: [Int] = try part.allGather(rank)
            try expectEqual(members, expected, "members of part \(color)")
        }
        let exchange = try part.makeExchange(for: "a ring in the part")
        let received = FloatRegion(zeros: 1)
        let next = (part.rank + 1) % part.size
        let previous = (part.rank + part.size - 1) % part.size
        _ = try exchange.receive(into: received, from: previous)
        _ = try exchange.send(FloatRegion([Float(rank)]), to: next)
        try exchange.wait()
        try expectEqual(received.scalars, [Float(expected[previous])], "the predecessor's message")
        try part.finalize()
        try communicator.barrier()
    },
    ConformanceCheck("a split of a split has its own ranks") { communicator in
        let halves = contiguousRanges(count: communicator.size, among: min(2, communicator.size))
        let half = halves.firstIndex { $0.contains(communicator.rank) } ?? 0
        let part = try communicator.split(color: half, key: communicator.rank, name: "half \(half)")
        let alone = try part.split(color: part.rank, key: 0, name: "alone")
        try expectEqual(alone.size, 1, "size of a part of one")
        try expectEqual(part.rank, communicator.rank - halves[half].lowerBound, "rank in the half")
        let sum = try part.allSum(Double(communicator.rank))
        try expectEqual(sum, Double(halves[half].reduce(0, +)), "sum in the half")
    },
    ConformanceCheck("a duplicate's messages are its own") { communicator in
        let copy = try communicator.duplicate(name: "copy")
        try expectEqual(copy.rank, communicator.rank, "rank in the duplicate")
        let next = (communicator.rank + 1) % communicator.size
        let previous = (communicator.rank + communicator.size - 1) % communicator.size
        let original = try communicator.makeExchange(for: "original")
        let copied = try copy.makeExchange(for: "copy")
        _ = try original.send(FloatRegion([1]), to: next)
        _ = try copied.send(FloatRegion([2]), to: next)
        let (first, second) = (FloatRegion(zeros: 1), FloatRegion(zeros: 1))
        _ = try copied.receive(into: second, from: previous)
        try copied.wait()
        _ = try original.receive(into: first, from: previous)
        try original.wait()
        try expectEqual(first.scalars + second.scalars, [1, 2], "messages")
        try copy.finalize()
    },
]

/// Seconds of a clock that processes of one host share.
private func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
