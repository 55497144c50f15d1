import Foundation
import Jobs

extension SubmissionScript.Layout {
    /// Deals a job's ranks over nodes.
    ///
    /// - Parameters:
    ///   - job: The job.
    ///   - cores: Cores of a node.
    /// - Throws: `DiptychFailure` with code 64 when there would be more ranks than lanes, or less room than ranks.
    package init(job: Job, cores: Int) throws {
        let options = job.cluster
        let limit = job.rankLimit
        let cores = max(1, cores)
        let nodes: Int
        let perNode: Int
        switch (options.nodes, options.ranksPerNode, options.ranks) {
        case (let given?, let each?, _): (nodes, perNode) = (given, each)
        case (let given?, nil, let ranks):
            // All cores of the nodes, as far as there are lanes for them.
            (nodes, perNode) = (given, ranks.map { ($0 + given - 1) / given } ?? max(1, min(cores, limit / given)))
        case (nil, let each?, let ranks): (nodes, perNode) = (ranks.map { ($0 + each - 1) / each } ?? 1, each)
        case (nil, nil, let ranks):
            let wanted = ranks ?? min(cores, limit)
            nodes = (wanted + cores - 1) / cores
            perNode = (wanted + nodes - 1) / nodes
        }
        if let ranks = options.ranks {
            guard ranks <= nodes * perNode else {
                throw DiptychFailure(
                    .usage,
                    "`cluster.ranks` is \(ranks), but \(nodes) nodes of \(perNode) ranks hold \(nodes * perNode)")
            }
            guard ranks > (nodes - 1) * perNode else {
                throw DiptychFailure(
                    .usage,
                    "\(ranks) ranks leave one of \(nodes) nodes of \(perNode) ranks without work; use fewer --nodes")
            }
        } else {
            _ = try Placement(job: job, ranks: nodes * perNode)
        }
        self.init(nodes: nodes, minimumNodes: options.minimumNodes ?? nodes, ranksPerNode: perNode)
    }
}
