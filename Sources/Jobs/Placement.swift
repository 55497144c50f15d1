/// Who computes what: a pure function of the job and the number of ranks, and never a part of the result.
///
/// Ranks are dealt to groups, teachers to groups and lanes to the ranks of a group in contiguous ranges that differ by
/// at most one, the longer ones first. With fewer ranks than teachers, a group trains several teachers in turn.
public struct Placement: Hashable, Sendable {
    /// The ranks that train teachers together, one teacher after the other.
    public struct Group: Hashable, Sendable {
        /// Its ranks in the world.
        public let ranks: Range<Int>
        /// The indices, in `Job.taughtModels`, of what it trains.
        public let models: Range<Int>
        /// The lanes of each of its ranks, by rank within the group.
        public let lanes: [Range<Int>]
    }

    /// Number of ranks in the world.
    public let ranks: Int
    /// The groups of the phase `teach`.
    public let groups: [Group]
    /// The lanes of each rank in the phase `distill`; empty when nothing is distilled.
    public let distillLanes: [Range<Int>]

    /// Lays a job out over ranks.
    ///
    /// - Parameters:
    ///   - job: The job.
    ///   - ranks: Number of ranks, at least 1.
    /// - Throws: `DiptychFailure` with code 64 when there are more ranks than lanes.
    public init(job: Job, ranks: Int) throws {
        precondition(ranks >= 1, "a run needs at least one rank, not \(ranks)")
        guard ranks <= job.rankLimit else {
            throw DiptychFailure(.usage, "the number of ranks \(Self.tooMany(ranks, for: job))")
        }
        let models = job.taughtModels.count
        let count = min(ranks, models)
        let dealtModels = Self.deal(models, among: count)
        self.ranks = ranks
        groups = zip(Self.deal(ranks, among: count), dealtModels).map { ranks, models in
            Group(ranks: ranks, models: models, lanes: Self.deal(job.teach.lanes, among: ranks.count))
        }
        distillLanes = job.student == nil ? [] : Self.deal(job.distill.lanes, among: ranks)
    }

    /// The group that a rank belongs to while teachers are trained.
    public func group(of rank: Int) -> Group {
        groups[groupIndex(of: rank)]
    }

    /// The index of the group that a rank belongs to; the colour of the communicator's split.
    public func groupIndex(of rank: Int) -> Int {
        precondition((0..<ranks).contains(rank), "rank \(rank) is not one of \(ranks)")
        return groups.firstIndex { $0.ranks.contains(rank) } ?? 0
    }

    /// Contiguous ranges of `0..<count`, differing by at most one, the longer ones first.
    public static func deal(_ count: Int, among parts: Int) -> [Range<Int>] {
        precondition(count >= 0 && parts >= 1, "cannot deal \(count) among \(parts)")
        let (share, rest) = count.quotientAndRemainder(dividingBy: parts)
        var start = 0
        return (0..<parts).map { part in
            let end = start + share + (part < rest ? 1 : 0)
            defer { start = end }
            return start..<end
        }
    }

    static func tooMany(_ ranks: Int, for job: Job) -> String {
        var lanes = "`teach` has \(job.teach.lanes) lanes for each of \(job.taughtModels.count) models"
        if job.student != nil { lanes += ", `distill` has \(job.distill.lanes) lanes" }
        return "must be 1...\(job.rankLimit), found \(ranks): every rank needs a lane, and \(lanes); "
            + "use fewer ranks, or smaller `images_per_lane` (which makes it another job)"
    }
}

extension Job {
    /// The largest number of ranks: every rank must hold at least one lane in every phase.
    public var rankLimit: Int {
        let teaching = teach.lanes * taughtModels.count
        return student == nil ? teaching : min(teaching, distill.lanes)
    }
}
