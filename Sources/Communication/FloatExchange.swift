/// Non-blocking transfers of floats between ranks: begin several, go on computing, call `progress` now and then, and
/// `wait` at the end.
///
/// Transfers between two ranks match in the order in which they were begun. MPI moves data only inside its calls, so
/// without `progress` nothing overlaps.
public protocol FloatExchange: AnyObject {
    /// Begins to send. The region must not change until the transfer is complete.
    func send(_ region: FloatRegion, to peer: Int) throws -> FloatTransfer

    /// Begins to receive exactly `region.count` floats.
    func receive(into region: FloatRegion, from peer: Int) throws -> FloatTransfer

    /// Moves data along without waiting.
    func progress() throws

    /// Waits until a transfer that is under way is complete; returns at once if there is none.
    func waitForSome() throws

    /// The number of transfers under way.
    var pending: Int { get }
}

extension FloatExchange {
    /// Waits until all transfers are complete.
    public func wait() throws {
        while pending > 0 { try waitForSome() }
    }
}

/// One transfer that was begun; keeps its memory alive until it is complete.
public final class FloatTransfer {
    /// Which way the floats go.
    public enum Direction: String, Sendable {
        /// To the peer.
        case send
        /// From the peer.
        case receive
    }

    /// Which way the floats go.
    public let direction: Direction
    /// The other rank.
    public let peer: Int
    /// Where the floats lie; nil when the transfer is complete.
    public private(set) var region: FloatRegion?
    /// Messages that have not arrived; a long transfer is several.
    private var messages: Int

    init(_ direction: Direction, peer: Int, region: FloatRegion, messages: Int) {
        self.direction = direction
        self.peer = peer
        self.messages = messages
        self.region = messages == 0 ? nil : region
    }

    /// Whether the floats have arrived, or the sender's memory may be used again.
    public var isComplete: Bool { messages == 0 }

    func completeMessage() {
        messages -= 1
        if messages == 0 { region = nil }
    }
}
