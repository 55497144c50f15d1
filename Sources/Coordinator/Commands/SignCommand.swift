import ArgumentParser
import Checkpoints
import Foundation
import Jobs

/// `diptych sign`: signs the manifests of a run, or an export.
struct SignCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sign", abstract: "Signs the manifests of a run's checkpoints, or an export, with an Ed25519 key.",
        discussion: """
            The signature of MANIFEST is MANIFEST.sig; `diptych verify --key` checks it, and so does openssl. Make keys \
            with `openssl genpkey -algorithm ed25519 -out private.pem` and `openssl pkey -in private.pem -pubout -out \
            public.pem`. A run whose checkpoints are not all valid is not signed (65).
            A folder that is no run is an export, such as what `sample --out` and `audit --public` write. What is signed \
            is its list export.sha256, which names every file in it, those of folders below too, with size and SHA-256; \
            `sha256sum --check` reads it as well. An export with symbolic links is not signed (65).
            """)

    @Argument(help: ArgumentHelp("The directory of a run, or an export.", valueName: "folder"), completion: .directory)
    var path: String

    @Option(help: "The private key, PEM.", completion: .file())
    var key: String

    @Flag(help: "Prints one line of JSON.")
    var json = false

    func run() throws {
        let directory = RunDirectory(path)
        let console = Console(json: json)
        let signed: [String]
        if try directory.isPrepared {
            _ = try Self.isExport(directory)
            _ = try directory.readJob()
            signed = try Self.naming { try signManifests(directory) }
            for manifest in signed { console.say("signed  \(printable(manifest))") }
        } else {
            let list = try Self.naming { try ExportList.sign(directory.path, with: SigningKey(path: key)) }
            signed = [ExportList.path(in: directory.path)]
            console.say("signed  \(printable(signed[0])): \(list.files.count) files")
        }
        console.report(["signed": .array(signed.map { .string($0) })])
    }

    private func signManifests(_ directory: RunDirectory) throws -> [String] {
        let key = try SigningKey(path: key)
        let store = CheckpointStore(directory: directory.checkpoints)
        let invalid = try Examination().reports(of: store).filter { !$0.valid }.map(\.path)
        let broken = try store.chains().compactMap { $0.firstBreak?.path }
        if let first = (invalid + broken).first {
            throw DiptychFailure(
                .badData, "\(printable(first)) is not valid, see `diptych verify`; nothing was signed")
        }
        let manifests = try store.manifestPaths()
        for manifest in manifests { try key.sign(manifest) }
        return manifests
    }

    /// Whether a folder holds an export's list.
    ///
    /// - Throws: `DiptychFailure` with code 65 for a run with one: who is handed a folder must not take one kind for the
    ///   other, of which less is checked.
    static func isExport(_ directory: RunDirectory) throws -> Bool {
        let isExport = ExportList.isThere(in: directory.path)
        guard isExport, try directory.isPrepared else { return isExport }
        throw DiptychFailure(
            .badData,
            "\(printable(directory.path)) holds a run's job.yaml and an export's \(ExportList.name), but is only one of "
                + "them: take away what was put there")
    }

    /// Turns the errors of keys and files into failures with their codes.
    static func naming<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as CheckpointError {
            throw DiptychFailure(error.code == .invalidKey ? .usage : .badData, printable("\(error)"))
        } catch let error as Checkpoints.FileError {
            throw DiptychFailure(.inputOutput, printable("\(error)"))
        }
    }
}
