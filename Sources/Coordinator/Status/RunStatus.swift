import Foundation
import Jobs

/// Where a run is, read from its directory, and from SLURM if it was submitted.
package struct RunStatus {
    /// Where one model is.
    package struct Model: Hashable {
        var name: String
        var totalSteps: Int
        var step: Int
        var loss: Double?
        var checkpoints: [Int]
        /// Seconds since the newest checkpoint.
        var checkpointAge: Double?
        /// Of its group, while it is trained.
        var imagesPerSecond: Double?
        /// Until its last step, while it is trained.
        var secondsLeft: Double?
    }

    /// What the run is doing.
    package enum State: String {
        /// It waits in SLURM's queue.
        case queued
        /// It is in work.
        case running
        /// It ended, and said how.
        case ended
        /// It ended without a word, or never began.
        case idle
    }

    /// What SLURM says of it.
    package struct Slurm {
        var job: String
        /// Nil when SLURM has forgotten the job or cannot be asked.
        var state: SlurmTools.JobState?
        /// Why SLURM cannot be asked, in one sentence.
        var remark: String?
        /// Whether SLURM does not answer at present, though it is there.
        var isSilent = false
    }

    /// Seconds without a sign of life after which a rank is mentioned.
    static let patience = 120.0

    let directory: RunDirectory
    let state: State
    let phase: Phase?
    let models: [Model]
    let beats: [Heartbeat]
    let outcome: Outcome?
    let slurm: Slurm?
    /// How often the ranks were started beyond the first time.
    let restarts: Int
    let now: Double

    /// Reads a run's directory, and asks SLURM.
    ///
    /// - Throws: `DiptychFailure` with code 74 when a file that is there cannot be read now: without it the run would be
    ///   shown as another.
    package init(directory: RunDirectory, job: Job, machine: Machine, now: Double) throws {
        self.directory = directory
        self.now = now
        let submission: Submission?
        let isHeld: Bool
        do throws(SystemCallError) {
            outcome = try Outcome.read(from: directory)
            submission = try Submission.read(from: directory)
            isHeld = try RunLock.isHeld(directory)
        } catch {
            throw error.failure
        }
        beats = Heartbeat.readAll(in: directory)
        slurm = submission.map { Self.ask($0, machine) }
        restarts = max(0, Self.launches(directory) - 1)
        let isRunning = isHeld || slurm?.state?.state == "RUNNING"
        state =
            isRunning
            ? .running : slurm?.state?.isLive == true ? .queued : outcome == nil ? .idle : .ended
        phase = isRunning ? beats.first { !$0.model.isEmpty }?.phase ?? beats.first?.phase : outcome?.phases.last?.name
        let progress = isRunning ? ModelProgress.all(from: beats, job: job) : []
        models = try job.models.map { model in
            let last = StepLog.last(path: directory.log(of: model.name))
            let live = progress.first { $0.model == model.name && $0.phase == model.phase }
            return Model(
                name: model.name, totalSteps: job.options(of: model).steps, step: last.map { $0.step + 1 } ?? 0,
                loss: last?.loss, checkpoints: try directory.checkpointSteps(of: model.name),
                checkpointAge: Self.checkpointAge(directory.checkpoints(of: model.name), now),
                imagesPerSecond: live.flatMap { $0.imagesPerSecond > 0 ? $0.imagesPerSecond : nil },
                secondsLeft: live?.secondsLeft)
        }
    }

    /// Whether there may be more to see later. While slurmctld is started again, nobody knows of a job in its queue.
    var mayGoOn: Bool {
        // A job that was queued again has left an outcome, too.
        state == .running || state == .queued || slurm?.isSilent == true && outcome?.exit != .done
    }

    /// Ranks that have given no sign of life for long, while the run is in work.
    var silent: [Heartbeat] { state == .running ? beats.filter { now - $0.time > Self.patience } : [] }
    /// Ranks that hold up their group, while the run is in work.
    /// By rank, with how many times the median of its group it takes.
    var stragglers: [Int: Double] { state == .running ? Straggler.all(in: beats) : [:] }

    private static func ask(_ submission: Submission, _ machine: Machine) -> Slurm {
        let job = submission.job
        switch SlurmTools(machine: machine).state(of: submission) {
        case .known(let state): return Slurm(job: job, state: state)
        case .forgotten:
            return Slurm(
                job: job, remark: "SLURM does not know job \(job) any more; this is what the run says itself")
        case .unavailable(let reason):
            return Slurm(
                job: job, remark: "SLURM cannot be asked (\(reason)); this is what the run says itself",
                isSilent: machine.find("scontrol") != nil)
        }
    }

    private static func checkpointAge(_ folder: String, _ now: Double) -> Double? {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        guard let newest = names.filter({ $0.hasSuffix(".json") }).max() else { return nil }
        var status = stat()
        guard stat("\(folder)/\(newest)", &status) == 0 else { return nil }
        return max(0, now - Double(status.st_mtim.tv_sec))
    }

    private static func launches(_ directory: RunDirectory) -> Int {
        guard let bytes = try? FileBytes.read(directory.events, limit: 256 << 20) else { return 0 }
        let mark = "\"kind\":\"\(EventLog.Kind.launched.rawValue)\""
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").count { $0.contains(mark) }
    }
}
