import Coordinator
import Foundation
import Jobs
import Testing

@Suite struct LauncherTests {
    private func invocation(
        ranks: Int, cores: Int = 4, single: Bool = true, root: Bool = false, environment: [String: String] = [:]
    ) throws -> Invocation {
        // A search path with a file `mpirun` and no `setpriv`.
        let folder = FileManager.default.temporaryDirectory.appending(path: "diptych-launcher-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let mpirun = folder.appending(path: "mpirun").path(percentEncoded: false)
        #expect(FileManager.default.createFile(atPath: mpirun, contents: nil, attributes: [.posixPermissions: 0o755]))
        var environment = environment
        environment["PATH"] = folder.path(percentEncoded: false)
        let machine = Machine(cores: cores, isSingleNode: single, isRoot: root, environment: environment)
        return try MPIRun(machine: machine, worker: "/w").invocation(ranks: ranks, arguments: ["train"], label: "x")
    }

    @Test func bindsOnlyWhenTheRunFillsTheMachine() throws {
        #expect(
            try invocation(ranks: 4).arguments == ["-n", "4", "--map-by", "core", "--bind-to", "core", "/w", "train"])
        #expect(
            try invocation(ranks: 2).arguments == ["-n", "2", "--map-by", "slot", "--bind-to", "none", "/w", "train"])
        #expect(try invocation(ranks: 4, single: false).arguments.contains("none"))
    }

    /// Fails when a run that fills its nodes is left to wander, or one that shares them takes their first cores.
    @Test func bindsWhereTheRunFillsTheNodesOfAJob() throws {
        func binding(_ ranks: Int, tasks: String, cores: String) throws -> [String] {
            let job = [
                "SLURM_JOB_ID": "5", "SLURM_JOB_NUM_NODES": "2", "SLURM_TASKS_PER_NODE": tasks,
                "SLURM_JOB_CPUS_PER_NODE": cores,
            ]
            return Array(
                try invocation(ranks: ranks, single: false, environment: job).arguments.dropFirst(2).dropLast(2))
        }
        let bound = ["--map-by", "core", "--bind-to", "core:overload-allowed"]
        let free = ["--map-by", "slot", "--bind-to", "none"]
        #expect(try binding(8, tasks: "4(x2)", cores: "4(x2)") == bound)
        #expect(try binding(6, tasks: "3(x2)", cores: "3(x2)") == bound)
        #expect(try binding(4, tasks: "2(x2)", cores: "2(x2)") == free, "two such jobs may share a node")
        #expect(try binding(6, tasks: "4(x2)", cores: "4(x2)") == free, "nodes that are filled in part")
        #expect(try binding(9, tasks: "4(x2)", cores: "4(x2)") == ["--oversubscribe"] + free)
    }

    @Test func moreRanksThanCoresShareThem() throws {
        let invocation = try invocation(ranks: 5)
        #expect(
            invocation.arguments == [
                "-n", "5", "--oversubscribe", "--map-by", "slot", "--bind-to", "none", "/w", "train",
            ])
        #expect(invocation.environment["OMPI_MCA_mpi_yield_when_idle"] == "1")
        #expect(try self.invocation(ranks: 4).environment["OMPI_MCA_mpi_yield_when_idle"] == nil)
    }

    @Test func rootIsAllowedAndSettingsOfTheUserStay() throws {
        #expect(try invocation(ranks: 1, root: true).arguments.contains("--allow-run-as-root"))
        let own = try invocation(ranks: 1, environment: ["OMPI_MCA_btl_vader_single_copy_mechanism": "cma"])
        #expect(own.environment["OMPI_MCA_btl_vader_single_copy_mechanism"] == "cma")
    }

    @Test func severalNodesHaveNoDirectoriesOfOurs() throws {
        #expect(try invocation(ranks: 1).scratch.count == 2)
        let several = try invocation(ranks: 1, single: false)
        #expect(several.scratch.isEmpty)
        #expect(several.environment["OMPI_MCA_btl_vader_backing_directory"] == nil)
    }

    @Test func missingMPIRunSaysWhatToInstall() {
        let machine = Machine(cores: 1, isSingleNode: true, isRoot: false, environment: ["PATH": "/nonexistent"])
        do {
            _ = try MPIRun(machine: machine, worker: "/w")
            Issue.record("was found")
        } catch {
            #expect((error as? DiptychFailure)?.code == .inputOutput)
            #expect("\(error)".contains("openmpi-bin"))
        }
    }

    @Test func listsOfProcessorsAreRead() {
        #expect(Machine.cpuList("0-3,8") == [0, 1, 2, 3, 8])
        #expect(Machine.cpuList("") == [])
        #expect(Machine.cpuList("5") == [5])
    }

    struct Words: Sendable, CustomTestStringConvertible {
        var text: String
        var end: ChildProcess.End
        var code: ExitCode
        var needle: String
        var testDescription: String { needle }
    }

    static let words = [
        Words(
            text: "mpirun noticed that process rank 3 with PID 0 on node a exited on signal 11 (Segmentation fault).",
            end: .exited(139), code: .rankLost, needle: "rank 3 (on a) was ended by signal 11 (Segmentation"),
        Words(
            text: "There are not enough slots available in the system to satisfy the 9 slots", end: .exited(1),
            code: .usage, needle: "fewer --ranks"),
        Words(
            text: "mpirun was unable to find the specified executable file", end: .exited(1), code: .inputOutput,
            needle: "could not start"),
        Words(
            text: "Process name: [[31,1],2]\nExit code:    74", end: .exited(74), code: .inputOutput,
            needle: "rank 2 ended with code 74"),
        Words(
            text: "/p/diptych-worker: error while loading shared libraries: libx.so: no\nProcess name: [[3,1],5]\n"
                + "Exit code:    127", end: .exited(127), code: .inputOutput,
            needle: "rank 5 cannot start: /p/diptych-worker: error while loading shared libraries: libx.so: no. Install"
        ),
        Words(text: "", end: .signaled(9), code: .rankLost, needle: "mpirun was ended by signal 9"),
        Words(text: "nonsense", end: .exited(1), code: .rankLost, needle: "nonsense"),
    ]

    @Test(arguments: words) func readsWhatMPIRunSays(_ words: Words) {
        let lines = words.text.split(separator: "\n").map(String.init)
        let failure = MPIRunReport.failure(lines: lines, end: words.end)
        #expect(failure.code == words.code)
        #expect(failure.message.contains(words.needle), "\(failure.message)")
    }

    /// Fails when a rank of mpirun's own host, whose number it says is 0, is named so.
    @Test func aProcessThatMPIRunDoesNotKnowIsWhatItsRankHasTold() {
        let processes: [Int: Int32] = [2: 4712, 3: 4713]
        func message(_ number: Int) -> String {
            let line = "mpirun noticed that process rank 3 with PID \(number) on node a exited on signal 9 (Killed)."
            return MPIRunReport.failure(lines: [line], end: .exited(137), process: { processes[$0] }).message
        }
        #expect(message(0).hasPrefix("rank 3 (process 4713 on a) was ended by signal 9"), "\(message(0))")
        #expect(message(99).hasPrefix("rank 3 (process 99 on a) was ended by signal 9"), "\(message(99))")
    }
}
