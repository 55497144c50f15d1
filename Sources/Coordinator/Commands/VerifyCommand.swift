import ArgumentParser
import Checkpoints
import Foundation
import Jobs

/// `diptych verify`: examines every checkpoint of a run, or the files of an export.
struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Checks every checkpoint of a run, and the chains of their manifests; or every file of an export.",
        discussion: """
            Every manifest names the one before it by its SHA-256; the head of a chain, noted down elsewhere, stands for \
            all of it. Each checkpoint is read in a process of its own, with limits for memory and time, so that a file made \
            to do harm is one more that is not valid. The split is checked against its own hash, and the newest \
            checkpoints against what the run said it had come to.
            In a folder with a list export.sha256 (see `diptych sign`), every file must be what the list says, and no other \
            may be there. Without --key that tells of damage only: anyone can write a list.
            Ends with 0 when everything is valid, else with 65, and says which of the two the folder is; with 74 when \
            a file of a run cannot be read now.
            """)

    @Argument(help: ArgumentHelp("The directory of a run, or an export.", valueName: "folder"), completion: .directory)
    var path: String

    @Option(
        help: "A public key, PEM: every manifest, or the export's list, must be signed with it (see `diptych sign`).",
        completion: .file())
    var key: String?

    @Flag(help: "Prints one line of JSON.")
    var json = false

    func run() throws {
        let directory = RunDirectory(path)
        let console = Console(json: json)
        // Whoever asks for a signature where there is neither run nor list is told that it is missing.
        let isBare = try key != nil && !directory.isPrepared && access(directory.path, F_OK) == 0
        if try SignCommand.isExport(directory) || isBare { return try verifyExport(directory.path, console) }
        _ = try directory.readJob()
        let reports: [CheckpointReport]
        let chains: [ChainReport]
        do {
            let store = CheckpointStore(directory: directory.checkpoints)
            reports = try Examination().reports(of: store)
            chains = try store.chains()
        } catch let error as Checkpoints.FileError {
            throw DiptychFailure(.inputOutput, printable("\(error)"))
        }
        for report in reports {
            console.say(
                "\(report.valid ? "valid  " : "INVALID")  \(printable(report.path))"
                    + (report.reason.map { ": \(printable($0))" } ?? ""))
        }
        if reports.isEmpty { console.say("\(printable(directory.path)) has no checkpoints yet") }
        chains.forEach { console.say(Self.text($0)) }
        let signatures = try signatureFaults(directory)
        for fault in signatures { console.say("INVALID  \(printable(fault))") }
        let split = try Self.splitFault(directory)
        if let split { console.say("INVALID  \(split)") }
        let missing = try Self.missing(reports, directory)
        for fault in missing { console.say("INVALID  \(fault)") }
        console.report(
            VerifyCommand.json(
                reports, chains, split: split, signatures: key == nil ? nil : signatures, missing: missing))
        var faults: [String] = []
        let invalid = reports.filter { !$0.valid }
        if !invalid.isEmpty {
            faults.append(
                "\(invalid.count) of \(reports.count) checkpoints are damaged; `diptych run` goes on from the newest valid one"
            )
        }
        faults += chains.compactMap { chain in
            chain.firstBreak.map {
                "the chain of \(chain.model) breaks at \(printable($0.path)): \(printable($0.reason))"
            }
        }
        faults += signatures.map { printable($0) }
        if let split { faults.append(split) }
        faults += missing
        if !faults.isEmpty { throw DiptychFailure(.badData, faults.joined(separator: "\n")) }
    }

    /// What is wrong with the manifests' signatures; nothing when none are asked for.
    private func signatureFaults(_ directory: RunDirectory) throws -> [String] {
        guard let key else { return [] }
        return try SignCommand.naming {
            let key = try VerifyingKey(path: key)
            let manifests = try CheckpointStore(directory: directory.checkpoints).manifestPaths()
            // The key has vouched for nothing here.
            if manifests.isEmpty { return ["\(directory.checkpoints): holds no signed manifest"] }
            return try manifests.compactMap { try key.fault(of: $0) }
        }
    }

    private func verifyExport(_ folder: String, _ console: Console) throws {
        let report = try SignCommand.naming {
            ExportList.verify(folder, key: try key.map { try VerifyingKey(path: $0) })
        }
        for fault in report.faults { console.say("INVALID  \(printable(fault))") }
        if report.faults.isEmpty {
            let signer = key == nil ? "; who wrote it is not checked without --key" : ", signed with this key"
            console.say(
                "valid    export \(printable(folder)): \(report.files) files as \(ExportList.name) lists them" + signer)
        }
        console.report([
            "kind": "export", "files": .integer(report.files),
            "file_faults": .array((key == nil ? report.faults : report.fileFaults).map { .string($0) }),
            "signature_faults": key == nil ? .null : .array(report.signatureFaults.map { .string($0) }),
        ])
        guard let first = report.faults.first else { return }
        let more = report.faults.count > 1 ? " (and \(report.faults.count - 1) more)" : ""
        throw DiptychFailure(.badData, "the export is not what was signed: \(printable(first))\(more)")
    }

    private static func text(_ chain: ChainReport) -> String {
        let head = chain.head.map { ", head \($0)" } ?? ""
        let state = chain.firstBreak == nil ? "unbroken" : "BROKEN"
        return "chain of \(chain.model): \(state), \(chain.links) manifests\(head)"
    }

    /// What is wrong with the split; nil when nothing is, or there is none yet.
    ///
    /// - Throws: `DiptychFailure` with code 74 when it cannot be read now, which says nothing about it.
    private static func splitFault(_ directory: RunDirectory) throws -> String? {
        do {
            guard try FileBytes.exists(directory.split) else { return nil }
            let (found, recorded) = try (sha256Hex(ofFile: directory.split), directory.recordedSplitHash())
            return found == recorded
                ? nil
                : "\(printable(directory.split)): its SHA-256 is \(found) instead of \(recorded); restore it from a copy: "
                    + "`diptych run` does not go on without the split that it began with"
        } catch let error as Checkpoints.FileError where error.number != 0 {
            throw DiptychFailure(.inputOutput, printable("\(error)"))
        } catch let error as SystemCallError {
            throw error.failure
        } catch let failure as DiptychFailure where failure.code == .inputOutput {
            throw failure
        } catch {
            return "\(error)"
        }
    }

    /// The models whose newest weights, as the run's outcome names them, no checkpoint holds: a chain that was cut short at
    /// its new end, or taken away as a whole, has no broken link. Of a damaged one, that is told already.
    private static func missing(_ reports: [CheckpointReport], _ directory: RunDirectory) throws -> [String] {
        let outcome = try Outcome.read(from: directory)
        return (outcome?.weightsSHA256 ?? [:]).sorted { $0.key < $1.key }.compactMap { model, hash in
            let own = reports.filter { $0.model == model }
            guard own.allSatisfy(\.valid), !own.contains(where: { $0.weightsHash == hash }) else { return nil }
            return "\(printable(directory.checkpoints(of: model))): no checkpoint there holds the weights that "
                + "\(printable(directory.outcome)) says the run has come to (\(printable(hash))); restore it, or let "
                + "`diptych run` do the steps again"
        }
    }

    /// The line for scripts.
    static func json(
        _ reports: [CheckpointReport], _ chains: [ChainReport], split: String?, signatures: [String]?, missing: [String]
    ) -> JSONValue {
        [
            "kind": "run",
            "missing": .array(missing.map { .string($0) }),
            "signature_faults": signatures.map { .array($0.map { .string($0) }) } ?? .null,
            "split": split.map { .string($0) } ?? .null,
            "chains": .array(
                chains.map { chain in
                    [
                        "model": .string(chain.model), "links": .integer(chain.links),
                        "head_manifest_sha256": chain.head.map { .string($0) } ?? .null,
                        "break": chain.firstBreak.map { .string($0.path) } ?? .null,
                        "reason": chain.firstBreak.map { .string($0.reason) } ?? .null,
                    ]
                }),
            "checkpoints": .array(
                reports.map { report in
                    [
                        "path": .string(report.path), "model": .string(report.model), "step": .integer(report.step),
                        "valid": .boolean(report.valid), "reason": report.reason.map { .string($0) } ?? .null,
                        "weights_sha256": report.weightsHash.map { .string($0) } ?? .null,
                        "ema_sha256": report.emaHash.map { .string($0) } ?? .null,
                    ]
                }),
        ]
    }
}
