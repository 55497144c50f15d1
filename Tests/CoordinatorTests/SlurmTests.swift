import Coordinator
import Foundation
import Jobs
import Testing

@Suite struct SlurmTests {
    // MARK: What SLURM says

    @Test func countsAreRead() {
        #expect(SlurmAllocation.counts("2(x3),1") == [2, 2, 2, 1])
        #expect(SlurmAllocation.counts("4") == [4])
        #expect(SlurmAllocation.counts("x(3),,(") == [])
    }

    @Test func theEnvironmentTellsTheAllocation() throws {
        #expect(try SlurmAllocation(environment: [:]) == nil)
        let allocation = try #require(
            try SlurmAllocation(environment: [
                "SLURM_JOB_ID": "17", "SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "3",
                "SLURM_RESTART_COUNT": "2",
                "SLURM_JOB_NUM_NODES": "3", "SLURM_TASKS_PER_NODE": "2(x2),1", "SLURM_JOB_CPUS_PER_NODE": "4(x3)",
                "SLURM_CPUS_PER_TASK": "2", "SLURM_JOB_NODELIST": "n[1-3]",
            ]))
        #expect(allocation.name == "17_3")
        #expect(allocation.restarts == 2)
        #expect(allocation.tasks == 5)
        #expect(allocation.coresPerNode == [4, 4, 4])
        #expect(allocation.cpusPerTask == 2)
        #expect(try SlurmAllocation(environment: ["SLURM_JOB_ID": "17"])?.name == "17")
        // Lists that are not of the job's nodes say nothing.
        let other = ["SLURM_JOB_ID": "17", "SLURM_JOB_NUM_NODES": "2", "SLURM_TASKS_PER_NODE": "4(x3)"]
        #expect(try SlurmAllocation(environment: other)?.tasksPerNode == [1, 1])
    }

    /// Fails when a number of the environment is taken that SLURM cannot have meant: sums overflow, lists fill the memory.
    @Test(arguments: [
        ("SLURM_JOB_ID", "-5"), ("SLURM_JOB_ID", "five"), ("SLURM_JOB_ID", "99999999999999999999"),
        ("SLURM_JOB_NUM_NODES", "9000000000000000000"), ("SLURM_JOB_NUM_NODES", "0"),
        ("SLURM_JOB_NUM_NODES", "-9223372036854775808"), ("SLURM_NNODES", "65537"),
        ("SLURM_TASKS_PER_NODE", "9223372036854775807,9223372036854775807,1"), ("SLURM_TASKS_PER_NODE", "65536"),
        ("SLURM_TASKS_PER_NODE", "99999999999999999999"), ("SLURM_JOB_CPUS_PER_NODE", "9223372036854775807(x2)"),
        ("SLURM_CPUS_PER_TASK", "9223372036854775807"), ("SRUN_CPUS_PER_TASK", "-1"),
        ("SLURM_RESTART_COUNT", "9223372036854775807"), ("SLURM_ARRAY_JOB_ID", "4294967296"),
        ("SLURM_ARRAY_TASK_ID", "-9223372036854775808"),
    ])
    func whatSlurmCannotHaveMeantIsRefused(name: String, value: String) throws {
        let environment = ["SLURM_JOB_ID": "5"].merging([name: value]) { $1 }
        let failure = try #require(throws: DiptychFailure.self) { try Machine.described(by: environment) }
        #expect(failure.code == .usage)
        #expect(failure.message.contains("\(name) of the environment must hold"), "\(failure.message)")
        #expect(failure.message.contains("found \(value)"), "\(failure.message)")
        #expect(Machine(cores: 2, isSingleNode: true, isRoot: false, environment: environment).allocation == nil)
    }

    /// Fails when a list of many nodes is written out before anybody asks whether there can be so many.
    @Test func endlessListsOfNodesAreCut() throws {
        let text = [String](repeating: "1(x99999999999)", count: 5000).joined(separator: ",")
        #expect(SlurmAllocation.counts(text).count == SlurmAllocation.nodeLimit + 1)
    }

    @Test func timesAreRead() {
        let known: [(String, Double?)] = [
            ("5", 300), ("5:30", 330), ("1:00:00", 3600), ("2-0", 172_800), ("1-2:30", 95_400), ("1-02:03:04", 93_784),
            ("infinite", nil), ("UNLIMITED", nil), ("", nil), ("1-", nil), ("-5", nil), ("1:2:3:4", nil),
        ]
        for (text, seconds) in known { #expect(SlurmTools.seconds(text) == seconds, "\(text)") }
    }

    @Test func jobStatesAreRead() {
        let running = SlurmTools.parse(
            scontrol:
                "JobId=5 JobName=x JobState=RUNNING Reason=None Dependency=(null) Requeue=1 Restarts=2 BatchFlag=1 "
                + "ExitCode=0:0 RunTime=00:00:20 TimeLimit=00:01:00 TimeMin=N/A NodeList=n[1-3] BatchHost=n1")
        #expect(
            running
                == .init(
                    state: "RUNNING", reason: "", nodes: "n[1-3]", restarts: 2, exitCode: nil, secondsLeft: 40,
                    mayBeQueuedAgain: true))
        #expect(running.isLive)
        let failed = SlurmTools.parse(
            scontrol: "JobId=5 JobState=FAILED Reason=NonZeroExitCode Restarts=0 ExitCode=75:0")
        #expect(failed.exitCode == 75 && !failed.isLive && failed.mayBeQueuedAgain == nil)
        #expect(SlurmTools.parse(scontrol: "JobState=RUNNING Requeue=0 Restarts=0").mayBeQueuedAgain == false)
        #expect(SlurmTools.parse(scontrol: "JobState=CANCELLED ExitCode=0:15").exitCode == 143)
        let accounted = SlurmTools.parse(sacct: "CANCELLED by 0|0:0|n1")
        #expect(accounted.state == "CANCELLED" && accounted.reason == "by 0" && accounted.nodes == "n1")
    }

    @Test func theAnswerOfSbatchIsRead() {
        #expect(Submission.parse(sbatch: ["12"])?.job == "12")
        #expect(Submission.parse(sbatch: ["sbatch: a remark", "12;east"])?.cluster == "east")
        #expect(Submission.parse(sbatch: ["Submitted batch job 12"]) == nil)
        #expect(Submission.parse(sbatch: []) == nil)
    }

    // MARK: Partitions

    private let partitions = SlurmPartition.parse([
        "debug*|up|1:00:00|2|8|1000|1:8:1", "debug*|up|1:00:00|1|32+|2000+|2+:8+:2+",
        "long|up|infinite|10|64|256000|2:32:1",
        "old|down|infinite|3|4|1000|1:4:2",
    ])

    @Test func partitionsAreRead() throws {
        #expect(partitions.map(\.name) == ["debug", "long", "old"])
        #expect(partitions[0].nodes == 3 && partitions[0].cores == 16 && partitions[0].limitMinutes == 60)
        #expect(partitions[1].limitMinutes == nil && partitions[2].cores == 4)
        #expect(try SlurmPartition.choose(nil, from: partitions).name == "debug")
        #expect(try SlurmPartition.choose("debug,long", from: partitions).name == "long")
        do {
            _ = try SlurmPartition.choose("lnog", from: partitions)
            Issue.record("was found")
        } catch {
            #expect((error as? DiptychFailure)?.code == .usage)
            #expect("\(error)".contains("debug (default), long, old"))
        }
    }

    @Test func whatAPartitionCannotGiveIsRefused() throws {
        let layout = SubmissionScript.Layout(nodes: 3, minimumNodes: 3, ranksPerNode: 8)
        try partitions[0].check(layout, Job.ClusterOptions())
        var options = Job.ClusterOptions()
        options.timeMinutes = 61
        #expect(throws: DiptychFailure.self) { try partitions[0].check(layout, options) }
        try partitions[1].check(layout, options)
        options = Job.ClusterOptions()
        options.memoryGigabytesPerNode = 3
        #expect(throws: DiptychFailure.self) { try partitions[0].check(layout, options) }
        for wrong in [(4, 8), (3, 17)] {
            let layout = SubmissionScript.Layout(nodes: wrong.0, minimumNodes: wrong.0, ranksPerNode: wrong.1)
            #expect(throws: DiptychFailure.self) { try partitions[0].check(layout, Job.ClusterOptions()) }
        }
        try partitions[0].check(.init(nodes: 4, minimumNodes: 3, ranksPerNode: 8), Job.ClusterOptions())
        #expect(throws: DiptychFailure.self) {
            try partitions[2].check(.init(nodes: 1, minimumNodes: 1, ranksPerNode: 1), Job.ClusterOptions())
        }
    }

    // MARK: Queueing again

    @Test func whatSavedGoesOnAndWhatFailedNeedsProgress() {
        let policy = RequeuePolicy(limit: 3, restarts: 1)
        #expect(policy.decide(.stopped, hasProgress: false) == .requeue)
        #expect(policy.decide(.rankLost, hasProgress: true) == .requeue)
        for exit in ExitCode.allCases where exit != .stopped && exit != .rankLost {
            #expect(policy.decide(exit, hasProgress: true) == .leave(nil), "\(exit)")
        }
        guard case .leave(.some) = policy.decide(.rankLost, hasProgress: false) else {
            Issue.record("a run that fails again and again is queued again")
            return
        }
        guard case .leave(.some) = RequeuePolicy(limit: 3, restarts: 3).decide(.stopped, hasProgress: true) else {
            Issue.record("there is no end to it")
            return
        }
        #expect(RequeuePolicy(limit: 0, restarts: 0).decide(.stopped, hasProgress: true) == .leave(nil))
    }

    @Test func aRunStopsWhenSavingTakesWhatIsLeft() {
        let quick = TimeLimit(end: 1000, saveSeconds: 2)
        #expect(!quick.isDue(now: 980, stepSeconds: 1))
        #expect(quick.isDue(now: 986, stepSeconds: 1))
        #expect(TimeLimit(end: 1000, saveSeconds: 300).isDue(now: 560, stepSeconds: 0))
        #expect(!TimeLimit(end: 1000, saveSeconds: 300).isDue(now: 500, stepSeconds: 0))
        #expect(TimeLimit(end: 1000).isDue(now: 976, stepSeconds: 0))
        #expect(TimeLimit(end: 1000, saveSeconds: 1).isDue(now: 800, stepSeconds: 200))
    }

    // MARK: Launching

    private func invocation(ranks: Int, tasks: String, cores: String, environment: [String: String] = [:]) throws
        -> Invocation
    {
        var environment = environment.merging([
            "SLURM_JOB_ID": "5", "SLURM_JOB_NUM_NODES": "3", "SLURM_TASKS_PER_NODE": tasks,
            "SLURM_JOB_CPUS_PER_NODE": cores,
        ]) { $1 }
        let folder = FileManager.default.temporaryDirectory.appending(path: "diptych-srun-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let srun = folder.appending(path: "srun").path(percentEncoded: false)
        #expect(FileManager.default.createFile(atPath: srun, contents: nil, attributes: [.posixPermissions: 0o755]))
        environment["PATH"] = folder.path(percentEncoded: false)
        let machine = Machine(cores: 2, isSingleNode: false, isRoot: true, environment: environment)
        let allocation = try #require(machine.allocation)
        return try SRun(machine: machine, allocation: allocation, worker: "/w")
            .invocation(ranks: ranks, arguments: ["train"], label: "x")
    }

    @Test func srunIsToldEverythingThatItDoesNotTakeFromTheJob() throws {
        let plain = try invocation(ranks: 3, tasks: "1(x3)", cores: "1(x3)")
        #expect(
            plain.arguments == [
                "--mpi=pmix", "--nodes=3", "--ntasks=3", "--cpus-per-task=1", "--kill-on-bad-exit=1", "--wait=0",
                "--overlap", "--input=none", "--distribution=block:block", "--cpu-bind=cores", "/w", "train",
            ])
        #expect(plain.environment["OMPI_MCA_mpi_yield_when_idle"] == nil)
        #expect(plain.scratch.isEmpty)
        let threaded = try invocation(
            ranks: 2, tasks: "1(x3)", cores: "4(x3)", environment: ["SLURM_CPUS_PER_TASK": "4"])
        #expect(threaded.arguments.contains("--cpus-per-task=4"))
        #expect(threaded.arguments.contains("--nodes=2"))
        let both = try invocation(
            ranks: 2, tasks: "1(x3)", cores: "4(x3)",
            environment: ["SLURM_CPUS_PER_TASK": "4", "SRUN_CPUS_PER_TASK": "2"])
        #expect(both.arguments.contains("--cpus-per-task=2"))
        let own = try invocation(
            ranks: 3, tasks: "1(x3)", cores: "1(x3)",
            environment: ["SLURM_CPU_BIND": "none", "SLURM_DISTRIBUTION": "cyclic"])
        #expect(!own.arguments.contains { $0.hasPrefix("--cpu-bind") || $0.hasPrefix("--distribution") })
        // Within a step they are the step's.
        let within = try invocation(
            ranks: 3, tasks: "1(x3)", cores: "1(x3)", environment: ["SLURM_CPU_BIND": "none", "SLURM_STEP_ID": "0"])
        #expect(within.arguments.contains("--cpu-bind=cores"))
    }

    @Test func ranksThatShareCoresYield() throws {
        let crowded = try invocation(ranks: 6, tasks: "2(x3)", cores: "1(x3)")
        #expect(crowded.environment["OMPI_MCA_mpi_yield_when_idle"] == "1")
        #expect(crowded.arguments.contains("--cpu-bind=none"))
        let tooMany = try invocation(ranks: 4, tasks: "1(x3)", cores: "1(x3)")
        #expect(tooMany.arguments.contains("--overcommit"))
        #expect(tooMany.environment["OMPI_MCA_mpi_yield_when_idle"] == "1")
    }

    @Test func wordsOfSlurmAreUnderstood() {
        let known: [(String, ExitCode, String)] = [
            ("srun: error: n3: task 2: Killed", .rankLost, "rank 2 on n3 was ended: killed"),
            ("srun: error: Node failure on n2", .rankLost, "the node n2 was lost"),
            (
                "slurmstepd-n1: error: *** STEP 12.0 ON n1 CANCELLED AT 2026-11-22T08:09:58 DUE TO NODE FAILURE ***",
                .rankLost, "SLURM ended the ranks: node failure"
            ),
            (
                "srun: error: Invalid MPI type 'pmix', --mpi=list for acceptable types", .inputOutput,
                "--launcher mpirun"
            ),
            (
                "srun: error: Unable to create step for job 5: More processors requested than permitted", .usage,
                "fewer --ranks"
            ),
        ]
        for (text, code, needle) in known {
            let failure = MPIRunReport.failure(lines: [text], end: .exited(1), launcher: .srun)
            #expect(failure.code == code, "\(text)")
            #expect(failure.message.contains(needle), "\(failure.message)")
        }
        #expect(MPIRunReport.failure(lines: [], end: .signaled(9), launcher: .srun).message.hasPrefix("srun was ended"))
    }
}
