import Coordinator
import Foundation
import Jobs
import TestSupport
import Testing

/// The folder of this repository.
private let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path(percentEncoded: false)

@Suite struct SubmissionTests {
    private static let plain = SubmissionScript(
        name: "tiny", options: Job.ClusterOptions(), layout: .init(nodes: 1, minimumNodes: 1, ranksPerNode: 2),
        program: "/opt/diptych/bin/diptych", runs: ["/home/ada/runs/tiny"], folder: "/home/ada/runs/tiny")

    private static let full: SubmissionScript = {
        var options = Job.ClusterOptions()
        options.launcher = .mpirun
        options.partition = "long,short"
        options.account = "proj-7"
        options.qos = "normal"
        options.memoryGigabytesPerNode = 64
        options.timeMinutes = 1440
        options.constraint = "[rack1|rack2]&avx512"
        options.modules = ["gcc/13.2", "openmpi/4.1.6"]
        options.prologue = ["export TMPDIR=/scratch/$USER", "ulimit -c 0"]
        options.directives = ["--exclusive", "--mail-type=END,FAIL"]
        options.requeueLimit = 5
        return SubmissionScript(
            name: "big", options: options, layout: .init(nodes: 8, minimumNodes: 6, ranksPerNode: 16),
            program: "/opt/diptych/bin/diptych", runs: ["/scratch/100%/it's a \"run\" $(id)"],
            folder: "/scratch/100%/it's a \"run\" $(id)")
    }()

    private static let array: SubmissionScript = {
        var options = Job.ClusterOptions()
        options.requeueLimit = 0
        options.timeMinutes = 30
        return SubmissionScript(
            name: "seeds", options: options, layout: .init(nodes: 3, minimumNodes: 3, ranksPerNode: 1),
            program: "/opt/diptych/bin/diptych", runs: ["/r/0-seed-1", "/r/1-seed-2", "/r/2-seed-3"], folder: "/r",
            concurrency: 2)
    }()

    @Test(arguments: [("plain", plain), ("full", full), ("array", array)])
    func theScriptIsAsWritten(_ name: String, _ script: SubmissionScript) throws {
        let path = "\(repository)Tests/Golden/sbatch/\(name).sbatch"
        let golden = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        #expect(script.text == golden, "\(name) is now:\n\(script.text)")
        guard let shellcheck = Self.find("shellcheck") else { return }
        let check = try Self.run(shellcheck, ["--shell=bash", path])
        #expect(check.code == 0, "\(check.output)")
    }

    static let hostile = [
        "plain", "two words", "it's", "\"quoted\"", "$(touch pwned)", "`touch pwned`", "$HOME", "-rf", "--run=x",
        "%j%A",
        "a;touch pwned", "*", "a&b|c>d", "#x", "!x", "ümläut", "~", "{a,b}",
    ]

