import ArgumentParser
import Communication
import Diffusion
import Foundation
import Jobs
import Tensor

extension WorkerCommand {
    /// Times the convolutions of a network; what `diptych tune` starts, on one rank.
    struct Tune: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Time each convolution of a network by each algorithm; one rank.")

        @Argument(help: "The job file, with `data.shape`.") var job: String?
        @Option(help: "Override a value of the job; may be repeated.") var set: [String] = []
        @Option(help: "Number of classes of the job's data.") var classes = 1
        @Option(help: "ddpm-cifar10 or fashion-mnist, instead of a job.") var model: ReferenceNetwork?
        @Option(help: "Images per lane of the reference network.") var imagesPerLane = 16
        @Option(help: "Timed samples of each convolution and algorithm.") var samples = 9

        func validate() throws {
            guard (job == nil) != (model == nil), samples > 0, imagesPerLane > 0, classes > 0 else {
                throw ValidationError("either a job or --model, and positive numbers, are needed")
            }
        }

        func run() throws {
            let code = WorkerProcess(isSupervised: false).run(directory: { nil }) { world in
                let text = try world.onRoot { () throws -> String in
                    var tuning = try tuning()
                    tuning.progress = Progress().tell
                    return tuning.run().text
                }
                try world.onRoot { say(JSONValue.object([.init("file", .string(text))]).text) }
                return .done
            }
            throw ArgumentParser.ExitCode(code)
        }

        private func tuning() throws -> Tuning {
            if let model {
                return Tuning(
                    network: model.configuration,
                    passes: [Tuning.Pass(name: "train", images: imagesPerLane, isTraining: true)], samples: samples)
            }
            let job = try Job.load(path: job ?? "", overrides: set)
            guard let shape = job.data.shape else {
                throw DiptychFailure(.usage, "`data.shape` is needed to tune the network of a job")
            }
            try job.adoptInstructions()
            let network = job.network(channels: shape[0], height: shape[1], width: shape[2], classCount: classes)
            try network.validate()
            return Tuning(network: network, passes: job.tuningPasses, samples: samples)
        }
    }
}

/// A line on standard output, at once.
private func say(_ line: String) {
    FileHandle.standardOutput.write(Data((line + "\n").utf8))
}

/// Tells every few seconds how far the timing is.
private final class Progress {
    private var last = Stopwatch()

    func tell(_ done: Int, _ total: Int) {
        guard last.seconds > 5 else { return }
        last = Stopwatch()
        say("timed \(done) of \(total) convolutions")
    }
}
