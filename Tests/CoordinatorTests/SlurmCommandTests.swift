import Foundation
import TestSupport
import Testing

/// `submit`, `cancel`, `status` and `logs` against stand-ins for SLURM's programs, for what the real ones rarely do.
@Suite struct SlurmCommandTests {
    /// A prepared run that was submitted as a job, with a fake scontrol that prints `state`, or runs it.
    private final class Submitted {
        let cluster: FakeCluster
        let run: String

        init(job: String = "7", scontrol: String = "") throws {
            cluster = try FakeCluster(.success)
            run = cluster.folder + "/r"
            #expect(try cluster.start("run", "job.yaml", "--run", run, "--ranks", "2").result().code == 0)
            try FileManager.default.removeItem(atPath: run + "/outcome.json")
            try submission(job)
            try cluster.add("sacct", "exit 1")
            try cluster.add("scancel", "echo \"$@\" >> \"$(dirname \"$0\")/../scancel\"")
            try scontrolDoes(scontrol)
        }

        func submission(_ job: String) throws {
            try """
            {"job_id": "\(job)", "log": "\(run)/slurm.out", "script": "\(run)/submit.sbatch", "time": 1}
            """.write(toFile: run + "/submission.json", atomically: true, encoding: .utf8)
        }

        /// What scontrol does; `show STATE FIELDS...` prints a job of this run.
        func scontrolDoes(_ body: String) throws {
            try cluster.add(
                "scontrol",
                """
                echo "$@" >> "$(dirname "$0")/../scontrol"
                show() { echo "JobId=7 JobState=$* Command=\(run)/submit.sbatch WorkDir=/"; }
                outcome() { echo "{\\"exit\\":$1,\\"message\\":\\"as it was\\",\\"phases\\":[],\\"weights_sha256\\":{},\\"ema_sha256\\":{}}" > "\(run)/outcome.json"; }
                \(body)
                """)
        }

        func asked(_ program: String) -> String { (try? cluster.text(program)) ?? "" }
    }

