import Foundation
import Testing

/// Each test plants one defect and expects the doctor to find it, with advice.
@Suite struct DoctorTests {
    private struct Finding {
        var verdict: String
        var text: String
        var advice: String
    }

    private static let healthy =
        #"{"ranks":2,"hosts":["n1","n2"],"clock_skew_seconds":0.001,"bytes_per_second":1e9,"latency_seconds":2e-5,"#
        + #""blind_ranks":[],"unlocked_ranks":[],"processors":["0-3","0-3"]}"#

    /// What the doctor finds, by subject.
    private func findings(
        _ part: FakeCluster.Part = .probe, _ arguments: [String] = [], probe: String = healthy,
        environment: [String: String] = [:], mounts: String? = nil, prepare: (FakeCluster) throws -> Void = { _ in }
    ) throws -> (code: Int32, findings: [String: Finding]) {
        let cluster = try FakeCluster(part)
        try (probe + "\n").write(toFile: cluster.folder + "/probe", atomically: true, encoding: .utf8)
        try prepare(cluster)
        let end = try cluster.start(
            ["doctor", "--json"] + arguments, environment: environment, mounts: mounts
        ).result()
        let value = try JSONSerialization.jsonObject(with: Data(end.output.utf8))
        let list = try #require((value as? [String: Any])?["findings"] as? [[String: Any]], "\(end.error)")
        var found: [String: Finding] = [:]
        for finding in list {
            found[finding["subject"] as? String ?? ""] = Finding(
                verdict: finding["verdict"] as? String ?? "", text: finding["text"] as? String ?? "",
                advice: finding["advice"] as? String ?? "")
        }
        return (end.code, found)
    }

    private func expect(
        _ finding: Finding?, _ verdict: String, _ words: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(finding?.verdict == verdict, "\(String(describing: finding))", sourceLocation: sourceLocation)
        #expect(finding?.text.contains(words) == true, "\(finding?.text ?? "")", sourceLocation: sourceLocation)
        #expect(finding?.advice.isEmpty == false, sourceLocation: sourceLocation)
    }

    @Test func aHealthyClusterHasNothingBad() throws {
        let (_, found) = try findings()
        for subject in ["Open MPI", "ranks", "exchange", "clocks", "shared folder", "locking", "PMIx"] {
            #expect(found[subject]?.verdict == "good", "\(subject): \(found[subject]?.text ?? "nothing")")
        }
    }

    @Test func anotherMPI() throws {
        let (code, found) = try findings(.foreign)
        expect(found["Open MPI"], "bad", "is not Open MPI's: HYDRA")
        expect(found["ranks"], "bad", "could not be started")
        #expect(code == 74)
    }

    @Test func aMissingWorker() throws {
        let (code, found) = try findings {
            try FileManager.default.removeItem(atPath: $0.folder + "/bin/diptych-worker")
        }
        expect(found["diptych-worker"], "bad", "is not beside this program")
        #expect(code == 74)
    }

    @Test func aMissingLibrary() throws {
        let (_, found) = try findings { try $0.add("ldd", "echo 'libdnnl.so.2 => not found'") }
        expect(found["libraries"], "bad", "libdnnl.so.2")
    }

