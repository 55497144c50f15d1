import Foundation
import Jobs

/// Watches the ranks' signs of life by this process's own clock, whatever the clocks of the nodes say.
package struct SilenceWatch {
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant
    private var last: ContinuousClock.Instant
    /// Time in which nobody looked: the machine slept, or the job was suspended, ranks and all.
    private var unwatched = Duration.zero
    private var seen: [Int: (beat: Heartbeat, at: ContinuousClock.Instant)] = [:]
    private let halt: (Heartbeat) -> String?

    /// The longest time between two looks of a watch that is not held up.
    private static let longestPause = Duration.seconds(30)

    /// Begins to watch.
    ///
    /// - Parameter halt: What keeps a rank's process from running, in words, where that can be seen from here.
    package init(halt: @escaping (Heartbeat) -> String? = SilenceWatch.halt) {
        self.halt = halt
        start = clock.now
        last = start
    }

    /// What keeps a rank's process from running, if it is one of this machine.
    package static func halt(_ beat: Heartbeat) -> String? {
        guard beat.host == ProcessInfo.processInfo.hostName, beat.process > 1 else { return nil }
        switch ProcessStatus(of: beat.process)?.state {
        case "T", "t": return "stopped by a signal or a debugger"
        case "D": return "waiting for a device or a file system"
        default: return nil
        }
    }

    /// Takes note of the heartbeats as they are now.
    mutating func update(_ beats: [Heartbeat]) { update(beats, now: clock.now) }

    /// The same at a time of a test's choice.
    package mutating func update(_ beats: [Heartbeat], now: ContinuousClock.Instant) {
        let pause = now - last
        last = now
        if pause > Self.longestPause {
            unwatched += pause
            for rank in seen.keys { seen[rank]?.at += pause }
        }
        for beat in beats where seen[beat.rank]?.beat != beat { seen[beat.rank] = (beat, now) }
    }

    /// Seconds since the watch began.
    var elapsed: Double { Self.seconds(clock.now - start) }

    /// Seconds from a rank's last new heartbeat to the newest look; nil while it has none.
    func silence(of rank: Int) -> Double? { seen[rank].map { Self.seconds(last - $0.at) } }

    /// The ranks that have been silent for longer than some seconds, by rank.
    func silent(for limit: Double) -> [Heartbeat] {
        seen.values.map(\.beat).filter { silence(of: $0.rank) ?? 0 > limit }.sorted { $0.rank < $1.rank }
    }

    /// Who has stopped working and since when; nil unless some rank has been silent for longer than some seconds.
    ///
    /// Ranks that wait for others are silent through no fault of their own, for as long as somebody works, as when one group
    /// has finished before the other; so those that do not wait are named, and those that cannot run, whatever they did last.
    /// If all ranks are silent, wait and could run, all are named.
    ///
    /// - Parameters:
    ///   - limit: Seconds.
    ///   - ranks: The number of ranks that were started.
    package func verdict(limit: Double, ranks: Int) -> String? {
        let missing = (0..<ranks).filter { seen[$0] == nil }
        if !missing.isEmpty {
            let elapsed = Self.seconds(last - start - unwatched)
            guard elapsed > limit else { return nil }
            return "\(missing.count == 1 ? "rank" : "ranks") \(missing.map(String.init).joined(separator: ", ")) never "
                + "gave a sign of life in \(Int(elapsed)) s"
        }
        let silent = silent(for: limit)
        guard !silent.isEmpty else { return nil }
        let stuck = silent.filter { $0.isWaiting != true || halt($0) != nil }
        guard !stuck.isEmpty else {
            guard silent.count == ranks else { return nil }
            return "all ranks wait for each other, as when the network fails: "
                + silent.map(describe).joined(separator: "; ")
        }
        // They were heard of a moment later than those that they wait for, so they need not have been silent for as long.
        let blamed = Set(stuck.map(\.rank))
        let others = seen.values.count { seen in
            seen.beat.isWaiting == true && !blamed.contains(seen.beat.rank) && 2 * Self.seconds(last - seen.at) > limit
        }
        return "no sign of life: " + stuck.map(describe).joined(separator: "; ")
            + (others == 0 ? "" : "; \(others) other rank\(others == 1 ? " waits" : "s wait") for it")
    }

    /// A rank with its place, its last step and how long ago that was.
    func describe(_ beat: Heartbeat) -> String {
        "rank \(beat.rank) (process \(beat.process) on \(printable(beat.host))), last seen "
            + "\(Int(silence(of: beat.rank) ?? 0)) s ago \(Self.place(beat))"
            + (halt(beat).map { ", \($0)" } ?? "")
    }

    /// Where in the run a rank was last seen: `in distill at step 12 of student`.
    static func place(_ beat: Heartbeat) -> String {
        "in \(beat.phase.rawValue) at step \(beat.step)" + (beat.model.isEmpty ? "" : " of \(printable(beat.model))")
    }

    private static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
    }
}
