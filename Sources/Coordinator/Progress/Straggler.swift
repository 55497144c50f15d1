import Jobs

/// Ranks whose own part of a step takes much longer than that of the others, so that these wait for them.
enum Straggler {
    /// As many times the median of its phase makes a rank a straggler.
    static let threshold = 1.5

    /// The stragglers, with how many times the median time for an image each takes.
    static func all(in beats: [Heartbeat]) -> [Int: Double] {
        var found: [Int: Double] = [:]
        for peers in Dictionary(grouping: beats, by: \.phase).values {
            let times = peers.compactMap(\.secondsPerImage).sorted()
            // The lower of two in the middle: of two ranks, the slower is compared with the faster.
            guard times.count > 1, let median = Optional(times[(times.count - 1) / 2]), median > 0 else { continue }
            for peer in peers {
                if let time = peer.secondsPerImage, time > threshold * median { found[peer.rank] = time / median }
            }
        }
        return found
    }
}
