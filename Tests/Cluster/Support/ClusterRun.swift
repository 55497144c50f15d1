import Foundation
import Synchronization
import Testing

/// A run of the tests' job, given to the cluster's SLURM.
final class ClusterRun {
    /// Some seconds of work on three ranks.
    static let yaml = """
        name: rehearsal
        seed: 7
        data:
          reader: idx
          images: /usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz
          labels: /usr/share/datasets/fashion-mnist/t10k-labels-idx1-ubyte.gz
          members: 200
          split: {parts: 2, balance: label, near_duplicates: together}
        model: {kind: unet2d, channels: [16, 32], layers_per_block: 1, attention: [false, true], norm_groups: 8, dropout: 0.1}
        diffusion: {timesteps: 100}
        defence: distillmd
        teach: {steps: 60, batch: 8, images_per_lane: 2, learning_rate: 1.0e-3, warmup_steps: 5, ema_decay: 0.9}
        distill: {steps: 20, batch: 8, images_per_lane: 2, learning_rate: 1.0e-3, warmup_steps: 5, ema_decay: 0.9}
        checkpoint: {every_steps: 10, every_minutes: 0, keep: 2}
        sample: {count: 4, sampler: ddim, steps: 5, batch: 4}
        cluster: {time_minutes: 10}

        """

    /// Steps of each teacher when a test needs half a minute, which SLURM takes to make up its mind.
    static let manySteps = 400

    let folder: String
    /// Steps of each teacher.
    let steps: Int
    /// The run's directory.
    let path: String
    /// The SLURM job.
    let job: String
    /// What `diptych submit` said.
    let answer: LocalCluster.Answer
    /// Settings that change the result, as options.
    private let settings: [String]

