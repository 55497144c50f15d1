import Foundation

/// The members of an in-process communicator, and a path that tells it from all others.
struct InProcessGroup: Hashable, Sendable {
    /// The splits that led to it: for each the number of the collective, and the color.
    let path: [Int]
    /// World ranks, by rank in the group.
    let members: [Int]
}

/// Where in-process ranks meet and leave messages.
final class InProcessHub: @unchecked Sendable {  // Safe because every variable is used only under `condition`.
    /// A rank waits for one that has failed or ended.
    struct PeerLoss: Error {
        /// The world rank that is gone.
        let rank: Int
        let reason: String
    }

    /// What a rank brings to a collective.
    struct Answer {
        let record: CollectiveLog.Record
        let bytes: [UInt8]
    }

    /// The way of a message.
    struct Route: Hashable {
        let group: InProcessGroup
        let source: Int
        let destination: Int
        let tag: Int
    }

    private struct MeetingName: Hashable {
        let group: InProcessGroup
        let number: UInt64
    }

    private struct Meeting {
        var answers: [Answer?]
        var present = 0
        var departed = 0
    }

    private let condition = NSCondition()
    private let ranks: Int
    private var failure: (rank: Int, error: any Error)?
    private var ended: Set<Int> = []
    private var meetings: [MeetingName: Meeting] = [:]
    private var messages: [Route: [[Float]]] = [:]

    init(ranks: Int) {
        self.ranks = ranks
    }

    /// A rank is done; with an error, everyone else is released.
    func end(rank: Int, error: (any Error)?) {
        condition.withLock {
            ended.insert(rank)
            if let error, failure == nil { failure = (rank, error) }
            condition.broadcast()
        }
    }

    /// A rank gives up while it still runs.
    func fail(rank: Int, error: any Error) {
        condition.withLock {
            if failure == nil { failure = (rank, error) }
            condition.broadcast()
        }
    }

    /// Waits for all ranks and throws the first failure.
    func waitUntilAllEnded() throws {
        try condition.withLock {
            while ended.count < ranks { condition.wait() }
            if let failure { throw failure.error }
        }
    }

    /// Waits for every member of `group` and returns what each brought, by rank in the group.
    func meet(
        _ group: InProcessGroup, member: Int, record: CollectiveLog.Record, bytes: [UInt8]
    ) throws -> [Answer] {
        let name = MeetingName(group: group, number: record.number)
        return try condition.withLock {
            var meeting = meetings[name] ?? Meeting(answers: Array(repeating: nil, count: group.members.count))
            meeting.answers[member] = Answer(record: record, bytes: bytes)
            meeting.present += 1
            meetings[name] = meeting
            condition.broadcast()
            while let now = meetings[name], now.present < group.members.count {
                let missing = now.answers.indices.filter { now.answers[$0] == nil }.map { group.members[$0] }
                try requirePresence(of: missing, waiting: group.members[member])
                condition.wait()
            }
            let answers = (meetings[name]?.answers ?? []).compactMap(\.self)
            meetings[name]?.departed += 1
            if meetings[name]?.departed == group.members.count { meetings[name] = nil }
            return answers
        }
    }

    /// Leaves a message.
    func post(_ floats: [Float], on route: Route) {
        condition.withLock {
            messages[route, default: []].append(floats)
            condition.broadcast()
        }
    }

    /// Takes the first message of each route, a route named twice giving its first two; nil where there is none.
    ///
    /// - Parameter waiting: Whether to wait until there is at least one.
    func take(_ routes: [Route], waiting: Bool) throws -> [[Float]?] {
        try condition.withLock {
            while true {
                try requireNoFailure()
                let found = routes.map { takeFirst(on: $0) }
                if !waiting || routes.isEmpty || found.contains(where: { $0 != nil }) { return found }
                try requirePresence(of: routes.map { $0.group.members[$0.source] }, waiting: routes[0].receiver)
                condition.wait()
            }
        }
    }

    private func takeFirst(on route: Route) -> [Float]? {
        guard let first = messages[route]?.first else { return nil }
        messages[route]?.removeFirst()
        if messages[route]?.isEmpty == true { messages[route] = nil }
        return first
    }

    private func requireNoFailure() throws {
        if let failure {
            throw PeerLoss(rank: failure.rank, reason: "rank \(failure.rank) failed: \(failure.error)")
        }
    }

    /// Throws when a rank that is waited for will never come: another failed, it has ended, or it is oneself.
    private func requirePresence(of peers: [Int], waiting rank: Int) throws {
        try requireNoFailure()
        if let peer = peers.first(where: { ended.contains($0) }) {
            throw PeerLoss(rank: peer, reason: "rank \(peer) has ended")
        }
        if peers.allSatisfy({ $0 == rank }) {
            throw PeerLoss(rank: rank, reason: "rank \(rank) waits for a message that only it could have sent")
        }
    }
}

extension InProcessHub.Route {
    /// The world rank that receives.
    var receiver: Int { group.members[destination] }
}
