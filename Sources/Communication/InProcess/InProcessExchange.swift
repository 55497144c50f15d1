/// Transfers through the hub: a send leaves a copy at once, a receive picks it up.
final class InProcessExchange: FloatExchange {
    private let communicator: any Communicator
    private let group: InProcessGroup
    private let tag: Int
    private let hub: InProcessHub
    private var receives: [FloatTransfer] = []

    init(communicator: any Communicator, group: InProcessGroup, tag: Int, hub: InProcessHub) {
        self.communicator = communicator
        self.group = group
        self.tag = tag
        self.hub = hub
    }

    var pending: Int { receives.count }

    func send(_ region: FloatRegion, to peer: Int) throws -> FloatTransfer {
        try communicator.requirePeer(peer, "send", bytes: region.count * 4)
        hub.post(
            region.scalars,
            on: InProcessHub.Route(group: group, source: communicator.rank, destination: peer, tag: tag))
        return FloatTransfer(.send, peer: peer, region: region, messages: 0)
    }

    func receive(into region: FloatRegion, from peer: Int) throws -> FloatTransfer {
        try communicator.requirePeer(peer, "receive", bytes: region.count * 4)
        let transfer = FloatTransfer(.receive, peer: peer, region: region, messages: 1)
        receives.append(transfer)
        return transfer
    }

    func progress() throws { try take(waiting: false) }

    func waitForSome() throws { try take(waiting: true) }

    private func take(waiting: Bool) throws {
        let routes = receives.map {
            InProcessHub.Route(group: group, source: $0.peer, destination: communicator.rank, tag: tag)
        }
        let messages: [[Float]?]
        do {
            messages = try hub.take(routes, waiting: waiting)
        } catch let loss as InProcessHub.PeerLoss {
            throw communicator.failure(of: loss, "receive")
        }
        defer { receives.removeAll(where: \.isComplete) }
        var firstError: CommunicationError?
        for (transfer, message) in zip(receives, messages) {
            guard let message, let region = transfer.region else { continue }
            if message.count == region.count {
                region.copy(from: message)
            } else if firstError == nil {
                firstError = communicator.failure(
                    .unexpectedLength, "receive", peer: transfer.peer, bytes: message.count * 4,
                    reason: "expected \(region.count) floats, got \(message.count)")
            }
            transfer.completeMessage()
        }
        if let firstError { throw firstError }
    }
}
