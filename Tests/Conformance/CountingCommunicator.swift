import Communication

/// Passes everything on and counts the bytes of floats that are sent to other ranks.
final class CountingCommunicator: Communicator {
    private let base: any Communicator
    var bytesSent = 0

    init(_ base: any Communicator) { self.base = base }

    var name: String { base.name }
    var rank: Int { base.rank }
    var size: Int { base.size }
    var host: String { base.host }

    func barrier() throws { try base.barrier() }

    func broadcast(_ bytes: [UInt8], root: Int) throws -> [UInt8] { try base.broadcast(bytes, root: root) }

    func allGather(_ bytes: [UInt8]) throws -> [[UInt8]] { try base.allGather(bytes) }

    func makeExchange(for purpose: String) throws -> any FloatExchange {
        Exchange(base: try base.makeExchange(for: purpose), counter: self)
    }

    func split(color: Int, key: Int, name: String) throws -> any Communicator {
        try base.split(color: color, key: key, name: name)
    }

    func duplicate(name: String) throws -> any Communicator { try base.duplicate(name: name) }

    func abort(code: Int32, reason: String, report: (String) -> Void) throws -> Never {
        try base.abort(code: code, reason: reason, report: report)
    }

    func finalize() throws { try base.finalize() }

    private final class Exchange: FloatExchange {
        let base: any FloatExchange
        let counter: CountingCommunicator

        init(base: any FloatExchange, counter: CountingCommunicator) {
            self.base = base
            self.counter = counter
        }

        var pending: Int { base.pending }

        func send(_ region: FloatRegion, to peer: Int) throws -> FloatTransfer {
            if peer != counter.rank { counter.bytesSent += region.count * MemoryLayout<Float>.stride }
            return try base.send(region, to: peer)
        }

        func receive(into region: FloatRegion, from peer: Int) throws -> FloatTransfer {
            try base.receive(into: region, from: peer)
        }

        func progress() throws { try base.progress() }

        func waitForSome() throws { try base.waitForSome() }
    }
}
