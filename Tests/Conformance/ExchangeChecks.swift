import Communication

let exchangeChecks: [ConformanceCheck] = [
    ConformanceCheck("floats go round a ring, in order, at any length") { communicator in
        let (rank, size) = (communicator.rank, communicator.size)
        let lengths = [0, 1, 3, 4096, 100_003]
        func message(from rank: Int, _ length: Int) -> [Float] {
            (0..<length).map { Float($0 % 1001) + Float(rank) * 0.25 }
        }
        let exchange = try communicator.makeExchange(for: "ring")
        let previous = (rank + size - 1) % size
        let received = lengths.map { FloatRegion(zeros: $0) }
        var transfers = try received.map { try exchange.receive(into: $0, from: previous) }
        for length in lengths {
            transfers.append(try exchange.send(FloatRegion(message(from: rank, length)), to: (rank + 1) % size))
        }
        try exchange.wait()
        try expect(transfers.allSatisfy(\.isComplete), "transfers are not complete after wait")
        try expectEqual(exchange.pending, 0, "transfers under way after wait")
        for (length, region) in zip(lengths, received) {
            try expectSameBits(region.scalars, message(from: previous, length), "\(length) floats")
        }
    },
    ConformanceCheck("every rank can send to every rank at once, itself included") { communicator in
        let (rank, size) = (communicator.rank, communicator.size)
        let exchange = try communicator.makeExchange(for: "all to all")
        let received = (0..<size).map { _ in FloatRegion(zeros: 5000) }
        for peer in 0..<size { _ = try exchange.receive(into: received[peer], from: peer) }
        for peer in 0..<size {
            _ = try exchange.send(FloatRegion([Float](repeating: Float(rank * 100 + peer), count: 5000)), to: peer)
        }
        while exchange.pending > 0 { try exchange.progress() }
        for peer in 0..<size {
            let expected = [Float](repeating: Float(peer * 100 + rank), count: 5000)
            try expectSameBits(received[peer].scalars, expected, "message of \(peer)")
        }
    },
    ConformanceCheck("exchanges do not take each other's messages") { communicator in
        let (rank, size) = (communicator.rank, communicator.size)
        let (next, previous) = ((rank + 1) % size, (rank + size - 1) % size)
        let first = try communicator.makeExchange(for: "first")
        let second = try communicator.makeExchange(for: "second")
        let (one, two) = (FloatRegion(zeros: 1), FloatRegion(zeros: 1))
        _ = try first.send(FloatRegion([1]), to: next)
        _ = try second.send(FloatRegion([2]), to: next)
        _ = try second.receive(into: two, from: previous)
        try second.wait()
        _ = try first.receive(into: one, from: previous)
        try first.wait()
        try expectEqual(one.scalars + two.scalars, [1, 2], "messages")
    },
    ConformanceCheck("a part of a region is received in its place") { communicator in
        let (rank, size) = (communicator.rank, communicator.size)
        let exchange = try communicator.makeExchange(for: "part")
        let whole = FloatRegion([9, 9, 9, 9, 9])
        _ = try exchange.receive(into: whole[1..<3], from: (rank + size - 1) % size)
        _ = try exchange.send(FloatRegion([0, 1, 2, 3])[2..<4], to: (rank + 1) % size)
        try exchange.wait()
        try expectEqual(whole.scalars, [9, 2, 3, 9, 9], "region")
    },
]

let errorChecks: [ConformanceCheck] = [
    ConformanceCheck("a bad peer is an error with rank, operation and peer") { communicator in
        let exchange = try communicator.makeExchange(for: "bad peers")
        for peer in [communicator.size, communicator.size + 1000, -1, -2] {
            for sends in [true, false] {
                let region = FloatRegion(zeros: 2)
                let error = try expectCommunicationError("peer \(peer)") {
                    _ = sends ? try exchange.send(region, to: peer) : try exchange.receive(into: region, from: peer)
                }
                try expectEqual(error.code, .invalidPeer, "code")
                try expectEqual(error.rank, communicator.rank, "rank")
                try expectEqual(error.size, communicator.size, "size")
                try expectEqual(error.peer, peer, "peer")
                try expectEqual(error.bytes, 8, "bytes")
                let operation = error.operation.lowercased()
                try expect(operation.contains(sends ? "send" : "rec"), "operation: \(error)")
                try expect(error.description.contains("rank \(communicator.rank)/\(communicator.size)"), "\(error)")
                try expect(!error.reason.isEmpty, "no reason: \(error)")
            }
        }
        try expectEqual(exchange.pending, 0, "transfers under way after errors")
        let root = try expectCommunicationError("bad root") {
            _ = try communicator.broadcast([1], root: communicator.size)
        }
        try expectEqual(root.code, .invalidPeer, "code of a bad root")
        try communicator.barrier()
    },
    ConformanceCheck("a message of another length is an error") { communicator in
        let (rank, size) = (communicator.rank, communicator.size)
        // Open MPI does not report a message to oneself that is too long, only one that is too short.
        for expected in size == 1 ? [8] : [3, 8] {
            let exchange = try communicator.makeExchange(for: "lengths")
            let transfer = try exchange.receive(into: FloatRegion(zeros: expected), from: (rank + size - 1) % size)
            _ = try exchange.send(FloatRegion(zeros: 5), to: (rank + 1) % size)
            let error = try expectCommunicationError("\(expected) floats expected, 5 sent") {
                while !transfer.isComplete { try exchange.waitForSome() }
            }
            try expectEqual(error.code, .unexpectedLength, "code")
            try expectEqual(error.peer, (rank + size - 1) % size, "peer")
            try exchange.wait()
            try communicator.barrier()
        }
    },
    ConformanceCheck("different collectives are an error everywhere, and no hang", minimumRanks: 2) { communicator in
        let copy = try communicator.duplicate(name: "mismatch")
        let last = communicator.size - 1
        let error = try expectCommunicationError("barrier against broadcast") {
            if communicator.rank == last {
                try copy.barrier()
            } else {
                _ = try copy.broadcast([1], root: 0)
            }
        }
        try expectEqual(error.code, .mismatchedCollective, "code")
        try expect(error.reason.contains("rank \(last) called barrier"), "reason: \(error)")
        try expect(error.reason.contains("rank 0 called broadcast from 0"), "reason: \(error)")
        try communicator.barrier()
    },
    ConformanceCheck("different roots are an error everywhere", minimumRanks: 2) { communicator in
        let copy = try communicator.duplicate(name: "roots")
        let error = try expectCommunicationError("two roots") {
            _ = try copy.broadcast([1], root: communicator.rank == 0 ? 0 : 1)
        }
        try expectEqual(error.code, .mismatchedCollective, "code")
    },
    ConformanceCheck("an exchange that one rank alone made shows at the next collective", minimumRanks: 2) {
        communicator in
        let copy = try communicator.duplicate(name: "exchanges")
        if communicator.rank == 1 { _ = try copy.makeExchange(for: "nobody") }
        let error = try expectCommunicationError("an exchange too many") { try copy.barrier() }
        try expectEqual(error.code, .mismatchedCollective, "code")
    },
]
