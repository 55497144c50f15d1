import ArgumentParser
import Foundation
import Jobs

/// `diptych status`: where a run is.
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Shows how far a run is, from its logs, heartbeats and checkpoints.")

    @Argument(help: ArgumentHelp("The run's directory.", valueName: "run"), completion: .directory)
    var path: String

    @Flag(help: "Prints one line of JSON.")
    var json = false

    func run() throws {
        let directory = RunDirectory(path)
        let job = try directory.readJob()
        let status = RunStatus(directory: directory, job: job, now: Date().timeIntervalSince1970)
        let console = Console(json: json)
        console.report(status.json)
        if !json { status.lines.forEach(console.say) }
    }
}

/// Where a run is, read from its directory alone.
struct RunStatus {
    /// Where one model is.
    struct Model {
        var name: String
        var totalSteps: Int
        var step: Int
        var loss: Double?
        var checkpoints: [Int]
    }

    let directory: RunDirectory
    let state: State
    let models: [Model]
    let beats: [Heartbeat]
    let outcome: Outcome?
    let now: Double

    /// What the run is doing.
    enum State: String {
        /// Its lock is held.
        case running
        /// It ended, and said how.
        case ended
        /// It ended without a word, or never began.
        case idle
    }

    /// Reads a run's directory.
    init(directory: RunDirectory, job: Job, now: Double) {
        self.directory = directory
        self.now = now
        outcome = Outcome.read(from: directory)
        beats = Heartbeat.readAll(in: directory)
        state = RunLock.isHeld(directory) ? .running : outcome == nil ? .idle : .ended
        models = job.models.map { model in
            let last = StepLog.last(path: directory.log(of: model.name))
            return Model(
                name: model.name, totalSteps: job.options(of: model).steps, step: last.map { $0.step + 1 } ?? 0,
                loss: last?.loss, checkpoints: directory.checkpointSteps(of: model.name))
        }
    }

    /// For people.
    var lines: [String] {
        var lines = ["run \(printable(directory.path)): \(state.rawValue)"]
        if state == .ended, let outcome {
            lines[0] += ", exit code \(outcome.exit.rawValue)"
            if !outcome.message.isEmpty { lines.append(printable(outcome.message)) }
        }
        let longest = models.map(\.name.count).max() ?? 0
        for model in models {
            var text = model.name + String(repeating: " ", count: longest - model.name.count)
            text += "  step \(model.step)/\(model.totalSteps)"
            if let loss = model.loss { text += ", loss \(ProgressRenderer.digits(loss))" }
            text += model.checkpoints.last.map { ", newest checkpoint at step \($0)" } ?? ", no checkpoint"
            lines.append(text)
        }
        if state == .running {
            let stragglers = Straggler.all(in: beats)
            for beat in beats {
                let age = Int(max(0, now - beat.time))
                let doing = beat.model.isEmpty ? beat.phase.rawValue : "\(beat.phase.rawValue) \(beat.model)"
                lines.append(
                    "rank \(beat.rank) on \(printable(beat.host)): \(printable(doing)) step \(beat.step), "
                        + "\(ProgressRenderer.digits(beat.imagesPerSecond)) images/s of its group, last seen \(age) s ago"
                        + (beat.isWaiting == true ? ", waiting for others" : "")
                        + (stragglers[beat.rank].map { ", STRAGGLER: \(ProgressRenderer.digits($0)) times the median" }
                            ?? "")
                )
            }
        }
        if let grid = outcome?.grid { lines.append("grid of samples: \(printable(grid))") }
        return lines
    }

    /// For scripts.
    var json: JSONValue {
        let stragglers = Straggler.all(in: beats)
        return [
            "run": .string(directory.path), "state": .string(state.rawValue),
            "exit": outcome.map { .integer(Int($0.exit.rawValue)) } ?? .null,
            "message": .string(outcome?.message ?? ""),
            "models": .array(
                models.map { model in
                    [
                        "name": .string(model.name), "step": .integer(model.step),
                        "total_steps": .integer(model.totalSteps),
                        "loss": model.loss.map { .number($0) } ?? .null,
                        "checkpoints": .array(model.checkpoints.map { .integer($0) }),
                    ]
                }),
            "ranks": .array(
                beats.map { beat in
                    [
                        "rank": .integer(beat.rank), "host": .string(beat.host),
                        "process": .integer(Int(beat.process)), "phase": .string(beat.phase.rawValue),
                        "model": .string(beat.model), "step": .integer(beat.step),
                        "images_per_second": .number(beat.imagesPerSecond),
                        "seconds_since": .number(max(0, now - beat.time)),
                        "seconds_per_image": beat.secondsPerImage.map { .number($0) } ?? .null,
                        "waiting": .boolean(beat.isWaiting == true),
                        "straggler": stragglers[beat.rank].map { .number($0) } ?? .null,
                    ]
                }),
            "grid": outcome?.grid.map { .string($0) } ?? .null,
        ]
    }
}
