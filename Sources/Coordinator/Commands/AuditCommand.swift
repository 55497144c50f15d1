import ArgumentParser
import Foundation
import Jobs
import Privacy

/// `diptych audit`: attacks what runs release, and says how well that went.
struct AuditCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Attacks what runs release with the published membership attacks, and reports how well that goes.",
        discussion: """
            Members are images that the run trained on, held-out images come from the same source and nothing has seen \
            them. Hyper-parameters are chosen on one half of them, figures are of the other. What was measured stays in \
            RUN/audit: an audit that was ended goes on where it stood, to the same report on any number of ranks. \
            docs/audit.md tells what each attack is and how to read the figures.
            """)

    @Argument(help: ArgumentHelp("The runs' directories.", valueName: "run"), completion: .directory)
    var paths: [String] = []

    @Flag(help: "Lists the attacks, with what each must reach and what it costs, and ends.")
    var list = false

    @Option(help: "Names of attacks with commas between them; all by default.")
    var attacks: String?

    @Option(help: "Network evaluations for each run (200000) or minutes (10m), for attacks in the order of --list.")
    var budget = AuditBudget.unlimited

    @Option(help: "The most members, and held-out images, to attack; as many as there are by default.")
    var images: Int?

    @Option(help: "Images that a release makes for the nearest-image attack.")
    var samples = 1024

    @Option(help: "Which weights are attacked: ema or raw.")
    var weights = WeightKind.ema

    @Option(
        help: ArgumentHelp(
            "A run of the same job with another seed, which serves as a shadow model; may be repeated.",
            valueName: "run"), completion: .directory)
    var shadow: [String] = []

    @Option(help: "Where the report goes; RUN/audit by default, or audit for several runs.", completion: .directory)
    var out: String?

    @Flag(
        name: .customLong("public"),
        help: "Leaves out of the report every private image, the scores of single images, paths and seeds.")
    var isPublic = false

    @Option(help: "MPI ranks; the machine's cores by default.")
    var ranks: Int?

    @Flag(help: "Prints one line of JSON.")
    var json = false

    func validate() throws {
        guard list || !paths.isEmpty else { throw ValidationError("name at least one run, or give --list") }
        for (name, value) in [("images", images), ("samples", samples), ("ranks", ranks)] {
            guard let value, !(1...1_000_000).contains(value) else { continue }
            throw ValidationError("--\(name) must be in 1...1000000, found \(value)")
        }
    }

    func run() throws {
        let console = Console(json: json)
        if list {
            AuditText.list.forEach(console.say)
            console.report(AuditText.jsonList)
            return
        }
        let machine = try Machine.current()
        let launcher = try MPIRun(machine: machine)
        // All runs are looked at before the first is audited for minutes.
        let directories = paths.map { RunDirectory($0) }
        for directory in directories + shadow.map({ RunDirectory($0) }) { try check(directory) }
        try requireAttack(on: directories)
        // Signals end this program at once until it has ranks to end.
        let signals = ProcessSignals()
        var reports: [AuditReport] = []
        for directory in directories {
            console.say("auditing \(printable(directory.path))")
            let invocation = launcher.invocation(
                ranks: ranks ?? machine.cores, arguments: arguments(directory),
                label: "audit \(getpid()) \(directory.path)")
            _ = try Errand(invocation: invocation, signals: signals, stopsGently: true) {
                console.say("  " + printable($0))
            }.run()
            reports.append(try AuditFiles.report(directory))
        }
        let named = AuditReport.told(apart: reports, directories)
        var report = AuditReport.joined(named)
        report.provenance.append(
            AuditReport.Entry(name: "started in", value: FileManager.default.currentDirectoryPath))
        report.provenance.append(AuditReport.Entry(name: "command", value: command, isPublic: isPublic))
        let folder = folder(directories)
        // A public report is made without a look at private images.
        let pairs = isPublic ? [] : try zip(named, directories).flatMap { try AuditFiles.pairs($1, of: $0) }
        try AuditPublication.publish(report, pairs: pairs, audience: isPublic ? .anyone : .owner, to: folder)
        AuditText.table(report).forEach(console.say)
        console.say("report: \(printable(folder))/report.html")
        console.report(AuditText.json(report, folder: folder))
    }

    /// Where the report goes. A public one never takes the place of the run's own.
    private func folder(_ directories: [RunDirectory]) -> String {
        if let out { return absolutePath(out) }
        guard directories.count == 1 else { return absolutePath("audit") }
        return directories[0].audit + (isPublic ? "/public" : "")
    }

    /// What repeats the audit, typed in the folder where it was started; ranks make no difference. In a public report,
    /// words in capitals stand for the paths, which are private.
    private var command: String {
        func words(_ paths: [String], or placeholder: String) -> [String] {
            paths.enumerated().map { index, path in
                guard !isPublic else { return paths.count == 1 ? placeholder : "\(placeholder)-\(index + 1)" }
                // Behind `--` a path may begin with a dash.
                return ShellText.word(path.hasPrefix("-") ? "./" + path : path)
            }
        }
        var command = ["diptych", "audit"] + words(paths, or: "RUN")
        command += ["--budget", "\(budget)", "--samples", "\(samples)", "--weights", weights.rawValue]
        if let attacks { command += ["--attacks", ShellText.word(attacks)] }
        if let images { command += ["--images", "\(images)"] }
        for path in words(shadow, or: "SHADOW") { command += ["--shadow", path] }
        if let out { command += ["--out"] + words([out], or: "FOLDER") }
        if isPublic { command.append("--public") }
        return command.joined(separator: " ")
    }

    /// Throws unless a run has what is audited, and ranks survive reading it: the run may be a stranger's.
    private func check(_ directory: RunDirectory) throws {
        let job = try directory.readJob()
        let audited = job.defence == .dualMD ? job.taughtModels : [job.student ?? job.taughtModels[0]]
        for model in audited where try directory.checkpointSteps(of: model.name).isEmpty {
            throw DiptychFailure(
                .badData, "\(printable(directory.path)) has no checkpoint of \(model.name) to audit yet")
        }
        guard job.data.heldOut > 0 else {
            throw DiptychFailure(
                .usage, "\(printable(directory.path)) holds no images out: an audit needs a run with data.held_out")
        }
        try Examination().requireReadableSplit(of: directory)
        try Examination().requireReadable(audited, of: directory)
    }

    /// Throws if none of the named attacks can be made on any of the runs. What is wrong with a name, the ranks say.
    private func requireAttack(on directories: [RunDirectory]) throws {
        guard let attacks,
            let selection = try? AttackSelection(
                attacks.split(separator: ",").map(String.init), hasShadows: !shadow.isEmpty),
            try !directories.contains(where: {
                selection.canAttack(isDistilled: try $0.readJob().defence == .distillMD)
            })
        else { return }
        throw DiptychFailure(
            .usage,
            "\(printable(attacks)) can be made on none of these runs: \(NeighbourLean.name) is an attack on DistillMD; name "
                + "other attacks, or a run with defence distillmd")
    }

    private func arguments(_ directory: RunDirectory) -> [String] {
        var arguments = [
            "audit", "--run", directory.path, "--budget", "\(budget)", "--samples", "\(samples)", "--weights",
            weights.rawValue,
        ]
        if let attacks { arguments += ["--attacks", attacks] }
        if let images { arguments += ["--images", "\(images)"] }
        for path in shadow { arguments += ["--shadow", RunDirectory(path).path] }
        return arguments
    }
}

