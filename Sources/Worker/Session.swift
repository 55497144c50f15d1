import Checkpoints
import Communication
import Datasets
import Diffusion
import Foundation
import Jobs
import Tensor

/// What all phases of a run work with: the ranks, the directory, the job, the data, the logs.
package final class Session {
    /// What a session is opened for.
    package enum Purpose {
        /// To train: heartbeats and events are written.
        case training
        /// To use what was trained: nothing of the run is touched, which may be training at the same time.
        case reading
    }

    /// All ranks.
    package let world: any Communicator
    /// The run.
    package let directory: RunDirectory
    /// The job as resolved.
    package let job: Job
    let store: CheckpointStore
    let catalogue: Catalogue
    /// The network that the job trains.
    package let network: UNetConfiguration
    let diffusion: GaussianDiffusion
    /// Whether somebody asked this rank to stop.
    let isStopRequested: () -> Bool
    /// The system calls of saves.
    let calls: SystemCalls
    private let events: EventLog?
    private let purpose: Purpose
    private let execution: Execution?
    private let speak: (String) -> Void

    /// Opens a prepared run on all ranks. Collective.
    ///
    /// Every rank reads the data; their hash must be the same on all, and so must the numerics profile.
    ///
    /// - Parameters:
    ///   - world: All ranks.
    ///   - directory: The run.
    ///   - purpose: What it is opened for.
    ///   - execution: The execution that the ranks belong to, if somebody counts them.
    ///   - other: A session whose images are used if they are those of this job too, so that they are read once.
    ///   - isStopRequested: Whether somebody asked this rank to stop; asked once a step.
    ///   - calls: The system calls of saves; a test's own, or the system's.
    ///   - speak: Given each ``SpokenNote`` for whoever started the ranks; must return at once.
    /// - Throws: `DiptychFailure`, or an error of the modules below, on the first rank that has it, and `peerFailed` on
    ///   the others.
    package init(
        world: any Communicator, directory: RunDirectory, purpose: Purpose = .training,
        execution: Execution? = nil, sharingImagesOf other: Session? = nil,
        isStopRequested: @escaping () -> Bool = { StopSignal.isRequested }, calls: SystemCalls = .real,
        speak: @escaping (String) -> Void = { _ in }
    ) throws {
        self.world = world
        self.directory = directory
        self.purpose = purpose
        self.execution = execution
        self.isStopRequested = isStopRequested
        self.calls = calls
        self.speak = speak
        let job = try Self.readJob(of: directory, on: world, purpose)
        self.job = job
        store = CheckpointStore(
            directory: directory.checkpoints, buildVersion: programVersion,
            storage: .compressed(level: job.checkpoint.compressionLevel),
            imageLimit: CheckpointEstimate.largestImage, calls: calls)
        let rank = world.rank
        events = try world.together("opening the event log") {
            purpose == .training ? try EventLog(path: directory.events, rank: rank, speak: speak) : nil
        }
        try world.together("preparing the numerics") { try job.adoptNumerics(in: directory) }
        let profile = NumericsProfile.current()
        try RunProfile.compare(profile, on: world)
        if purpose == .training {
            try world.onRoot { try RunProfile.check(profile, in: directory) }
        }
        (catalogue, network) = try world.together("reading the images") {
            let known = other.flatMap { $0.job.source == job.source ? $0.catalogue : nil }
            let catalogue = try known ?? Catalogue.load(job.source)
            let network = job.network(of: catalogue)
            try network.validate()
            return (catalogue, network)
        }
        try world.requireAgreement(on: catalogue.hash.description, named: "the hash of the images")
        diffusion = job.gaussianDiffusion
        note(
            .started,
            [
                "process": .integer(Int(ProcessInfo.processInfo.processIdentifier)), "ranks": .integer(world.size),
                "numerics": profile.json,
            ])
    }

    /// Reads the job, the same on all ranks. Collective.
    ///
    /// Who trains must agree on all of it, not only on what its hash covers: the other keys decide when ranks meet. A node
    /// may see an older file for a while.
    private static func readJob(
        of directory: RunDirectory, on world: any Communicator, _ purpose: Purpose
    ) throws -> Job {
        func digest(_ job: Job) -> String { purpose == .training ? sha256Hex(Array(job.resolved.utf8)) : job.hash }
        let expected = try world.onRoot { digest(try directory.readJob()) }
        let job = try world.together("reading the job") {
            let clock = Stopwatch()
            var job = try directory.readJob()
            while digest(job) != expected, clock.seconds < 10 {
                usleep(200_000)
                job = try directory.readJob()
            }
            return job
        }
        try world.requireAgreement(
            on: digest(job),
            named: "the job (a node may still see an older job.yaml: the same command goes on; here its SHA-256)")
        return job
    }

    /// Adds a line to the event log, if this session keeps one.
    func note(_ kind: EventLog.Kind, _ fields: KeyValuePairs<String, JSONValue> = [:]) {
        events?.append(kind, fields)
    }

    /// Runs something whose failure must not end a training run, such as a log on a full disk; the event log keeps it.
    func tolerate(_ what: String, _ body: () throws -> Void) {
        do {
            try body()
        } catch {
            noteFailure(what, error)
        }
    }

    /// Notes that something could not be written.
    ///
    /// - Parameter endsRun: Whether the error is thrown, so that the run ends with it.
    func noteFailure(_ what: String, _ error: any Error, endsRun: Bool = false) {
        note(
            .writeFailed, ["what": .string(what), "reason": .string("\(error)"), "ends_run": .boolean(endsRun)])
    }
}

