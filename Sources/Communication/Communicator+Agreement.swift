import Foundation

/// Values and verdicts shared by all ranks. Every function here is a collective.
extension Communicator {
    /// Runs `body` on the root and returns its value on every rank.
    ///
    /// If `body` throws, its error is thrown on the root, and a `CommunicationError` with the same text on the others.
    /// The value travels as JSON, and the root too gets back what the others decode. `body` itself calls no collective.
    public func onRoot<Value: Codable>(root: Int = 0, _ body: () throws -> Value) throws -> Value {
        let message = try broadcastOutcome(root: root) { try encode(body()) }
        return try decode(Value.self, from: message, by: root, operation: "onRoot")
    }

    /// Runs `body` on the root; every rank returns when it is done.
    ///
    /// If `body` throws, its error is thrown on the root, and a `CommunicationError` with the same text on the others.
    public func onRoot(root: Int = 0, _ body: () throws -> Void) throws {
        _ = try broadcastOutcome(root: root) {
            try body()
            return []
        }
    }

    /// Runs `body` on every rank; if it throws anywhere, every rank throws: its own error, or else `peerFailed` with
    /// the first failing rank's. `body` itself calls no collective.
    ///
    /// - Parameter operation: What `body` does, for the error.
    public func onEveryRank<Value>(_ operation: String, _ body: () throws -> Value) throws -> Value {
        let outcome = Result { try body() }
        let verdict: [UInt8]
        switch outcome {
        case .success: verdict = []
        case .failure(let error): verdict = Array("!\(error)".utf8)
        }
        let verdicts = try allGather(verdict)
        let value = try outcome.get()
        if let peer = verdicts.firstIndex(where: { !$0.isEmpty }) {
            throw failure(
                .peerFailed(rank: peer), operation, peer: peer,
                reason: "rank \(peer) failed: " + String(decoding: verdicts[peer].dropFirst(), as: UTF8.self))
        }
        return value
    }

    /// Every rank's value, in rank order; travels as JSON.
    public func allGather<Value: Codable>(_ value: Value) throws -> [Value] {
        try allGather(encode(value)).enumerated().map { peer, bytes in
            try decode(Value.self, from: bytes[...], by: peer, operation: "allGather")
        }
    }

    /// Whether the ranks are on more than one host.
    public func spansHosts() throws -> Bool { Set(try allGather(host)).count > 1 }

    /// Every rank's numbers, in rank order, bit for bit; lengths may differ.
    public func allGather(_ values: [Double]) throws -> [[Double]] {
        try allGather(values.flatMap { bytes(of: $0.bitPattern) }).map { numbers in
            (0..<numbers.count / 8).map { Double(bitPattern: word(in: numbers[...], at: $0)) }
        }
    }

    /// Every rank's value on the root, in rank order, and nil elsewhere.
    public func gatherOnRoot<Value: Codable>(_ value: Value, root: Int = 0) throws -> [Value]? {
        try requirePeer(root, "gatherOnRoot")
        let values = try allGather(value)
        return rank == root ? values : nil
    }

    /// The sum over ranks, added in rank order, so that every rank and every run gets the same bits.
    public func allSum(_ value: Double) throws -> Double {
        try allSum([value])[0]
    }

    /// The sums over ranks, element by element, added in rank order.
    ///
    /// - Precondition: Every rank passes the same number of values, or the call throws `disagreement`.
    public func allSum(_ values: [Double]) throws -> [Double] {
        try reduceInRankOrder(values, "allSum", +)
    }

    /// The largest value of all ranks; a NaN anywhere gives NaN.
    public func allMax(_ value: Double) throws -> Double {
        try allMax([value])[0]
    }

    /// The largest values of all ranks, element by element; a NaN anywhere gives NaN.
    public func allMax(_ values: [Double]) throws -> [Double] {
        try reduceInRankOrder(values, "allMax") { $0.isNaN || $0 >= $1 ? $0 : $1 }
    }

    /// Whether the condition holds on any rank.
    public func anyTrue(_ condition: Bool) throws -> Bool {
        try allGather([condition ? 1 : 0] as [UInt8]).contains { $0 != [0] }
    }

    /// Throws on every rank unless all of them pass an equal value.
    ///
    /// - Parameters:
    ///   - value: What should be equal.
    ///   - what: Its name in the error, which also says which rank differs and how.
    public func requireAgreement<Value: Codable & Equatable>(on value: Value, named what: String) throws {
        let values = try allGather(value)
        if let peer = values.firstIndex(where: { $0 != values[0] }) {
            throw failure(
                .disagreement, "requireAgreement", peer: peer,
                reason: "\(what) must be equal on all ranks; rank 0 has \(values[0]), rank \(peer) has \(values[peer])")
        }
    }
}

extension Communicator {
    /// Broadcasts the root's message, or its failure: the first byte says which.
    private func broadcastOutcome(root: Int, _ body: () throws -> [UInt8]) throws -> ArraySlice<UInt8> {
        var thrown: (any Error)?
        var message: [UInt8] = []
        if rank == root {
            do {
                message = try [1] + body()
            } catch {
                thrown = error
                message = [0] + Array("\(error)".utf8)
            }
        }
        message = try broadcast(message, root: root)
        if let thrown { throw thrown }
        guard message.first == 1 else {
            throw failure(
                .peerFailed(rank: root), "onRoot", peer: root,
                reason: "rank \(root) failed: " + String(decoding: message.dropFirst(), as: UTF8.self))
        }
        return message.dropFirst()
    }

    private func reduceInRankOrder(
        _ values: [Double], _ operation: String, _ combine: (Double, Double) -> Double
    ) throws -> [Double] {
        let all: [[Double]] = try allGather(values)
        if let peer = all.firstIndex(where: { $0.count != all[0].count }) {
            throw failure(
                .disagreement, operation, peer: peer,
                reason: "rank 0 passes \(all[0].count) values, rank \(peer) passes \(all[peer].count)")
        }
        return values.indices.map { index in
            all.dropFirst().reduce(all[0][index]) { combine($0, $1[index]) }
        }
    }

    private func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "+inf", negativeInfinity: "-inf", nan: "nan")
        return try Array(encoder.encode(value))
    }

    private func decode<Value: Decodable>(
        _ type: Value.Type, from bytes: ArraySlice<UInt8>, by peer: Int, operation: String
    ) throws -> Value {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "+inf", negativeInfinity: "-inf", nan: "nan")
        do {
            return try decoder.decode(type, from: Data(bytes))
        } catch {
            throw failure(
                .undecodable, operation, peer: peer, bytes: bytes.count,
                reason: "what rank \(peer) sent is no \(type): \(error)")
        }
    }
}
