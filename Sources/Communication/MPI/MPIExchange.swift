import COpenMPI

/// Transfers as MPI requests, long ones cut into several.
final class MPIExchange: FloatExchange {
    private let communicator: MPICommunicator
    private let tag: Int32
    private var requests = MPIRequests()
    /// The transfer and the number of floats of each request, in the order of `requests`.
    private var messages: [(transfer: FloatTransfer, floats: Int)] = []
    private var ended: [MPIRequests.Ended] = []

    init(communicator: MPICommunicator, tag: Int32) {
        self.communicator = communicator
        self.tag = tag
    }

    deinit {
        // MPI may still read or write this memory: after an error it must not be used for anything else.
        if !messages.isEmpty { communicator.keepAlive(messages.map(\.transfer)) }
    }

    private(set) var pending = 0

    func send(_ region: FloatRegion, to peer: Int) throws -> FloatTransfer {
        try begin(.send, "MPI_Isend", region, peer) { part, request in
            MPICalls.send(part, to: Int32(peer), tag: tag, communicator.handle, &request)
        }
    }

    func receive(into region: FloatRegion, from peer: Int) throws -> FloatTransfer {
        try begin(.receive, "MPI_Irecv", region, peer) { part, request in
            MPICalls.receive(into: part, from: Int32(peer), tag: tag, communicator.handle, &request)
        }
    }

    func progress() throws { try advance(waiting: false) }

    func waitForSome() throws {
        let before = pending
        while pending > 0 && pending == before { try advance(waiting: true) }
    }

    private func begin(
        _ direction: FloatTransfer.Direction, _ operation: String, _ region: FloatRegion, _ peer: Int,
        _ call: (FloatRegion, inout MPI_Request?) -> Int32
    ) throws -> FloatTransfer {
        communicator.requireOwner()
        // Negative peers are wildcards to MPI; numbers too large it reports itself.
        if peer < 0 { try communicator.requirePeer(peer, operation, bytes: region.count * 4) }
        let limit = communicator.largestCount
        // An empty transfer is one empty message, so that both sides agree.
        let starts = region.count == 0 ? [0] : Array(stride(from: 0, to: region.count, by: limit))
        let transfer = FloatTransfer(direction, peer: peer, region: region, messages: starts.count)
        for start in starts {
            let part = region[start..<min(start + limit, region.count)]
            var request: MPI_Request?
            try communicator.check(operation, peer: peer, bytes: part.count * 4, call(part, &request))
            requests.append(request)
            messages.append((transfer, part.count))
        }
        pending += 1
        return transfer
    }

    private func advance(waiting: Bool) throws {
        communicator.requireOwner()
        let operation = waiting ? "MPI_Waitsome" : "MPI_Testsome"
        try communicator.check(operation, requests.advance(waiting: waiting, ended: &ended))
        var firstError: CommunicationError?
        for request in ended {
            let message = messages.remove(at: request.index)
            message.transfer.completeMessage()
            if message.transfer.isComplete { pending -= 1 }
            if firstError == nil { firstError = error(of: request, message.transfer, message.floats, operation) }
        }
        if let firstError { throw firstError }
    }

    private func error(
        of request: MPIRequests.Ended, _ transfer: FloatTransfer, _ floats: Int, _ operation: String
    ) -> CommunicationError? {
        let call = "\(operation), \(transfer.direction.rawValue)"
        do {
            try communicator.check(call, peer: transfer.peer, bytes: floats * 4, request.code)
        } catch {
            return error as? CommunicationError
        }
        guard transfer.direction == .receive, request.floats != floats else { return nil }
        return communicator.failure(
            .unexpectedLength, call, peer: transfer.peer, bytes: request.floats * 4,
            reason: "expected \(floats) floats, got \(request.floats)")
    }
}
