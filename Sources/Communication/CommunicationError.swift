/// What went wrong between ranks: which call, on which rank of which communicator, with which peer, and why.
public struct CommunicationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure.
    public enum Code: Hashable, Sendable {
        /// MPI could not be started, or does not offer what is needed.
        case initialization
        /// A call into MPI returned an error of this class.
        case call(errorClass: Int)
        /// The peer or root is not a rank of the communicator.
        case invalidPeer
        /// A message has another length than the receiver expects.
        case unexpectedLength
        /// The ranks called different collectives.
        case mismatchedCollective
        /// Another rank failed, or ended while this one waits for it.
        case peerFailed(rank: Int)
        /// The values that should be equal on all ranks are not.
        case disagreement
        /// What another rank sent could not be decoded.
        case undecodable
        /// The job was aborted with this exit code.
        case aborted(exitCode: Int32)
    }

    /// The kind of failure.
    public let code: Code
    /// The call that failed.
    public let operation: String
    /// The communicator's name.
    public let communicator: String
    /// This rank in that communicator.
    public let rank: Int
    /// The communicator's size.
    public let size: Int
    /// The other side, if the call has one.
    public let peer: Int?
    /// The length of the message, if there is one.
    public let bytes: Int?
    /// Why it failed; MPI's own words if it was MPI that failed.
    public let reason: String

    /// An error of one rank.
    public init(
        _ code: Code, operation: String, communicator: String, rank: Int, size: Int, peer: Int? = nil,
        bytes: Int? = nil, reason: String
    ) {
        self.code = code
        self.operation = operation
        self.communicator = communicator
        self.rank = rank
        self.size = size
        self.peer = peer
        self.bytes = bytes
        self.reason = reason
    }

    /// One line: `rank 3/8 of world: MPI_Isend (4096 bytes, peer 9): MPI_ERR_RANK: invalid rank`.
    public var description: String {
        let details = [bytes.map { "\($0) bytes" }, peer.map { "peer \($0)" }].compactMap(\.self)
        let message = details.isEmpty ? "" : " (\(details.joined(separator: ", ")))"
        return "rank \(rank)/\(size) of \(communicator): \(operation)\(message): \(reason)"
    }
}
