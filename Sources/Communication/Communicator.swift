/// A group of ranks that work together: one process, threads of one process, or MPI processes.
///
/// A collective is called by every rank of the communicator, in the same order, never inside a test on the rank. A
/// communicator belongs to the thread that made it and is not Sendable, on purpose.
///
/// Every method throws `CommunicationError`.
public protocol Communicator: AnyObject {
    /// The name in error messages.
    var name: String { get }

    /// This process's place, in `0..<size`.
    var rank: Int { get }

    /// The number of ranks.
    var size: Int { get }

    /// The name of the host that this rank runs on.
    var host: String { get }

    /// Returns when every rank has called it. Collective.
    func barrier() throws

    /// Returns the root's bytes on every rank; what the others pass is ignored. Collective.
    func broadcast(_ bytes: [UInt8], root: Int) throws -> [UInt8]

    /// Returns every rank's bytes, in rank order; lengths may differ. Collective.
    func allGather(_ bytes: [UInt8]) throws -> [[UInt8]]

    /// A set of non-blocking transfers. Every rank makes its exchanges in the same order, so that messages of one
    /// exchange never reach another; making one does not wait for the other ranks.
    ///
    /// - Parameter purpose: What it is for, in error messages and in the comparison of collectives.
    func makeExchange(for purpose: String) throws -> any FloatExchange

    /// Divides the ranks into communicators, one for each color, ordered by key and then by rank. Collective.
    ///
    /// - Parameters:
    ///   - color: The group to join; not negative.
    ///   - key: The order within the group.
    ///   - name: The new communicator's name.
    func split(color: Int, key: Int, name: String) throws -> any Communicator

    /// A communicator of the same ranks, whose messages and collectives are apart from this one's. Collective.
    func duplicate(name: String) throws -> any Communicator

    /// Ends the whole job because this rank failed.
    ///
    /// Under MPI every process of the job is ended and the launcher returns `code`: this never returns. One process
    /// alone, and ranks on threads, throw `CommunicationError.Code.aborted` instead, and the program ends itself; the
    /// other threads' ranks get `peerFailed`.
    ///
    /// - Parameters:
    ///   - code: The exit code.
    ///   - reason: Why; one line.
    ///   - report: Is given `rank 3/8 on host: reason` before the job ends. The library prints nothing.
    func abort(code: Int32, reason: String, report: (String) -> Void) throws -> Never

    /// Ends the use of this communicator; the first one, that of all ranks, also ends MPI. Collective.
    func finalize() throws
}

extension Communicator {
    /// What `abort` reports.
    func report(of reason: String) -> String { "rank \(rank)/\(size) on \(host): \(reason)" }

    /// An error of this rank.
    func failure(
        _ code: CommunicationError.Code, _ operation: String, peer: Int? = nil, bytes: Int? = nil, reason: String
    ) -> CommunicationError {
        CommunicationError(
            code, operation: operation, communicator: name, rank: rank, size: size, peer: peer, bytes: bytes,
            reason: reason)
    }

    /// Throws unless `peer` is a rank of this communicator.
    func requirePeer(_ peer: Int, _ operation: String, bytes: Int? = nil) throws {
        guard (0..<size).contains(peer) else {
            throw failure(
                .invalidPeer, operation, peer: peer, bytes: bytes,
                reason: "there is no rank \(peer); the ranks are 0 to \(size - 1)")
        }
    }
}
