// A training of a tiny network in one process whose saves run on the main thread, so that strace can number their system
// calls: those of the log of steps, whose lines come to the medium first, of the copy of the state, and of the checkpoint that
// is written from it. `save-harness FOLDER STEPS KEEP IMAGE_LIMIT [ACKNOWLEDGED]`. It goes on from the newest checkpoint, saves after
// every step, and goes on training when a save fails, as `diptych-worker` does. The file ACKNOWLEDGED gets a line for each
// step as soon as its save is said to be done. Started by ReliabilityTests.
//
// At the end it examines everything that is there, and prints one line of JSON. Exit codes: 0, 65 when something is
// damaged, 74 when the last save failed.
import Checkpoints
import Communication
import Diffusion
import Foundation
import Jobs
import Tensor
import Worker

struct Report: Codable {
    /// The step of the checkpoint that it went on from.
    var resumed = 0
    /// Steps whose checkpoint could not be saved, and why.
    var failures: [String] = []
    /// Newer checkpoints that were passed over.
    var skipped: [String] = []
    /// What `diptych verify` would complain about at the end.
    var faults: [String] = []
    var weights = ""
}

func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

/// One image of noise for each lane.
func loss(_ network: UNet2D, lane: Int, step: Int, _ tape: Tape) -> Tensor {
    let pixels = RandomSource(seed: 2, purpose: .testing).uniform(count: 64, step: step, item: lane).map { 2 * $0 - 1 }
    let diffusion = GaussianDiffusion(schedule: NoiseSchedule(.linear, timesteps: 100), prediction: .epsilon)
    return NoisePrediction.loss(
        of: network, on: TrainingBatch(images: Tensor(pixels, shape: [1, 1, 8, 8]), items: [lane]),
        diffusion: diffusion, address: TrainingAddress(seed: 9, model: 0, step: step), tape: tape)
}

func train(
    folder: String, steps: Int, keep: Int, imageLimit: Int, acknowledged: Int32?, report: inout Report
) throws -> Bool {
    let configuration = UNetConfiguration(
        height: 8, width: 8, inChannels: 1, outChannels: 1, channels: [8, 16], layersPerBlock: 1,
        attention: [false, true], normGroups: 4, dropout: 0.1)
    let trainer = Trainer(configuration: configuration, adam: Adam(), group: SoloCommunicator(), laneCount: 2) {
        $0.initialize(seed: 3, model: 0)
    }
    let entries = trainer.parameters.entries.map {
        Checkpoint.Entry(name: $0.name, shape: $0.shape, offset: $0.offset, count: $0.count)
    }
    let store = CheckpointStore(directory: folder, imageLimit: imageLimit, calls: .real)
    try store.prepareForWriting(model: "teacher-0")
    let search = try store.newest(model: "teacher-0", jobHash: "harness", entries: entries)
    report.skipped = search.skipped.map { "step \($0.step): \($0.reason)" }
    let (values, optimizer) = (trainer.parameters.values, trainer.optimizer)
    if let found = search.checkpoint {
        report.resumed = found.step
        try found.read(.weights) { values.copy(from: $1, at: $0) }
        try found.read(.ema) { optimizer.movingAverage.copy(from: $1, at: $0) }
        try found.read(.firstMoment) { optimizer.firstMoment.copy(from: $1, at: $0) }
        try found.read(.secondMoment) { optimizer.secondMoment.copy(from: $1, at: $0) }
        trainer.parameters.valuesChanged()
    }
    let log = try StepLog(path: folder + "/steps.jsonl")
    let lines = try log.cutBack(toStep: report.resumed)
    if lines < report.resumed { report.faults.append("the log has \(lines) lines, expected \(report.resumed)") }
    // What `diptych-worker` does on a thread of its own is done by this one.
    let writer = CheckpointWriter(store: store, keeping: keep)
    var isSaved = true
    for step in report.resumed..<max(steps, report.resumed) {
        let settings = StepSettings(step: step, learningRate: 1e-3, maxGradientNorm: 1, averageDecay: 0.5)
        let result = try trainer.step(settings) { lane, tape in loss(trainer.network, lane: lane, step: step, tape) }
        // A line that cannot be written follows with the next one, or the save does without.
        try? log.append(
            StepRecord(step: step, loss: result.loss, learningRate: 1e-3, gradientNorm: result.gradientNorm))
        do {
            try log.synchronize()
            let staged = writer.stage(
                model: "teacher-0", phase: "teach", step: step + 1, jobHash: "harness", entries: entries)
            try trainer.stage(into: staged)
            try store.save(staged)
            isSaved = true
            let line = Array("\(step + 1)\n".utf8)
            if let acknowledged { _ = write(acknowledged, line, line.count) }
            try store.retain(model: "teacher-0", newest: keep)
        } catch {
            if (try? store.newestManifest(model: "teacher-0"))??.step != step + 1 { isSaved = false }
            report.failures.append("step \(step + 1): \(error)")
        }
    }
    report.weights = sha256Hex(Array(values.scalars.prefix(trainer.parameters.count)))
    report.faults += try store.verify().compactMap(\.reason)
    report.faults += try store.chains().compactMap { $0.firstBreak.map { "\($0.path): \($0.reason)" } }
    return isSaved
}

Threads.useOne()
var report = Report()
let arguments = CommandLine.arguments
guard [5, 6].contains(arguments.count), let steps = Int(arguments[2]), let keep = Int(arguments[3]),
    let limit = Int(arguments[4])
else {
    say("usage: save-harness FOLDER STEPS KEEP IMAGE_LIMIT [ACKNOWLEDGED]")
    exit(64)
}
var code: Int32 = 0
do {
    let acknowledged = arguments.count == 6 ? open(arguments[5], O_WRONLY | O_CREAT | O_APPEND, 0o600) : nil
    let isSaved = try train(
        folder: arguments[1], steps: steps, keep: keep, imageLimit: limit, acknowledged: acknowledged, report: &report)
    if !isSaved {
        say("the last checkpoint could not be saved: \(report.failures.last ?? "")")
        code = 74
    }
    if !report.faults.isEmpty { code = 65 }
} catch let error as FileError {
    say("\(error)")
    code = 74
} catch let error as SystemCallError {
    say("\(error)")
    code = 74
} catch {
    say("\(error)")
    code = 65
}
print(String(decoding: (try? JSONEncoder().encode(report)) ?? Data(), as: UTF8.self))
exit(code)