    @Test func aDamagedPMIxLibrary() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "diptych-pmix-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for name in ["libpmix.so.2", "libpmix.so"] {
            try Data("no library".utf8).write(to: folder.appending(path: name))
        }
        let (_, found) = try findings(environment: ["LD_LIBRARY_PATH": folder.path(percentEncoded: false)]) {
            try $0.add("srun", "echo pmix")
        }
        expect(found["PMIx"], "poor", "no libpmix.so")
    }

    @Test func ranksThatDoNotKnowOfEachOther() throws {
        let (code, found) = try findings {
            try $0.add(
                "mpirun",
                "[ \"$1\" = --version ] && { echo 'mpirun (Open MPI) 4.1.4'; exit; }\n"
                    + "echo 'diptych-worker: 2 ranks were started, but MPI knows of 1' >&2; exit 74")
        }
        expect(found["ranks"], "bad", "MPI knows of 1")
        #expect(code == 74)
    }

    @Test func clocksThatDiffer() throws {
        let (_, found) = try findings(probe: Self.healthy.replacing("0.001", with: "7.5"))
        expect(found["clocks"], "poor", "7.50 s")
    }

    @Test func aFolderThatIsNotShared() throws {
        let (code, found) = try findings(
            probe: Self.healthy.replacing("\"blind_ranks\":[]", with: "\"blind_ranks\":[1]"))
        expect(found["shared folder"], "bad", "not the same folder on n2")
        #expect(code == 74)
    }

    @Test func locksThatDoNotHold() throws {
        let (_, found) = try findings(
            probe: Self.healthy.replacing("\"unlocked_ranks\":[]", with: "\"unlocked_ranks\":[1]"))
        expect(found["locking"], "poor", "does not hold on others")
    }

    @Test func aSlowNetwork() throws {
        let (_, found) = try findings(probe: Self.healthy.replacing("1e9", with: "1e6"))
        expect(found["exchange"], "poor", "1.00 MB/s")
    }

    @Test func ranksThatShareCores() throws {
        let probe = Self.healthy.replacing(#"["n1","n2"]"#, with: #"["n1","n1","n1"]"#)
            .replacing(#"["0-3","0-3"]"#, with: #"["0-1","0-1","0-1"]"#).replacing("\"ranks\":2", with: "\"ranks\":3")
        expect(try findings(probe: probe).findings["ranks"], "poor", "on n1 they share cores")
    }

    @Test func ranksThatAreBoundToTheSameCore() throws {
        let probe = Self.healthy.replacing(#"["n1","n2"]"#, with: #"["n1","n1"]"#)
        let bound = probe.replacing(#"["0-3","0-3"]"#, with: #"["2","2"]"#)
        expect(try findings(probe: bound).findings["ranks"], "poor", "on n1 they share cores")
        let apart = probe.replacing(#"["0-3","0-3"]"#, with: #"["2","3"]"#)
        #expect(try findings(probe: apart).findings["ranks"]?.verdict == "good")
    }

    /// Each in a name space of its own, where other things are mounted.
    @Test(.enabled(if: FakeCluster.canMount))
    func memoryThatIsFull() throws {
        let full = try findings(mounts: "mount -t tmpfs -o size=1m none /dev/shm")
        expect(full.findings["shared memory"], "bad", "1.05 MB free in /dev/shm")
        #expect(full.code == 74)
        let small = "echo 'MemAvailable: 20000 kB' > meminfo && mount --bind meminfo /proc/meminfo"
        expect(try findings(mounts: small).findings["memory"], "poor", "20.5 MB available")
        let job = try findings(.probe, ["--job", "job.yaml"], mounts: small) {
            let text = FakeCluster.job.replacing("data: {", with: "data: {shape: [1, 28, 28], ")
            try text.write(toFile: $0.folder + "/job.yaml", atomically: true, encoding: .utf8)
        }
        expect(job.findings["memory"], "bad", "20.5 MB available, a rank of fake needs about ")
    }

    @Test func slurmThatDoesNotAnswer() throws {
        let (_, found) = try findings {
            try $0.add("sbatch", "exit 1")
            try $0.add("sinfo", "echo 'slurm_load_partitions: Unable to contact slurm controller' >&2; exit 1")
        }
        expect(found["SLURM"], "poor", "Unable to contact slurm controller")
    }

    @Test func srunWithoutPMIx() throws {
        let (_, found) = try findings {
            try $0.add("sbatch", "exit 1")
            try $0.add("sinfo", "echo 'debug*|up|1:00:00|2|8|1000|1:8:1'")
            try $0.add("srun", "echo 'MPI plugin types are...'; echo ' none'; echo ' pmi2'")
        }
        #expect(found["SLURM"]?.verdict == "good")
        expect(found["srun"], "poor", "does not speak PMIx")
        #expect(found["ranks"]?.text.hasPrefix("mpirun starts 2 ranks on n1, n2") == true)
    }

    @Test func srunThatIsMissing() throws {
        let (_, found) = try findings { cluster in
            try cluster.add("sbatch", "exit 1")
            try cluster.add("sinfo", "echo 'debug*|up|1:00:00|2|8|1000|1:8:1'")
            try cluster.keepOnlyOwnPrograms(and: ["cat", "dirname", "env"])
        }
        expect(found["srun"], "poor", "is not on the search path")
    }

    @Test func coresThatSomethingTakesAway() throws {
        let (_, found) = try findings(environment: [
            "SLURM_JOB_ID": "5", "SLURM_JOB_NUM_NODES": "1", "SLURM_TASKS_PER_NODE": "4096",
            "SLURM_JOB_CPUS_PER_NODE": "4096",
        ])
        expect(found["slots"], "poor", "may use ")
    }

    /// A file system that nobody can write: the doctor says so, and not that all ranks see the same folder.
    @Test func aFolderThatCannotBeWritten() throws {
        let (code, found) = try findings(.probe, ["--runs", "/proc/1/runs"])
        #expect(code == 74)
        expect(found["runs folder"], "bad", "cannot be written")
        #expect(found["shared folder"] == nil && found["locking"] == nil)
    }

    @Test func moreTasksThanCores() throws {
        let (_, found) = try findings(environment: [
            "SLURM_JOB_ID": "5", "SLURM_JOB_NUM_NODES": "2", "SLURM_TASKS_PER_NODE": "4(x2)",
            "SLURM_JOB_CPUS_PER_NODE": "2(x2)",
        ])
        expect(found["slots"], "poor", "ranks share cores")
    }

    @Test func aDiskThatIsTooSmall() throws {
        let job =
            FakeCluster.job.replacing("data: {", with: "data: {shape: [1, 28, 28], ")
            + "checkpoint: {keep: 1000000}\n"
        let cluster = try FakeCluster(.probe)
        let file = cluster.folder + "/big.yaml"
        try job.write(toFile: file, atomically: true, encoding: .utf8)
        let (code, found) = try findings(.probe, ["--job", file])
        expect(found["disk"], "bad", "the checkpoints of fake take up to")
        #expect(code == 74)
    }

    @Test func variablesThatChangeRanks() throws {
        let (_, found) = try findings(environment: ["OMPI_MCA_btl": "self", "OMP_NUM_THREADS": "8"])
        expect(found["OMPI_MCA_btl"], "poor", "self")
        #expect(found["OMP_NUM_THREADS"]?.text.contains("without effect") == true)
    }
}
