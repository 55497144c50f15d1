import Foundation
import Synchronization

/// A rank on a thread of this process: the same behaviour as MPI without a launcher, for tests.
///
/// Ranks compare the collectives they call; a rank that fails or ends releases those that wait for it.
public final class InProcessCommunicator: Communicator {
    /// The name in error messages.
    public let name: String
    /// The simulated rank.
    public let rank: Int
    /// The name of this host, the same for all ranks.
    public let host = hostName()
    private let group: InProcessGroup
    private let hub: InProcessHub
    private let owner = Thread.current
    private var log = CollectiveLog()
    private var exchanges = 0
    /// Collectives at which this rank has waited for the others.
    private var meetings = 0

    init(name: String, rank: Int, group: InProcessGroup, hub: InProcessHub) {
        self.name = name
        self.rank = rank
        self.group = group
        self.hub = hub
    }

    /// Runs `body` as each of `ranks` ranks, every one on a thread of its own, and returns their values in rank order.
    ///
    /// - Throws: The error of the rank that failed first; the others are released with `peerFailed`.
    public static func run<Value: Sendable>(
        ranks: Int, _ body: @escaping @Sendable (InProcessCommunicator) throws -> Value
    ) throws -> [Value] {
        precondition(ranks > 0, "a run needs at least one rank, not \(ranks)")
        let hub = InProcessHub(ranks: ranks)
        let values = Mutex([Value?](repeating: nil, count: ranks))
        let results = Results(values: values)
        for rank in 0..<ranks {
            let thread = Thread {
                do {
                    let world = InProcessGroup(path: [], members: Array(0..<ranks))
                    let value = try body(InProcessCommunicator(name: "world", rank: rank, group: world, hub: hub))
                    results.values.withLock { $0[rank] = value }
                    hub.end(rank: rank, error: nil)
                } catch {
                    hub.end(rank: rank, error: error)
                }
            }
            thread.stackSize = 16 << 20
            thread.start()
        }
        try hub.waitUntilAllEnded()
        return results.values.withLock { $0.compactMap(\.self) }
    }

    /// The number of simulated ranks in this communicator.
    public var size: Int { group.members.count }

    /// Waits for the other threads.
    public func barrier() throws {
        _ = try meet("barrier", [])
    }

    /// Copies the root's bytes to every thread.
    public func broadcast(_ bytes: [UInt8], root: Int) throws -> [UInt8] {
        try requirePeer(root, "broadcast", bytes: bytes.count)
        return try meet("broadcast from \(root)", rank == root ? bytes : [])[root]
    }

    /// Copies every rank's bytes to every thread.
    public func allGather(_ bytes: [UInt8]) throws -> [[UInt8]] {
        try meet("allGather", bytes)
    }

    /// Transfers between threads: a send leaves a copy, and is complete at once.
    public func makeExchange(for purpose: String) throws -> any FloatExchange {
        requireOwner()
        log.note("exchange for \(purpose)")
        exchanges += 1
        return InProcessExchange(communicator: self, group: group, tag: exchanges, hub: hub)
    }

    /// Divides the simulated ranks.
    public func split(color: Int, key: Int, name: String) throws -> any Communicator {
        requireColor(color)
        let number = meetings
        let answers = try meet("split", bytes(of: UInt64(color)) + bytes(of: UInt64(bitPattern: Int64(key))))
        let members = answers.indices
            .filter { word(in: answers[$0][...], at: 0) == UInt64(color) }
            .map { (key: Int64(bitPattern: word(in: answers[$0][...], at: 1)), rank: $0) }
            .sorted { ($0.key, $0.rank) < ($1.key, $1.rank) }
            .map(\.rank)
        let part = InProcessGroup(
            path: group.path + [number, color], members: members.map { group.members[$0] })
        guard let place = members.firstIndex(of: rank) else {
            preconditionFailure("rank \(rank) is not in the group that it asked for")
        }
        return InProcessCommunicator(name: name, rank: place, group: part, hub: hub)
    }

    /// The same ranks, apart from this communicator.
    public func duplicate(name: String) throws -> any Communicator {
        try split(color: 0, key: rank, name: name)
    }

    /// Reports, releases the other ranks with `peerFailed`, and throws `CommunicationError.Code.aborted`.
    public func abort(code: Int32, reason: String, report: (String) -> Void) throws -> Never {
        report(self.report(of: reason))
        let error = failure(.aborted(exitCode: code), "abort", reason: reason)
        hub.fail(rank: group.members[rank], error: error)
        throw error
    }

    /// Waits for the other threads; there is nothing to end.
    public func finalize() throws { try barrier() }

    private func meet(_ operation: String, _ bytes: [UInt8]) throws -> [[UInt8]] {
        requireOwner()
        log.note(operation)
        meetings += 1
        do {
            let answer = InProcessHub.Answer(record: log.current, bytes: bytes)
            let answers = try hub.meet(group, number: meetings, member: rank, answer: answer)
            if let disagreement = CollectiveLog.disagreement(among: answers.map(\.record)) {
                throw failure(.mismatchedCollective, operation, reason: disagreement)
            }
            return answers.map(\.bytes)
        } catch let loss as InProcessHub.PeerLoss {
            throw failure(of: loss, operation)
        }
    }

    private func requireOwner() {
        precondition(Thread.current === owner, "a communicator is used on the thread that made it, and on no other")
    }

    /// What the threads write their values to.
    private final class Results<Value: Sendable>: Sendable {
        let values: Mutex<[Value?]>
        init(values: consuming Mutex<[Value?]>) { self.values = values }
    }
}

extension Communicator {
    /// The error of a rank that waits for one that is gone.
    func failure(of loss: InProcessHub.PeerLoss, _ operation: String, bytes: Int? = nil) -> CommunicationError {
        failure(.peerFailed(rank: loss.rank), operation, peer: loss.rank, bytes: bytes, reason: loss.reason)
    }
}