// MARK: Executions

extension Session {
    /// Ends this rank when the run already goes on without it, as after its node was cut off.
    ///
    /// To be called before anything is written that the present execution also writes. No collective.
    ///
    /// - Parameter seconds: How long to try again while it cannot be told.
    /// - Throws: `DiptychFailure` with code 71 when a later execution has begun, 74 when it cannot be told.
    func requireCurrentExecution(patience seconds: Double = 10) throws {
        guard let execution else { return }
        let clock = Stopwatch()
        while true {
            do throws(SystemCallError) {
                if try execution.isCurrent(in: directory) { return }
            } catch {
                if clock.seconds < seconds {
                    usleep(200_000)
                    continue
                }
                throw DiptychFailure(
                    .inputOutput,
                    "\(error.description): whether a later execution of this run has begun cannot be told, so nothing is "
                        + "written; the same command goes on when it can be read")
            }
            throw DiptychFailure(
                .rankLost,
                "a later execution of this run has begun; this one was cut off from it and ends without writing")
        }
    }
}

// MARK: Signs of life

extension Session {
    /// Notes the beginning or the end of a phase on this rank.
    func announce(_ kind: EventLog.Kind, _ phase: Phase) {
        if kind == .phaseBegan { beat(phase: phase) }
        note(kind, ["phase": .string(phase.rawValue)])
    }

    /// This rank's sign of life.
    func beat(
        _ task: TrainingTask, step: Int, loss: Double?, imagesPerSecond: Double, secondsPerImage: Double? = nil,
        isWaiting: Bool = false
    ) {
        beat(
            phase: task.model.phase, model: task.model.name, step: step, total: task.options.steps, loss: loss,
            imagesPerSecond: imagesPerSecond, secondsPerImage: secondsPerImage, isWaiting: isWaiting)
    }

    /// This rank's sign of life.
    package func beat(
        phase: Phase, model: String = "", step: Int = 0, total: Int = 0, loss: Double? = nil,
        imagesPerSecond: Double = 0, secondsPerImage: Double? = nil, isWaiting: Bool = false
    ) {
        guard purpose == .training else { return }
        let beat = Heartbeat(
            rank: world.rank, phase: phase, model: model, step: step, totalSteps: total, loss: loss,
            imagesPerSecond: imagesPerSecond, secondsPerImage: secondsPerImage, isWaiting: isWaiting)
        // Without a supervisor nobody listens.
        guard !beat.write(to: directory), execution != nil else { return }
        if let note = SpokenNote.heartbeat(beat).line { speak(note) }
    }

    /// Returns when every rank has called it. Collective.
    ///
    /// A rank may wait here for hours, until another group has trained its models. So it sleeps between looks, instead of
    /// keeping a core busy within MPI, and gives signs of life.
    package func meet(after phase: Phase) throws {
        let exchange = try world.makeExchange(for: "meeting after \(phase.rawValue)")
        let token = FloatRegion(zeros: 1)
        let tokens = FloatRegion(zeros: world.size)
        let others = 1..<max(1, world.size)
        if world.rank == 0 {
            for peer in others { _ = try exchange.receive(into: tokens[peer..<peer + 1], from: peer) }
            try wait(exchange, phase)
            for peer in others { _ = try exchange.send(token, to: peer) }
        } else {
            _ = try exchange.send(token, to: 0)
            _ = try exchange.receive(into: tokens[0..<1], from: 0)
        }
        try wait(exchange, phase)
        // What comes next may take long.
        beat(phase: phase)
    }

    private func wait(_ exchange: any FloatExchange, _ phase: Phase) throws {
        // The last sign of life said that this rank works.
        var lastBeat: Stopwatch?
        try exchange.progress()
        while exchange.pending > 0 {
            if lastBeat.map({ $0.seconds > 5 }) ?? true {
                beat(phase: phase, isWaiting: true)
                lastBeat = Stopwatch()
            }
            usleep(5000)
            try exchange.progress()
        }
    }
}

extension NumericsProfile {
    /// For the event log.
    fileprivate var json: JSONValue {
        [
            "rules": .integer(rules), "kernels": .string(kernels.rawValue),
            "onednn_instructions": .string(oneDNNInstructions), "onednn": .string(oneDNN),
            "level_1_data_cache": .integer(level1DataCache), "level_2_cache": .integer(level2Cache),
            "level_3_cache": .integer(level3Cache), "c_library": .string(cLibrary),
            "convolutions": convolutions.map { JSONValue.string($0) } ?? .null,
        ]
    }
}
