import Foundation
import Jobs

extension RunStatus {
    /// For people.
    package var lines: [String] {
        var lines = ["run \(printable(directory.path)): \(state.rawValue)"]
        if state == .running, let phase { lines[0] += ", \(phase.rawValue)" }
        if state == .ended, let outcome { lines[0] += ", exit code \(outcome.exit.rawValue)" }
        lines[0] += restarted
        if state == .ended, let outcome, !outcome.message.isEmpty { lines.append(printable(outcome.message)) }
        if let slurm { lines.append(Self.line(slurm)) }
        let longest = models.map(\.name.count).max() ?? 0
        lines += models.map { Self.line($0, width: longest) }
        if state == .running { lines += beats.map { line($0) } }
        lines += silent.map {
            "rank \($0.rank) on \(printable($0.host)) has given no sign of life for "
                + "\(ProgressRenderer.duration(now - $0.time))"
                + (slurm == nil ? "" : ": if its node is lost, SLURM will start the job again")
        }
        if let grid = outcome?.grid { lines.append("grid of samples: \(printable(grid))") }
        return lines
    }

    private static func line(_ slurm: Slurm) -> String {
        guard let state = slurm.state else { return slurm.remark ?? "" }
        var text = "SLURM job \(slurm.job): \(state.state.lowercased())"
        if !state.nodes.isEmpty { text += " on \(printable(state.nodes))" }
        if !state.reason.isEmpty { text += " (\(printable(state.reason)))" }
        if let left = state.secondsLeft { text += ", \(ProgressRenderer.duration(left)) until its time limit" }
        return text
    }

    private static func line(_ model: Model, width: Int) -> String {
        var text = model.name + String(repeating: " ", count: width - model.name.count)
        text += "  step \(model.step)/\(model.totalSteps)"
        if let loss = model.loss { text += ", loss \(ProgressRenderer.digits(loss))" }
        if let rate = model.imagesPerSecond { text += ", \(ProgressRenderer.digits(rate)) images/s" }
        if let left = model.secondsLeft { text += ", \(ProgressRenderer.duration(left)) left" }
        text += model.checkpoints.last.map { ", newest checkpoint at step \($0)" } ?? ", no checkpoint"
        if let age = model.checkpointAge { text += ", \(ProgressRenderer.duration(age)) old" }
        return text
    }

    private func line(_ beat: Heartbeat) -> String {
        let age = Int(min(max(0, now - beat.time), 1e15))
        let doing = beat.model.isEmpty ? beat.phase.rawValue : "\(beat.phase.rawValue) \(beat.model)"
        return "rank \(beat.rank) on \(printable(beat.host)): \(printable(doing)) step \(beat.step), "
            + "\(ProgressRenderer.digits(beat.imagesPerSecond)) images/s of its group, last seen \(age) s ago"
            + (beat.isWaiting == true ? ", waiting for others" : "")
            + (stragglers[beat.rank].map { ", STRAGGLER: \(ProgressRenderer.digits($0)) times the median" } ?? "")
    }

    /// How often it began anew, to follow other words; empty if it never did.
    private var restarted: String {
        restarts == 0 ? "" : ", restarted \(restarts) time\(restarts == 1 ? "" : "s")"
    }

    /// One line for a list of runs.
    package var summary: String {
        let current = models.last { $0.step > 0 } ?? models.first
        var text = "\(printable(directory.path)): \(state.rawValue)"
        if state == .ended, let outcome { text += ", exit code \(outcome.exit.rawValue)" }
        if let current { text += ", \(current.name) step \(current.step)/\(current.totalSteps)" }
        if let loss = current?.loss { text += ", loss \(ProgressRenderer.digits(loss))" }
        if let left = current?.secondsLeft { text += ", \(ProgressRenderer.duration(left)) left" }
        text += restarted
        if let slurm { text += ", SLURM job \(slurm.job)" + (slurm.state.map { " \($0.state.lowercased())" } ?? "") }
        if !silent.isEmpty { text += ", \(silent.count) silent rank\(silent.count == 1 ? "" : "s")" }
        return text
    }

    /// For scripts.
    package var json: JSONValue {
        func number(_ value: Double?) -> JSONValue {
            value.flatMap { $0.isFinite ? JSONValue.number($0) : nil } ?? .null
        }
        return [
            "run": .string(directory.path), "state": .string(state.rawValue),
            "phase": phase.map { .string($0.rawValue) } ?? .null,
            "exit": outcome.map { .integer(Int($0.exit.rawValue)) } ?? .null,
            "message": .string(outcome?.message ?? ""), "restarts": .integer(restarts),
            "slurm": slurm.map { slurm in
                [
                    "job_id": .string(slurm.job), "state": slurm.state.map { .string($0.state) } ?? .null,
                    "nodes": .string(slurm.state?.nodes ?? ""), "reason": .string(slurm.state?.reason ?? ""),
                    "restarts": slurm.state?.restarts.map { .integer($0) } ?? .null,
                    "seconds_left": number(slurm.state?.secondsLeft), "remark": .string(slurm.remark ?? ""),
                ]
            } ?? .null,
            "models": .array(
                models.map { model in
                    [
                        "name": .string(model.name), "step": .integer(model.step),
                        "total_steps": .integer(model.totalSteps), "loss": number(model.loss),
                        "images_per_second": number(model.imagesPerSecond),
                        "seconds_left": number(model.secondsLeft),
                        "checkpoints": .array(model.checkpoints.map { .integer($0) }),
                        "checkpoint_age_seconds": number(model.checkpointAge),
                    ]
                }),
            "ranks": .array(
                beats.map { beat in
                    [
                        "rank": .integer(beat.rank), "host": .string(beat.host),
                        "process": .integer(Int(beat.process)), "phase": .string(beat.phase.rawValue),
                        "model": .string(beat.model), "step": .integer(beat.step),
                        "images_per_second": .number(beat.imagesPerSecond),
                        "seconds_per_image": number(beat.secondsPerImage),
                        "waiting": .boolean(beat.isWaiting == true),
                        "straggler": number(stragglers[beat.rank]),
                        "seconds_since": .number(max(0, now - beat.time)),
                    ]
                }),
            "silent": .array(silent.map { .integer($0.rank) }),
            "stragglers": .array(stragglers.keys.sorted().map { .integer($0) }),
            "grid": outcome?.grid.map { .string($0) } ?? .null,
        ]
    }
}