    private func json(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    // MARK: cancel

    @Test(arguments: [
        (75, "saved and stopped"), (0, "was done before it could stop"), (71, "ended with code 71: as it was"),
    ])
    func cancelSaysHowTheRunEnded(code: Int, words: String) throws {
        let submitted = try Submitted(
            scontrol: """
                if [ "$1" = update ]; then exit 0; fi
                if [ -e "$(dirname "$0")/../scancel" ]; then outcome \(code); show FAILED; else show RUNNING; fi
                """)
        let end = try submitted.cluster.start("cancel", submitted.run).result()
        #expect(end.code == 0 && end.output.contains(words), "\(end)")
        #expect(submitted.asked("scontrol").contains("update JobId=7 Requeue=0"))
        #expect(submitted.asked("scancel") == "--batch --signal=USR1 7\n")
    }

    /// A slurmctld that is started again just then is no sign that the run has ended.
    @Test func cancelWaitsWhileSlurmDoesNotAnswer() throws {
        let submitted = try Submitted(
            scontrol: """
                [ "$1" = update ] && exit 0
                [ -e "$(dirname "$0")/../scancel" ] || { show RUNNING; exit 0; }
                echo again >> "$(dirname "$0")/../silence"
                if [ "$(wc -l < "$(dirname "$0")/../silence")" -lt 3 ]; then
                  echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1
                fi
                outcome 75; show FAILED
                """)
        let end = try submitted.cluster.start("cancel", submitted.run).result()
        #expect(end.code == 0 && end.output.contains("saved and stopped"), "\(end)")
    }

    /// Fails when patience is measured by the time of day: with SLURM's programs, or with a job that is to end.
    @Test(.enabled(if: FakeTime.library != nil, "needs libfaketime (Debian: faketime)"))
    func aClockThatJumpsEndsNoPatience() throws {
        let submitted = try Submitted(
            scontrol: """
                here="$(dirname "$0")/.."
                [ "$1" = update ] && exit 0
                [ -e "$here/scancel" ] || { show RUNNING; exit 0; }
                # The clock jumps while the answer is waited for, and the job lives on for a while.
                if [ ! -e "$here/jumped" ]; then
                  touch "$here/jumped"; printf '+30d' > "$here/clock"; sleep 0.5; show RUNNING; exit 0
                fi
                printf -- '-30d' > "$here/clock"; sleep 0.5
                outcome 75; show FAILED
                """)
        let clock = submitted.cluster.folder + "/clock"
        try FakeTime.set(clock, to: "+0")
        let end = try submitted.cluster.start(
            ["cancel", submitted.run], environment: FakeTime.environment(clock: clock)
        ).result()
        #expect(end.code == 0 && end.output.contains("saved and stopped"), "\(end)")
        #expect(try submitted.cluster.text("clock") == "-30d")
    }

    @Test func cancelTakesWhatWaitsOutOfTheQueue() throws {
        let submitted = try Submitted(scontrol: "show PENDING")
        let end = try submitted.cluster.start("cancel", submitted.run).result()
        #expect(end.code == 0 && end.output.contains("taken out of the queue"), "\(end)")
        #expect(submitted.asked("scancel") == "7\n")
    }

    @Test func cancelAtOnceSavesNothing() throws {
        let submitted = try Submitted(scontrol: "show RUNNING")
        let end = try submitted.cluster.start("cancel", submitted.run, "--now").result()
        #expect(end.code == 0 && end.output.contains("ended at once"), "\(end)")
        #expect(submitted.asked("scancel") == "7\n")
    }

    /// Numbers begin anew with a cluster that is made anew.
    @Test func anothersJobOfTheSameNumberIsLeftAlone() throws {
        let submitted = try Submitted(scontrol: "echo JobId=7 JobState=RUNNING Command=/home/eve/x.sbatch WorkDir=/")
        let end = try submitted.cluster.start("cancel", submitted.run).result()
        #expect(end.code == 0 && end.output.contains("has ended already"), "\(end)")
        #expect(submitted.asked("scancel").isEmpty)
    }

    /// `scancel --me` would end all of the user's jobs.
    @Test(arguments: ["--me", "7 8", "", "7_", "7;x"]) func aJobThatIsNoNumberReachesNoProgram(job: String) throws {
        let submitted = try Submitted(job: job, scontrol: "show RUNNING")
        let end = try submitted.cluster.start("cancel", submitted.run).result()
        #expect(end.code == 74 && end.error.contains("was not submitted to SLURM"), "\(end)")
        #expect(submitted.asked("scancel").isEmpty && submitted.asked("scontrol").isEmpty)
    }

    // MARK: Queueing again

    /// A slurmctld that is away or busy for a moment does not cost the run its place in the queue; one that refuses is asked
    /// once.
    @Test(arguments: [("Socket timed out on send/recv operation", 2, true), ("Access/permission denied", 1, false)])
    func queueingAgainOutlastsAnOutage(complaint: String, times: Int, isQueued: Bool) throws {
        let cluster = try FakeCluster(.waits)
        try cluster.add(
            "scontrol",
            """
            folder="$(dirname "$0")/.."
            [ "$1" = requeue ] || { echo "JobId=7 JobState=RUNNING Requeue=1 Restarts=0"; exit 0; }
            echo again >> "$folder/requeue"
            [ "$(wc -l < "$folder/requeue")" -ge 2 ] && exit 0
            echo 'slurm error: \(complaint)' >&2
            exit 1
            """)
        let run = try cluster.start(
            [
                "run", "job.yaml", "--run", "r", "--ranks", "2", "--launcher", "mpirun", "--requeue-limit", "3",
                "--json",
            ],
            environment: ["SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": "1"])
        try cluster.wait(for: "r/logs/heartbeats/1")
        run.send(SIGUSR1)
        let end = try run.result()
        #expect(end.code == 75, "\(end)")
        #expect(try json(end.output)["requeued"] as? Bool == isQueued, "\(end)")
        #expect(try cluster.text("requeue") == String(repeating: "again\n", count: times))
    }

    // MARK: status and logs

    @Test func withoutSlurmsProgramsStatusSaysSoInOneSentence() throws {
        let submitted = try Submitted(scontrol: "exit 127")
        let path = submitted.cluster.folder + "/bin/"
        try FileManager.default.removeItem(atPath: path + "scontrol")
        try FileManager.default.removeItem(atPath: path + "sacct")
        let end = try submitted.cluster.start(
            ["status", submitted.run], environment: ["PATH": "/nonexistent"]
        ).result()
        let lines = end.output.split(separator: "\n").filter { $0.contains("SLURM") }
        #expect(end.code == 0 && lines.count == 1, "\(end)")
        #expect(lines.first?.contains("scontrol is not on the search path") == true, "\(end)")
    }

    @Test func whatScontrolHasForgottenSacctMayKnow() throws {
        let submitted = try Submitted(scontrol: "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
        try submitted.cluster.add("sacct", "echo 'NODE_FAIL|0:0|n3'")
        let end = try submitted.cluster.start("status", submitted.run, "--json").result()
        let slurm = try #require(try json(end.output)["slurm"] as? [String: Any])
        #expect(slurm["state"] as? String == "NODE_FAIL" && slurm["nodes"] as? String == "n3")
    }

    @Test func oneRunThatCannotBeReadDoesNotHideTheOthers() throws {
        let submitted = try Submitted(scontrol: "show PENDING")
        let other = submitted.cluster.folder + "/other"
        try FileManager.default.copyItem(atPath: submitted.run, toPath: other)
        let text = try String(contentsOfFile: other + "/job.yaml", encoding: .utf8)
        try text.replacing("steps: 10", with: "steps: 11").write(
            toFile: other + "/job.yaml", atomically: true, encoding: .utf8)
        let end = try submitted.cluster.start("status", submitted.cluster.folder).result()
        #expect(end.code == 0 && end.output.contains("\(submitted.run): queued"), "\(end)")
        #expect(end.output.contains("\(other): ") && end.output.contains("changed by hand"), "\(end)")
        let json = try json(submitted.cluster.start("status", submitted.cluster.folder, "--json").result().output)
        #expect((json["runs"] as? [Any])?.count == 1 && (json["unreadable"] as? [Any])?.count == 1)
    }

    /// A slurmctld that is away for a moment does not end what follows a job, also one that was queued again and so has an
    /// outcome; and SLURM is asked now and then only.
    @Test(arguments: [false, true]) func followingOutlastsAnOutage(wasQueuedAgain: Bool) throws {
        let submitted = try Submitted(
            scontrol: "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1")
        if wasQueuedAgain {
            try #"{"exit":75,"message":"","phases":[],"weights_sha256":{},"ema_sha256":{}}"#.write(
                toFile: submitted.run + "/outcome.json", atomically: true, encoding: .utf8)
        }
        try "one line\n".write(toFile: submitted.run + "/slurm.out", atomically: true, encoding: .utf8)
        let logs = try submitted.cluster.start("logs", "--follow", submitted.run)
        let status = try submitted.cluster.start("status", "--watch", submitted.run)
        let start = Date()
        sleep(3)
        #expect(logs.process.isRunning && status.process.isRunning)
        let calls = submitted.asked("scontrol").split(separator: "\n").count
        #expect(Double(calls) <= 3 + Date().timeIntervalSince(start) / 2, "\(calls) questions")
        try submitted.scontrolDoes("show COMPLETED ExitCode=0:0")
        #expect(try status.result().code == 0)
        #expect(try logs.result().output == "one line\n")
    }

    // MARK: Time limit

    /// Fails when only what the present execution has saved tells how long a checkpoint takes.
    @Test func aSlowCheckpointOfAnEarlierExecutionCountsBeforeTheTimeLimit() throws {
        let cluster = try FakeCluster(.waits)
        try cluster.add("sacct", "exit 1")
        try cluster.add("scontrol", "echo JobId=5 JobState=RUNNING RunTime=00:01:00 TimeLimit=00:04:00")
        let job = [
            "SLURM_JOB_ID": "5", "SLURM_JOB_NUM_NODES": "1", "SLURM_TASKS_PER_NODE": "2",
            "SLURM_JOB_CPUS_PER_NODE": "2",
        ]
        let run = ["run", "job.yaml", "--run", "r", "--ranks", "2", "--launcher", "mpirun", "--json"]
        let first = try cluster.start(run, environment: job)
        try cluster.wait(for: "r/logs/events.jsonl")
        sleep(2)
        first.send(SIGINT)
        #expect(try first.result().code == 75, "three minutes are enough for an assumed 10 s")
        let log = try FileHandle(forWritingTo: URL(fileURLWithPath: cluster.folder + "/r/logs/events.jsonl"))
        try log.seekToEnd()
        try log.write(contentsOf: Data("{\"kind\":\"checkpoint\",\"seconds\":115,\"time\":1}\n".utf8))
        let second = try cluster.start(run, environment: job).result()
        #expect(second.code == 75 && second.error.contains("s away, and a checkpoint takes 115 s"), "\(second)")
    }

    // MARK: submit

    /// The fake job with data, and a cluster of two nodes.
    private func submittable(_ sbatch: String, scontrol: String) throws -> FakeCluster {
        let cluster = try FakeCluster(.success)
        let job = FakeCluster.job.replacing("data: {", with: "data: {shape: [1, 28, 28], ")
        try job.write(toFile: cluster.folder + "/job.yaml", atomically: true, encoding: .utf8)
        try cluster.add("sinfo", "echo 'debug*|up|1:00:00|2|8|64000|1:8:1'; echo 'long|up|infinite|2|8|64000|1:8:1'")
        try cluster.add(
            "sbatch",
            "for word; do [ \"$word\" = --test-only ] && exit 0; done\nenv > \"$(dirname \"$0\")/../sbatch\"\n\(sbatch)"
        )
        try cluster.add("scontrol", scontrol)
        return cluster
    }

    /// SLURM's own code of a job that never ran, or ran out of time, is 0:0.
    @Test(arguments: [
        ("CANCELLED ExitCode=0:0", 71), ("TIMEOUT ExitCode=0:0", 71), ("NODE_FAIL ExitCode=0:0", 71),
        ("FAILED ExitCode=65:0", 65), ("FAILED ExitCode=0:9", 137), ("COMPLETED ExitCode=0:0", 0),
    ])
    func submitWaitsForTheRunsCode(state: String, code: Int32) throws {
        let cluster = try submittable("echo 9", scontrol: "echo JobId=9 JobState=\(state)")
        let end = try cluster.start("submit", "job.yaml", "--run", "r", "--wait", "--json").result()
        #expect(end.code == code, "\(end)")
        #expect(try json(end.output)["exit"] as? Int == Int(code))
    }

    @Test func whatTheScriptDecidesCannotBeGivenOtherwise() throws {
        let cluster = try submittable("echo 9", scontrol: "exit 1")
        for directive in [
            "--array=0-9", "--wait", "--output=/dev/null", "--signal=TERM@5", "--arr=0-9", "--err=x", "--time=99",
        ] {
            let end = try cluster.start("submit", "job.yaml", "--run", "r", "--directive=\(directive)").result()
            #expect(end.code == 64 && end.error.contains("`diptych submit` decides it"), "\(directive): \(end)")
        }
        let sweep = try cluster.start("submit", "job.yaml", "--run", "r", "--sweep", "cluster.partition=debug,long")
            .result()
        #expect(sweep.code == 64 && sweep.error.contains("one `cluster`"), "\(sweep)")
        #expect(!FileManager.default.fileExists(atPath: cluster.folder + "/r"))
    }

    /// Fails when only the first run of a sweep is looked at.
    @Test func aRunOfASweepThatNeedsMoreMemoryIsRefused() throws {
        let cluster = try submittable("echo 9", scontrol: "exit 1")
        let submit = ["submit", "job.yaml", "--run", "r", "--memory-gigabytes-per-node", "0.5", "--dry-run", "--sweep"]
        #expect(try cluster.start(submit + ["seed=1,2"]).result().code == 0)
        let end = try cluster.start(submit + ["model.channels=[16, 32],[512, 1024]"]).result()
        #expect(end.code == 64 && end.error.contains("which has 500 MB"), "\(end)")
    }

    @Test func aPrologueThatIsNoBashIsRefused() throws {
        let cluster = try submittable("echo 9", scontrol: "exit 1")
        let end = try cluster.start("submit", "job.yaml", "--run", "r", "--prologue", "if true; then").result()
        #expect(end.code == 64 && end.error.contains("would not be valid bash"), "\(end)")
        #expect(end.error.contains("syntax error") && end.error.contains("`cluster.prologue`"), "\(end)")
    }

    @Test func anEmptyNameIsNoRun() throws {
        let cluster = try submittable("echo 9", scontrol: "exit 1")
        for command in ["submit", "run"] {
            let end = try cluster.start(command, "job.yaml", "--run", "").result()
            #expect(end.code == 64 && end.error.contains("--run needs a directory"), "\(end)")
        }
        #expect(!FileManager.default.fileExists(atPath: cluster.folder + "/job"))
    }

    @Test func whatIsPrintedAboutASweepCanBeTyped() throws {
        let cluster = try submittable("echo 9", scontrol: "exit 1")
        let end = try cluster.start("submit", "job.yaml", "--run", "r", "--sweep", "seed=1,2").result()
        let line = try #require(end.output.split(separator: "\n").first { $0.contains("diptych logs") }, "\(end)")
        let folder = try #require(line.split(separator: " ").last).replacing("'", with: "")
        #expect(FileManager.default.fileExists(atPath: folder + "/job.yaml"), "\(line)")
    }

    /// Where scontrol cannot be asked, squeue can; where neither answers, a second job might write where the first does.
    @Test func aRunThatMayBeQueuedIsNotSubmittedAgain() throws {
        let cluster = try submittable("echo 9", scontrol: "exit 1")
        #expect(try cluster.start("submit", "job.yaml", "--run", "r").result().code == 0)
        let script = cluster.folder + "/r/submit.sbatch"
        try cluster.add("sacct", "exit 1")
        try cluster.add("squeue", "echo \"PENDING|Priority||1:00:00|\(script)\"")
        let queued = try cluster.start("submit", "job.yaml", "--run", "r").result()
        #expect(queued.code == 74 && queued.error.contains("is with SLURM already, as job 9 (pending)"), "\(queued)")
        #expect(try cluster.start("status", "r").result().output.contains("Priority"))
        try cluster.add("squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
        let unknown = try cluster.start("submit", "job.yaml", "--run", "r").result()
        #expect(
            unknown.code == 74 && unknown.error.contains("SLURM does not tell whether that has ended"), "\(unknown)")
        try cluster.add("squeue", "echo \"RUNNING|None|n1|1:00:00|/home/eve/x.sbatch\"")
        #expect(try cluster.start("submit", "job.yaml", "--run", "r").result().code == 0, "another's job")
        try cluster.add("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
        #expect(try cluster.start("submit", "job.yaml", "--run", "r").result().code == 0, "forgotten")
        // What slurmctld has told scontrol is not asked for again.
        try cluster.add("scontrol", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
        try cluster.add("squeue", "touch \"$(dirname \"$0\")/../asked\"; exit 1")
        #expect(try cluster.start("submit", "job.yaml", "--run", "r").result().code == 0)
        #expect(!FileManager.default.fileExists(atPath: cluster.folder + "/asked"))
    }

    /// A site's default for jobs that ask for no memory may be less than a rank takes: SLURM would kill the ranks.
    @Test(arguments: ["DefMemPerCPU=10", "DefMemPerNode=15"])
    func aDefaultOfMemoryThatIsTooSmallIsSaidBefore(limit: String) throws {
        let cluster = try submittable(
            "echo 9", scontrol: "echo PartitionName=debug State=UP \(limit) MaxMemPerNode=64000")
        let submit = ["submit", "job.yaml", "--run", "r", "--ranks", "2"]
        let end = try cluster.start(submit).result()
        #expect(end.code == 64, "\(end)")
        #expect(
            end.error.contains(
                "partition `debug` gives \(limit.hasPrefix("DefMemPerCPU") ? "21.0" : "15.7") MB to jobs"),
            "\(end)")
        let advice = try #require(end.error.firstMatch(of: /add (--memory-gigabytes-per-node) ([0-9.]+)/))
        for more in [[String(advice.1), String(advice.2)], ["--directive=--mem-per-cpu=900M"]] {
            let end = try cluster.start(submit + more + ["--dry-run"]).result()
            #expect(end.code == 0, "\(end)")
        }
        try cluster.add("scontrol", "echo PartitionName=debug DefMemPerCPU=UNLIMITED DefMemPerNode=0")
        #expect(try cluster.start(submit + ["--dry-run"]).result().code == 0)
    }

    @Test func theUsersDefaultPartitionCounts() throws {
        let cluster = try submittable("echo 9", scontrol: "exit 1")
        let words = ["submit", "job.yaml", "--run", "r", "--time", "120"]
        #expect(try cluster.start(words).result().code == 64)
        let end = try cluster.start(words, environment: ["SBATCH_PARTITION": "long"]).result()
        #expect(end.code == 0 && end.output.contains("partition long"), "\(end)")
    }

    /// A job that submits another one does not pass on what SLURM told it about itself.
    @Test func aSubmissionFromWithinAJobIsAJobOfItsOwn() throws {
        let cluster = try submittable("echo 9", scontrol: "exit 1")
        let environment = [
            "SLURM_JOB_ID": "4", "SLURM_ARRAY_JOB_ID": "3", "SLURM_ARRAY_TASK_ID": "1", "SLURM_CONF": "/c",
            "SBATCH_WAIT": "1",
        ]
        let end = try cluster.start(["submit", "job.yaml", "--run", "r"], environment: environment).result()
        #expect(end.code == 0, "\(end)")
        let seen = try cluster.text("sbatch")
        #expect(seen.contains("SLURM_CONF=/c") && !seen.contains("SLURM_ARRAY") && !seen.contains("SBATCH_WAIT"))
    }

    /// On a login node, what is set is the user's wish.
    @Test func theUsersOwnVariablesReachTheJob() throws {
        let cluster = try submittable("echo 9", scontrol: "exit 1")
        let environment = ["SLURM_DISTRIBUTION": "cyclic", "SLURM_JWT": "token"]
        #expect(try cluster.start(["submit", "job.yaml", "--run", "r"], environment: environment).result().code == 0)
        let seen = try cluster.text("sbatch")
        #expect(seen.contains("SLURM_DISTRIBUTION=cyclic") && seen.contains("SLURM_JWT=token"))
    }

    /// Some modules are there only when others have been loaded.
    @Test(arguments: [("openmpi/4.1", 0), ("openmpi/9", 64)]) func modulesAreLoadedInTurn(module: String, code: Int32)
        throws
    {
        let cluster = try submittable("echo 9", scontrol: "exit 1")
        try """
        export PATH="$KEPT_PATH"
        module() { case "$2" in gcc) loaded=yes;; openmpi/4.1) [ "$loaded" = yes ];; *) return 1;; esac; }
        """.write(toFile: cluster.folder + "/.bash_profile", atomically: true, encoding: .utf8)
        let end = try cluster.start(
            ["submit", "job.yaml", "--run", "r", "--module", "gcc", "--module", module],
            environment: ["HOME": cluster.folder]
        ).result()
        #expect(end.code == code, "\(end)")
        #expect(code == 0 || end.error.contains("the module `openmpi/9` cannot be loaded here"), "\(end)")
    }
}
