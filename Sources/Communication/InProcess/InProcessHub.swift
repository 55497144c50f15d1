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
        let number: Int
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
    /// Ranks that have found nothing to go on with since the last change.
    private var waiting: Set<Int> = []
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
            wakeAll()
        }
    }

    /// A rank gives up while it still runs.
    func fail(rank: Int, error: any Error) {
        condition.withLock {
            if failure == nil { failure = (rank, error) }
            wakeAll()
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
    ///
    /// - Parameter number: How many times the member has met this group, this time included.
    func meet(_ group: InProcessGroup, number: Int, member: Int, answer: Answer) throws -> [Answer] {
        let name = MeetingName(group: group, number: number)
        return try condition.withLock {
            var meeting = meetings[name] ?? Meeting(answers: Array(repeating: nil, count: group.members.count))
            meeting.answers[member] = answer
            meeting.present += 1
            meetings[name] = meeting
            wakeAll()
            while let now = meetings[name], now.present < group.members.count {
                let missing = now.answers.indices.filter { now.answers[$0] == nil }.map { group.members[$0] }
                try wait(for: missing, as: group.members[member])
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
            wakeAll()
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
                try wait(for: routes.map { $0.group.members[$0.source] }, as: routes[0].receiver)
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

    /// Waits for a change; throws when a rank that is waited for will never come: one failed, it has ended, or all
    /// ranks wait.
    private func wait(for peers: [Int], as rank: Int) throws {
        try requireNoFailure()
        if let peer = peers.first(where: { ended.contains($0) }) {
            throw PeerLoss(rank: peer, reason: "rank \(peer) has ended")
        }
        waiting.insert(rank)
        if waiting.count == ranks - ended.count {
            failure = (rank, Deadlock())
            wakeAll()
            try requireNoFailure()
        }
        condition.wait()
    }

    /// Something has changed: everybody looks again.
    private func wakeAll() {
        waiting.removeAll()
        condition.broadcast()
    }

    private struct Deadlock: Error, CustomStringConvertible {
        let description = "every rank waits for another"
    }
}

extension InProcessHub.Route {
    /// The world rank that receives.
    var receiver: Int { group.members[destination] }
}