/// Where an audit's report becomes files for people and programs.
enum AuditPublication {
    /// Writes what an audit found into a folder.
    static func publish(
        _ report: AuditReport, pairs: [NearestPairs], audience: AuditReportWriter.Audience, to folder: String
    ) throws {
        do {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw DiptychFailure(
                .inputOutput,
                "cannot create the folder \(printable(folder)) for the report: \(printable(error.localizedDescription))"
            )
        }
        if audience == .anyone, access("\(folder)/nearest.json", F_OK) == 0 {
            throw DiptychFailure(
                .usage,
                "\(printable(folder)) holds what an audit keeps for the run's owner: give a public report another --out"
            )
        }
        do {
            let files = try AuditReportWriter(report, pairs: pairs, audience: audience).files()
            // A figure of an earlier report that this one does not have must not stay beside it.
            for name in ["roc.png", "scores.png"] where !files.contains(where: { $0.name == name }) {
                unlink("\(folder)/\(name)")
            }
            for file in files { try FileBytes.replace("\(folder)/\(file.name)", with: Data(file.bytes)) }
        } catch let error as SystemCallError {
            throw error.failure
        }
    }
}

extension AuditBudget: ExpressibleByArgument {
    /// Reads the value of an option.
    public init?(argument: String) { self.init(argument) }
}