    /// Submits the job; three nodes unless told otherwise.
    init(_ options: [String] = [], nodes: [String] = ["--nodes", "3"], steps: Int = 60) throws {
        self.steps = steps
        folder = LocalCluster.temporary + "/diptych-cluster-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        settings = zip(options, options.dropFirst()).flatMap { name, value in
            let isFree = ["checkpoint.", "cluster."].contains { value.hasPrefix($0) }
            return name == "--set" && !isFree ? [name, value] : []
        }
        let file = folder + "/job.yaml"
        try Self.yaml.write(toFile: file, atomically: true, encoding: .utf8)
        path = folder + "/run"
        answer = try LocalCluster.diptych(
            ["submit", file, "--run", path, "--json"] + nodes + options + Self.setting(steps))
        try #require(answer.code == 0, "\(answer.error)")
        job = try #require(answer.json["job_id"] as? String)
    }

    fileprivate static func setting(_ steps: Int) -> [String] { ["--set", "teach.steps=\(steps)"] }

    deinit {
        _ = try? LocalCluster.login("scancel", job)
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// The text of a file of the run.
    func text(_ name: String, of run: String? = nil) -> String {
        (try? String(contentsOfFile: "\(run ?? path)/\(name)", encoding: .utf8)) ?? ""
    }

    /// The steps that a model's log tells of.
    func steps(_ model: String = "teacher-0", of run: String? = nil) -> Int {
        text("logs/\(model).jsonl", of: run).count { $0 == "\n" }
    }

    /// What `diptych run` said in the job, through all restarts.
    var log: String { (try? String(contentsOfFile: "\(path)/slurm-\(job).out", encoding: .utf8)) ?? "" }

    /// SLURM's log of a run as it was submitted last: that of its own task in an array.
    private func story(of run: String?) -> String {
        let submission = try? JSONSerialization.jsonObject(with: Data(text("submission.json", of: run).utf8))
        let path = (submission as? [String: Any])?["log"] as? String ?? ""
        return (try? String(contentsOfFile: path, encoding: .utf8)) ?? "no log \(path)"
    }

    /// The lines of the event log of one kind.
    func events(_ kind: String, of run: String? = nil) -> [[String: Any]] {
        text("logs/events.jsonl", of: run).split(separator: "\n").compactMap {
            try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
        }.filter { $0["kind"] as? String == kind }
    }

    /// Appends a line to the event log.
    func note(_ event: [String: Any]) throws {
        let handle = try FileHandle(forWritingTo: URL(filePath: path + "/logs/events.jsonl"))
        defer { try? handle.close() }
        try handle.seekToEnd()
        try handle.write(contentsOf: JSONSerialization.data(withJSONObject: event) + Data("\n".utf8))
    }

    /// A field of `scontrol show job`.
    func field(_ name: String, of job: String? = nil) throws -> String {
        let answer = try LocalCluster.login("scontrol", "show", "job", "--oneliner", job ?? self.job)
        let found = answer.output.split(whereSeparator: \.isWhitespace).first { $0.hasPrefix(name + "=") }
        return String(found?.dropFirst(name.count + 1) ?? "")
    }

    /// Waits until the run is in the middle of teach.
    func waitForTeach(of run: String? = nil) throws {
        try LocalCluster.wait(until: "the run teaches") { steps(of: run) > 15 }
    }

    /// Waits for the job's end, which must be a good one, and expects the bits of a run on one rank: weights, moving
    /// averages, logs of steps and images.
    func expectSameResult(
        restarts: ClosedRange<Int>, of member: (job: String, run: String, seed: Int)? = nil, seconds: Double = 180,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let job = member?.job ?? self.job
        let ended = ["COMPLETED", "FAILED", "CANCELLED", "NODE_FAIL", "TIMEOUT", "PREEMPTED"]
        try LocalCluster.wait(until: "job \(job) ends:\n\(log)", seconds: seconds) {
            // While slurmctld is down, there is no answer.
            ended.contains(try field("JobState", of: job))
        }
        #expect(try field("JobState", of: job) == "COMPLETED", "\(log)", sourceLocation: sourceLocation)
        let count = try #require(Int(field("Restarts", of: job)))
        #expect(restarts.contains(count), "\(count) restarts\n\(log)", sourceLocation: sourceLocation)
        // The log is one story, through all restarts.
        let story = self.story(of: member?.run)
        for restart in 1..<count + 1 {
            #expect(story.contains("restart \(restart) of SLURM job"), "\(story)", sourceLocation: sourceLocation)
        }
        #expect(story.contains("\ndone: "), "\(story)", sourceLocation: sourceLocation)
        let outcome = try JSONSerialization.jsonObject(with: Data(text("outcome.json", of: member?.run).utf8))
        let found = try Reference(try #require(outcome as? [String: Any]), run: member?.run ?? path)
        let expected = try Reference.made(seed: member?.seed ?? 7, steps: steps, settings: settings)
        #expect(found.weights == expected.weights, sourceLocation: sourceLocation)
        #expect(found.averages == expected.averages, sourceLocation: sourceLocation)
        #expect(found.images == expected.images, "the images differ", sourceLocation: sourceLocation)
        for (model, log) in expected.logs {
            #expect(found.logs[model] == log, "the log of \(model) differs", sourceLocation: sourceLocation)
        }
    }
}

/// What a run comes to, and that of the same job on one rank of this machine, without SLURM.
struct Reference {
    let weights: [String: String]
    let averages: [String: String]
    let logs: [String: Data]
    let images: Data

    private struct Key: Hashable {
        var seed: Int
        var steps: Int
        var settings: [String]
    }

    private static let known = Mutex<[Key: Reference]>([:])

    /// Reads the result of a run from its outcome and its files.
    init(_ outcome: [String: Any], run: String) throws {
        func file(_ name: String) throws -> Data { try Data(contentsOf: URL(filePath: "\(run)/\(name)")) }
        weights = try #require(outcome["weights_sha256"] as? [String: String])
        averages = try #require(outcome["ema_sha256"] as? [String: String])
        logs = try Dictionary(uniqueKeysWithValues: weights.keys.map { ($0, try file("logs/\($0).jsonl")) })
        images = try file("samples/student.npz")
    }

    /// That of one rank.
    static func made(seed: Int, steps: Int, settings: [String]) throws -> Reference {
        let key = Key(seed: seed, steps: steps, settings: settings)
        if let known = known.withLock({ $0[key] }) { return known }
        let folder = LocalCluster.temporary + "/diptych-reference-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try ClusterRun.yaml.write(toFile: folder + "/job.yaml", atomically: true, encoding: .utf8)
        let answer = try LocalCluster.run(
            [
                LocalCluster.program, "run", folder + "/job.yaml", "--run", folder + "/run", "--ranks", "1", "--set",
                "seed=\(seed)", "--json", "--quiet",
            ] + settings + ClusterRun.setting(steps))
        try #require(answer.code == 0, "\(answer.error)")
        let made = try Reference(answer.json, run: folder + "/run")
        known.withLock { $0[key] = made }
        return made
    }
}
