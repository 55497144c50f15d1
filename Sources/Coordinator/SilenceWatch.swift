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
    /// When some rank last worked, as far as its signs of life tell.
    private var worked: ContinuousClock.Instant
    private let halt: (Heartbeat) -> String?
    /// The longest time between two looks of a watch that is not held up.
    private let longestPause: Duration

    /// Begins to watch.
    ///
    /// - Parameters:
    ///   - limit: Seconds of silence that will be too long; 0 when none are.
    ///   - halt: What keeps a rank's process from running, in words, where that can be seen from here.
    package init(limit: Double = 0, halt: @escaping (Heartbeat) -> String? = SilenceWatch.halt) {
        self.halt = halt
        longestPause = .seconds(limit > 0 ? min(30, limit / 2) : 30)
        start = clock.now
        last = start
        worked = start
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
        if pause > longestPause {
            unwatched += pause
            worked += pause
            for rank in seen.keys { seen[rank]?.at += pause }
        }
        for beat in beats where seen[beat.rank]?.beat != beat {
            // Who begins to wait has worked until now.
            if seen[beat.rank].map({ $0.beat.isWaiting != true || !$0.beat.isAtSamePlace(as: beat) }) ?? true {
                worked = now
            }
            seen[beat.rank] = (beat, now)
        }
        if seen.values.contains(where: { $0.beat.isWaiting != true }) { worked = now }
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
    /// Where all those wait that could work, the silent ones are named: see ``deadlocked(_:limit:)``.
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
        let stuck = stuck(silent)
        let named = stuck.isEmpty ? deadlocked(silent, limit: limit) : stuck
        guard !named.isEmpty else { return nil }
        let list = named.map(describe).joined(separator: "; ")
        if stuck.isEmpty, named.count == ranks {
            return "all ranks wait for each other, as when the network fails: " + list
        }
        // They were heard of a moment later than those that they wait for, so they need not have been silent for as long.
        let blamed = Set(named.map(\.rank))
        let others = seen.values.count { seen in
            seen.beat.isWaiting == true && !blamed.contains(seen.beat.rank) && 2 * Self.seconds(last - seen.at) > limit
        }
        return "no sign of life: " + list
            + (stuck.isEmpty && named.count > 1 ? "; they wait for each other, at least one in vain" : "")
            + (others == 0 ? "" : "; \(others) other rank\(others == 1 ? " waits" : "s wait") for it")
    }

    /// Of silent ranks those that do not wait, or cannot run, or wait in a step that others of their model have left: these
    /// wait for them.
    private func stuck(_ silent: [Heartbeat]) -> [Heartbeat] {
        let stuck = silent.filter { $0.isWaiting != true || halt($0) != nil }
        return silent.filter { beat in
            stuck.contains(beat)
                || !beat.model.isEmpty && stuck.contains { $0.model == beat.model && $0.step > beat.step }
        }
    }

    /// Ranks that wait for nobody who works: of one model, when all of its ranks are silent, since they wait for each other,
    /// however long the other group works on; and when no rank at all has worked for so long, the silent ones, or all.
    ///
    /// One of them may have been stopped while it waited, on a machine that cannot be seen from here.
    ///
    /// - Parameters:
    ///   - silent: The ranks that have been silent for the limit, all of which wait.
    ///   - limit: Seconds.
    private func deadlocked(_ silent: [Heartbeat], limit: Double) -> [Heartbeat] {
        let isSilent = Set(silent.map(\.rank))
        // Between phases ranks name no model: there they wait for those that still train.
        let groups = silent.filter { beat in
            !beat.model.isEmpty
                && seen.values.allSatisfy { $0.beat.model != beat.model || isSilent.contains($0.beat.rank) }
        }
        guard groups.isEmpty else { return groups }
        guard Self.seconds(last - worked) > limit else { return [] }
        return silent.isEmpty ? seen.values.map(\.beat).sorted { $0.rank < $1.rank } : silent
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

extension Heartbeat {
    /// Whether nothing was done between the two.
    fileprivate func isAtSamePlace(as other: Heartbeat) -> Bool {
        phase == other.phase && model == other.model && step == other.step
    }
}
