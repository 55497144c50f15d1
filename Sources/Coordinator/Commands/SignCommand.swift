import ArgumentParser
import Checkpoints
import Foundation
import Jobs

/// `diptych sign`: signs the manifests of a run.
struct SignCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sign", abstract: "Signs the manifests of a run's checkpoints with an Ed25519 key.",
        discussion: """
            The signature of MANIFEST is MANIFEST.sig; `diptych verify --key` checks it, and so does openssl. Make keys \
            with `openssl genpkey -algorithm ed25519 -out private.pem` and `openssl pkey -in private.pem -pubout -out \
            public.pem`. A run whose checkpoints are not all valid is not signed (65).
            """)

    @Argument(help: ArgumentHelp("The run's directory.", valueName: "run"), completion: .directory)
    var path: String

    @Option(help: "The private key, PEM.", completion: .file())
    var key: String

    @Flag(help: "Prints one line of JSON.")
    var json = false

    func run() throws {
        let directory = RunDirectory(path)
        _ = try directory.readJob()
        let console = Console(json: json)
        let signed = try Self.naming {
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
        for manifest in signed { console.say("signed  \(printable(manifest))") }
        console.report(["signed": .array(signed.map { .string($0) })])
    }

    /// Turns the errors of keys and files into failures with their codes.
    static func naming<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as CheckpointError {
            throw DiptychFailure(error.code == .invalidKey ? .usage : .badData, "\(error)")
        } catch let error as Checkpoints.FileError {
            throw DiptychFailure(.inputOutput, "\(error)")
        }
    }
}
