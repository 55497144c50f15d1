/// One process alone: rank 0 of 1. Collectives return at once.
public final class SoloCommunicator: Communicator {
    /// The name in error messages.
    public let name: String
    /// Always the first.
    public let rank = 0
    /// Always one.
    public let size = 1
    /// The name of this host.
    public let host: String
    private let hub = InProcessHub(ranks: 1)
    private var exchanges = 0

    /// A communicator of this process only.
    public init(name: String = "world") {
        self.name = name
        host = hostName()
    }

    /// Returns at once.
    public func barrier() throws {}

    /// Returns the bytes.
    public func broadcast(_ bytes: [UInt8], root: Int) throws -> [UInt8] {
        try requirePeer(root, "broadcast", bytes: bytes.count)
        return bytes
    }

    /// Returns the bytes alone.
    public func allGather(_ bytes: [UInt8]) throws -> [[UInt8]] { [bytes] }

    /// Transfers of this process to itself.
    public func makeExchange(for purpose: String) throws -> any FloatExchange {
        exchanges += 1
        return InProcessExchange(
            communicator: self, group: InProcessGroup(path: [exchanges], members: [0]), tag: 0, hub: hub)
    }

    /// Another communicator of this process alone.
    public func split(color: Int, key: Int, name: String) throws -> any Communicator {
        requireColor(color)
        return SoloCommunicator(name: name)
    }

    /// Another communicator of this process alone.
    public func duplicate(name: String) throws -> any Communicator { SoloCommunicator(name: name) }

    /// Reports and throws `CommunicationError.Code.aborted`.
    public func abort(code: Int32, reason: String, report: (String) -> Void) throws -> Never {
        report(self.report(of: reason))
        throw failure(.aborted(exitCode: code), "abort", reason: reason)
    }

    /// Does nothing.
    public func finalize() throws {}
}

extension Communicator {
    /// A split's color is not negative, as MPI wants it.
    func requireColor(_ color: Int) {
        precondition(color >= 0, "a color is not negative: \(color)")
    }
}