    @Test(arguments: hostile) func hostileNamesReachTheProgramAsTheyAre(_ name: String) throws {
        let folder = try TemporaryPlace()
        let runs = ["\(folder.path)/\(name)", "\(folder.path)/other \(name)"]
        let program = "\(folder.path)/bin \(name)/diptych"
        try FileManager.default.createDirectory(
            atPath: (program as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try "#!/bin/bash\nprintf '%s\\0' \"$@\"\n".write(toFile: program, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
        for count in 1...2 {
            let script = SubmissionScript(
                name: "x", options: Job.ClusterOptions(), layout: .init(nodes: 1, minimumNodes: 1, ranksPerNode: 1),
                program: program, runs: Array(runs.prefix(count)), folder: runs[0])
            let file = "\(folder.path)/script"
            try script.text.write(toFile: file, atomically: true, encoding: .utf8)
            let result = try Self.run(
                "/usr/bin/env", ["SLURM_ARRAY_TASK_ID=\(count - 1)", "bash", file], in: folder.path)
            #expect(result.code == 0, "\(result.output)")
            let words = result.output.split(separator: "\0").map(String.init)
            let run = runs[count - 1]
            #expect(
                words == ["run", "--run=\(run)", "--launcher=auto", "--requeue-limit=100", "--", "\(run)/job.yaml"])
            #expect(!FileManager.default.fileExists(atPath: folder.path + "/pwned"))
        }
    }

    @Test(arguments: ["a\nb", "a\rb", "a\u{1B}[2Jb", "a\\b", "a\u{2028}b", "a\0b"])
    func controlCharactersAndBackslashesAreRefused(_ path: String) {
        #expect(throws: DiptychFailure.self) { try ShellText.checked(path: "/runs/" + path, named: "the run") }
    }

    @Test(arguments: [
        "run", "../runs/study-none", "a,b", "it's a run", "$(id) `id` \\ \"x\"", "", "~", "a\nb\t'\\\u{1B}[2J",
        "x\u{202E}y'é",
    ]) func aShellTakesACopiedWordAsItIs(_ word: String) throws {
        let shown = ShellText.word(word)
        let end = try Self.run("/usr/bin/env", ["bash", "-c", "printf %s \(shown)"])
        #expect(end.code == 0 && end.output == word, "\(shown)")
        #expect(!ShellText.hasControls(shown) && !shown.contains("\u{202E}"))
    }

    @Test func aWordThatNoShellChangesIsNotQuoted() {
        #expect(ShellText.word("../runs/study-none_1.5") == "../runs/study-none_1.5")
        #expect(ShellText.word("my run") == "'my run'")
    }

    @Test func sbatchLinesQuoteAsSbatchReadsThem() {
        #expect(ShellText.directive(#"a "b" \c $(d)"#) == #""a \"b\" \\c $(d)""#)
        #expect(Self.full.text.contains(#"--output="/scratch/100%%/it's a \"run\" $(id)/slurm-%j.out""#))
    }

    @Test func theWarningSuitsTheLimit() {
        func seconds(_ minutes: Int?, _ own: Int? = nil) -> Int {
            var script = Self.plain
            script.options.timeMinutes = minutes
            script.options.warningSeconds = own
            return script.warningSeconds
        }
        let known: [Int?: Int] = [1: 20, 10: 60, 60: 360, 1440: 600, nil: 120]
        for (minutes, warning) in known { #expect(seconds(minutes) == warning) }
        #expect(seconds(10, 33) == 33)
    }

    // MARK: Layout

    private func layout(_ settings: String..., cores: Int = 4) throws -> SubmissionScript.Layout {
        let yaml = """
            name: x
            data: {images: /i, members: 100}
            model: {channels: [8, 16], attention: [false, true], norm_groups: 8}
            defence: dualmd
            teach: {steps: 10, batch: 8, images_per_lane: 2}
            """
        return try SubmissionScript.Layout(
            job: Job.decode(yaml, file: "x.yaml", overrides: settings.map { "cluster.\($0)" }), cores: cores)
    }

    @Test func ranksAreDealtOverNodes() throws {
        #expect(try layout() == .init(nodes: 1, minimumNodes: 1, ranksPerNode: 4))
        #expect(try layout("ranks=6") == .init(nodes: 2, minimumNodes: 2, ranksPerNode: 3))
        // Eight lanes: two or three ranks would fit a node, but not three nodes of three.
        #expect(try layout("nodes=3") == .init(nodes: 3, minimumNodes: 3, ranksPerNode: 2))
        #expect(try layout("nodes=2") == .init(nodes: 2, minimumNodes: 2, ranksPerNode: 4))
        #expect(try layout("nodes=2", cores: 3) == .init(nodes: 2, minimumNodes: 2, ranksPerNode: 3))
        #expect(try layout("nodes=3", "ranks=5") == .init(nodes: 3, minimumNodes: 3, ranksPerNode: 2))
        #expect(
            try layout("nodes=3", "minimum_nodes=2", "ranks_per_node=2")
                == .init(nodes: 3, minimumNodes: 2, ranksPerNode: 2))
        #expect(try layout("ranks_per_node=2", "ranks=7") == .init(nodes: 4, minimumNodes: 4, ranksPerNode: 2))
        #expect(try layout(cores: 99) == .init(nodes: 1, minimumNodes: 1, ranksPerNode: 8))
        #expect(throws: DiptychFailure.self) { try layout("nodes=3", "ranks_per_node=3") }
        #expect(throws: DiptychFailure.self) { try layout("nodes=2", "ranks_per_node=2", "ranks=5") }
        #expect(throws: DiptychFailure.self) { try layout("nodes=3", "ranks_per_node=2", "ranks=4") }
        #expect(throws: DiptychFailure.self) { try layout("minimum_nodes=2") }
        #expect(throws: DiptychFailure.self) { try layout("nodes=1", "minimum_nodes=2") }
    }

    // MARK: Sweeps

    @Test func sweepsAreEveryCombination() throws {
        let sweep = try Sweep(["seed=1,2", "model.attention=[true, false],[false, true]"])
        #expect(
            sweep.members.map(\.overrides) == [
                ["seed=1", "model.attention=[true, false]"], ["seed=1", "model.attention=[false, true]"],
                ["seed=2", "model.attention=[true, false]"], ["seed=2", "model.attention=[false, true]"],
            ])
        #expect(sweep.members[1].name == "1-seed-1-attention-false-true")
        #expect(try Sweep(["name=../../x y$(z)"]).members[0].name == "0-name-..-..-x-y-z")
        for wrong in ["seed", "=1", "seed=", "seed=1,,2", "seed=1,1"] {
            #expect(throws: DiptychFailure.self, "\(wrong)") { try Sweep([wrong]) }
        }
        let many = (0..<32).map { "\($0)" }.joined(separator: ",")
        #expect(throws: DiptychFailure.self) { try Sweep(["seed=\(many)", "teach.steps=\(many)"]) }
    }

    // MARK: Helpers

    private static func find(_ program: String) -> String? {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(program)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    private static func run(
        _ program: String, _ arguments: [String], in folder: String = "/"
    ) throws -> (code: Int32, output: String) {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.currentDirectoryURL = URL(filePath: folder)
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        return try bounded {
            let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
            process.waitUntilExit()
            return (process.terminationStatus, String(decoding: output, as: UTF8.self))
        }
    }
}

/// A folder that is removed with this object.
private final class TemporaryPlace {
    let path = absolutePath(NSTemporaryDirectory()) + "/diptych-submission-\(UUID().uuidString)"

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
