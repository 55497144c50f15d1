import Communication
import Jobs

/// Failures that several ranks meet at once: one rank reports them, the others point to it.
extension Communicator {
    /// Runs `body` on every rank. If it throws anywhere, the first rank on which it did throws its error, and every
    /// other one `peerFailed` with the same text. Collective; `body` itself calls no collective.
    ///
    /// - Parameter operation: What `body` does, for the error.
    package func together<Value>(_ operation: String, _ body: () throws -> Value) throws -> Value {
        let outcome = Result { try body() }
        var text: [UInt8] = []
        if case .failure(let error) = outcome { text = Array("!\(error)".utf8) }
        let texts = try allGather(text)
        guard let first = texts.firstIndex(where: { !$0.isEmpty }) else { return try outcome.get() }
        if first == rank { return try outcome.get() }
        throw echo(String(decoding: texts[first].dropFirst(), as: UTF8.self), of: first, operation)
    }

    /// What a rank throws for an error that all ranks have found alike: the error itself on the first, `peerFailed` on
    /// the others. No collective.
    package func shared(_ error: some Error, _ operation: String) -> any Error {
        rank == 0 ? error : echo("\(error)", of: 0, operation)
    }

    private func echo(_ text: String, of peer: Int, _ operation: String) -> CommunicationError {
        CommunicationError(
            .peerFailed(rank: peer), operation: operation, communicator: name, rank: rank, size: size, peer: peer,
            reason: "rank \(peer) failed: \(text)")
    }
}

extension CommunicationError {
    /// Whether this rank fails because of another, which knows the reason and reports it.
    package var isEcho: Bool {
        switch code {
        case .peerFailed, .call: true
        // Found by all ranks alike.
        case .disagreement, .mismatchedCollective: rank > 0
        case .initialization, .invalidPeer, .unexpectedLength, .undecodable, .aborted: false
        }
    }
}
