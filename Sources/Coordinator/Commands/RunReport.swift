import Foundation
import Jobs

/// What `diptych run` says before and after.
package enum RunReport {
    /// Says what begins, or what goes on from where.
    static func begin(_ preparation: RunPreparation, _ placement: Placement, _ console: Console) throws {
        let job = preparation.job
        let ranks = "\(placement.ranks) rank\(placement.ranks == 1 ? "" : "s")"
        console.say("run \(printable(preparation.directory.path)): \(job.name), \(job.defence.rawValue), \(ranks)")
        let teachers = try job.takenTeachers(in: preparation.directory)
        let taken = teachers.filter {
            preparation.resumeSteps[$0.name] == nil
        }
        if let source = job.teachersFrom, !taken.isEmpty {
            console.say("teachers: \(taken.map(\.name).joined(separator: ", ")) from the run in \(printable(source))")
        }
        // A run that was submitted but has not begun is prepared, too.
        if preparation.isResumed, access(preparation.directory.execution, F_OK) == 0 {
            let steps = job.models.map { model in
                preparation.resumeSteps[model.name].map { "\(model) from step \($0)" }
                    ?? (taken.contains(model) ? "\(model) to be taken" : "\(model) from the start")
            }
            console.say("resuming: " + steps.joined(separator: ", "))
            for difference in preparation.differences { console.say("changed: \(difference)") }
        }
    }

    /// Says that ranks must share cores, which is slow.
    static func crowd(_ machine: Machine, ranks: Int, _ console: Console) {
        let cores = machine.isSingleNode ? machine.cores : machine.allocation?.coresPerNode.reduce(0, +) ?? ranks
        guard machine.isCrowded(ranks: ranks), ranks > cores else { return }
        console.say(
            "note: \(ranks) ranks share \(cores) core\(cores == 1 ? "" : "s"), which is slower than one rank on each; waiting "
                + "ranks give theirs away")
    }

    /// Says where in the cluster the run is, and for which time.
    static func place(_ allocation: SlurmAllocation, _ launcher: LauncherKind, _ console: Console) {
        let restart = allocation.restarts > 0 ? "restart \(allocation.restarts) of " : ""
        console.say(
            "\(Console.timestamp()): \(restart)SLURM job \(allocation.name) on \(printable(allocation.nodeList)), ranks "
                + "started by \(launcher.rawValue)")
    }

    /// Which checkpoints the ranks passed over because they are damaged, and what that has cost.
    ///
    /// - Parameter former: Bytes of the event log that former executions wrote.
    package static func damage(after former: Int, _ directory: RunDirectory) -> [String] {
        struct Skipped: Decodable {
            var path: String
            var reason: String
            var steps_lost: Int
        }
        let events = (try? FileBytes.read(directory.events)) ?? Data()
        return events.dropFirst(former).split(separator: UInt8(ascii: "\n")).compactMap { line in
            // Lines of other kinds lack these keys.
            guard let event = try? JSONDecoder().decode(Skipped.self, from: line) else { return nil }
            return "passed over a damaged checkpoint, which cost \(event.steps_lost) steps: \(printable(event.reason))"
                + (event.reason.contains(event.path) ? "" : " (\(printable(event.path)))")
        }
    }

    /// Says what came of it.
    static func end(_ outcome: Outcome, _ directory: RunDirectory, _ console: Console) {
        phases(outcome).forEach(console.say)
        if outcome.exit == .done {
            console.say("done: everything is in \(printable(directory.path))")
            if let grid = outcome.grid { console.say("grid of samples: \(printable(grid))") }
        } else {
            console.say("what the ranks wrote: \(printable(directory.workerOutput))")
        }
    }

    /// What each phase came to, a line for each.
    package static func phases(_ outcome: Outcome) -> [String] {
        outcome.phases.map { phase in
            let losses = phase.finalLoss.sorted { $0.key < $1.key }.map {
                "\($0.key) \(ProgressRenderer.digits($0.value))"
            }
            var text = "\(phase.name.rawValue): \(ProgressRenderer.duration(phase.seconds))"
            if phase.steps > 0 { text += ", \(phase.steps) steps" }
            if phase.imagesPerSecond > 0 { text += ", \(ProgressRenderer.digits(phase.imagesPerSecond)) images/s" }
            if !losses.isEmpty { text += ", final loss: " + losses.joined(separator: ", ") }
            return printable(text)
        }
    }

    /// The line for scripts.
    package static func json(_ outcome: Outcome, run: String, isRequeued: Bool) -> JSONValue {
        func object(_ values: [String: JSONValue]) -> JSONValue {
            .object(values.sorted { $0.key < $1.key }.map { .init($0.key, $0.value) })
        }
        let phases = outcome.phases.map { phase -> JSONValue in
            [
                "name": .string(phase.name.rawValue), "steps": .integer(phase.steps), "seconds": .number(phase.seconds),
                "images_per_second": .number(phase.imagesPerSecond),
                "final_loss": object(phase.finalLoss.mapValues { .number($0) }),
            ]
        }
        return [
            "run": .string(run), "exit": .integer(Int(outcome.exit.rawValue)), "message": .string(outcome.message),
            "phases": .array(phases),
            "weights_sha256": object(outcome.weightsSHA256.mapValues { .string($0) }),
            "ema_sha256": object(outcome.emaSHA256.mapValues { .string($0) }),
            "grid": outcome.grid.map { .string($0) } ?? .null, "requeued": .boolean(isRequeued),
        ]
    }
}
