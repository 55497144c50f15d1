import Foundation
import Jobs

/// Whether a run that ended in a SLURM job goes back into the queue.
package struct RequeuePolicy: Hashable {
    /// Restarts after which it does not.
    package var limit: Int
    /// Restarts so far.
    package var restarts: Int

    /// What is to be done.
    package enum Decision: Hashable {
        /// Queue it again.
        case requeue
        /// Leave it, and why; nil when nobody would expect anything else.
        case leave(String?)
    }

    /// Names the numbers.
    package init(limit: Int, restarts: Int) {
        self.limit = limit
        self.restarts = restarts
    }

    /// Decides: a run that saved and stopped goes on always, one that lost a rank only if it got further than before, up
    /// to the limit.
    ///
    /// - Parameters:
    ///   - exit: How the run ended.
    ///   - hasProgress: Whether a checkpoint was written that is newer than those it began with.
    package func decide(_ exit: ExitCode, hasProgress: Bool) -> Decision {
        guard exit == .stopped || exit == .rankLost, limit > 0 else { return .leave(nil) }
        guard restarts < limit else {
            return .leave(
                "it has been restarted \(restarts) times, which is the limit; submit it again if it should go on")
        }
        if exit == .rankLost, !hasProgress {
            return .leave("no checkpoint was written since it began, so it would fail in the same way again")
        }
        return .requeue
    }
}

/// Puts a run back into SLURM's queue, from within its job.
struct Requeue {
    let policy: RequeuePolicy
    let allocation: SlurmAllocation
    let tools: SlurmTools
    private let say: (String) -> Void

    /// For a run in a SLURM job; nil outside of one, or when it is not to be queued again.
    ///
    /// - Parameter say: Told what is done.
    init?(limit: Int, machine: Machine, say: @escaping (String) -> Void) {
        guard limit > 0, let allocation = machine.allocation else { return nil }
        policy = RequeuePolicy(limit: limit, restarts: allocation.restarts)
        self.allocation = allocation
        tools = SlurmTools(machine: machine)
        self.say = say
    }

    /// Does what the policy says after a run's end.
    ///
    /// - Parameter steps: The newest checkpoint of each model when the run began.
    /// - Returns: Whether SLURM queued the job again.
    func conclude(_ outcome: Outcome, _ directory: RunDirectory, from steps: [String: Int]) -> Bool {
        // Where it cannot be told, the limit of restarts is enough.
        let hasProgress = try? directory.readJob().models.map(\.name).contains { model in
            try directory.checkpointSteps(of: model).last ?? 0 > steps[model] ?? 0
        }
        return conclude(
            outcome.exit, hasProgress: hasProgress ?? true, events: try? EventLog(path: directory.events, rank: nil))
    }

    /// Does what the policy says; to be called directly when nothing of the run was begun.
    ///
    /// - Parameters:
    ///   - hasProgress: Whether a checkpoint was written.
    ///   - events: The run's event log, if it is this process's to write.
    /// - Returns: Whether SLURM queued the job again.
    func conclude(_ exit: ExitCode, hasProgress: Bool = false, events: EventLog? = nil) -> Bool {
        switch policy.decide(exit, hasProgress: hasProgress) {
        case .leave(let reason):
            if let reason { say("not queued again: \(reason)") }
            return false
        case .requeue:
            if case .known(let state) = tools.state(of: allocation.name) {
                // After the loss of a node SLURM does it by itself, and may have started the job elsewhere already.
                if state.restarts ?? policy.restarts > policy.restarts || state.state == "PENDING" {
                    say("SLURM has already taken job \(allocation.name) back (\(state.state))")
                    return true
                }
                // Somebody ended it: with the time limit it would go on.
                if ["COMPLETING", "CANCELLED", "FAILED", "TIMEOUT"].contains(state.state), state.reason != "TimeLimit" {
                    say("not queued again: SLURM is ending job \(allocation.name) (\(state.state.lowercased()))")
                    return false
                }
                // As `diptych cancel` tells SLURM first of all.
                if state.mayBeQueuedAgain == false {
                    say("not queued again: job \(allocation.name) was cancelled, or submitted with --no-requeue")
                    return false
                }
            }
            // Said first: SLURM ends this process as soon as it agrees.
            say("queueing job \(allocation.name) again: restart \(policy.restarts + 1) of at most \(policy.limit)")
            events?.append(
                .requeued, ["slurm_job": .string(allocation.name), "restarts": .integer(policy.restarts + 1)])
            if let complaint = requeue() {
                say("SLURM does not queue job \(allocation.name) again: \(complaint)")
                return false
            }
            return true
        }
    }

    /// Seconds between two attempts, and how many there are: a slurmctld that is started again is back within minutes.
    private static let attempts = (count: 36, seconds: UInt32(5))

    /// Asks SLURM, again and again unless it refuses for good: it may be away or busy.
    ///
    /// - Returns: Nil when SLURM agreed, else what it says.
    private func requeue() -> String? {
        for _ in 1..<Self.attempts.count {
            guard let answer = tools.requeue(allocation.name) else { return nil }
            if answer.isFinal { return answer.complaint }
            sleep(Self.attempts.seconds)
        }
        return tools.requeue(allocation.name)?.complaint
    }
}
