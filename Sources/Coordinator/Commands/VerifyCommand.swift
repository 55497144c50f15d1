import ArgumentParser
import Checkpoints
import Foundation
import Jobs

/// `diptych verify`: examines every checkpoint of a run.
struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Reads every checkpoint of a run and checks it against its manifest.",
        discussion: "Ends with 0 when all are valid, else with 65.")

    @Argument(help: ArgumentHelp("The run's directory.", valueName: "run"), completion: .directory)
    var path: String

    @Flag(help: "Prints one line of JSON.")
    var json = false

    func run() throws {
        let directory = RunDirectory(path)
        _ = try directory.readJob()
        let console = Console(json: json)
        let reports: [CheckpointReport]
        do {
            reports = try CheckpointStore(directory: directory.checkpoints).verify()
        } catch let error as Checkpoints.FileError {
            throw DiptychFailure(.inputOutput, "\(error)")
        }
        for report in reports {
            console.say(
                "\(report.valid ? "valid  " : "INVALID")  \(printable(report.path))"
                    + (report.reason.map { ": \(printable($0))" } ?? ""))
        }
        if reports.isEmpty { console.say("\(printable(directory.path)) has no checkpoints yet") }
        console.report(VerifyCommand.json(reports))
        let invalid = reports.filter { !$0.valid }
        if !invalid.isEmpty {
            throw DiptychFailure(
                .badData,
                "\(invalid.count) of \(reports.count) checkpoints are damaged; `diptych run` goes on from the newest valid one"
            )
        }
    }

    /// The line for scripts.
    static func json(_ reports: [CheckpointReport]) -> JSONValue {
        [
            "checkpoints": .array(
                reports.map { report in
                    [
                        "path": .string(report.path), "model": .string(report.model), "step": .integer(report.step),
                        "valid": .boolean(report.valid), "reason": report.reason.map { .string($0) } ?? .null,
                        "weights_sha256": report.weightsHash.map { .string($0) } ?? .null,
                        "ema_sha256": report.emaHash.map { .string($0) } ?? .null,
                    ]
                })
        ]
    }
}
