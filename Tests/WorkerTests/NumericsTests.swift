import Communication
import Diffusion
import Foundation
import Jobs
import Tensor
import Testing
import Worker

/// What a job says of how numbers are computed. In processes of their own: it is for the life of a process.
@Suite struct NumericsTests {
    /// What came of two training steps.
    struct Steps: Codable {
        var losses: [Double]
        var weights: [Float]
        /// The sum of clipped gradients, the newest weighted most.
        var moments: [Float]
    }

    /// Odd everything: channels in no multiple of a vector, odd sides, three channels at the ends, two lanes.
    static let configuration = UNetConfiguration(
        height: 13, width: 11, inChannels: 3, outChannels: 3, channels: [9, 15], layersPerBlock: 1,
        attention: [false, true], normGroups: 3, attentionHeadDimension: nil, dropout: 0.1)

    static func train() throws -> Steps {
        Threads.useOne()
        // A large epsilon: without it a step hangs on the sign of gradients that are nothing but rounding.
        let trainer = Trainer(
            configuration: configuration, adam: Adam(epsilon: 1e-3), group: SoloCommunicator(), laneCount: 2
        ) {
            $0.initialize(seed: 3, model: 0)
        }
        let diffusion = GaussianDiffusion(schedule: NoiseSchedule(.linear, timesteps: 100), prediction: .epsilon)
        let source = RandomSource(seed: 2, purpose: .testing)
        let results = try (0..<2).map { step in
            try trainer.step(
                StepSettings(step: step, learningRate: 1e-2, maxGradientNorm: 1, averageDecay: 0.5)
            ) { lane, tape in
                let items = [3 * lane, 3 * lane + 1, 3 * lane + 2]
                let pixels = items.flatMap { source.uniform(count: 3 * 13 * 11, step: 0, item: $0).map { 2 * $0 - 1 } }
                return NoisePrediction.loss(
                    of: trainer.network,
                    on: TrainingBatch(images: Tensor(pixels, shape: [3, 3, 13, 11]), items: items),
                    diffusion: diffusion, address: TrainingAddress(seed: 9, model: 0, step: step), tape: tape)
            }
        }
        return Steps(
            losses: results.flatMap(\.laneLosses), weights: trainer.parameters.values.scalars,
            moments: trainer.optimizer.firstMoment.scalars)
    }

    /// Fails when a kernel or a layout of narrower vectors computes something else: with a wrong padding of odd channels
    /// in blocks of 8, for instance.
    @Test(arguments: [InstructionSet.avx2, .baseline])
    func trainingOnNarrowerVectorsDiffersByRoundingAlone(instructions: InstructionSet) async throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("diptych-\(UUID().uuidString).json")
        try JSONEncoder().encode(Self.train()).write(to: path)
        defer { try? FileManager.default.removeItem(at: path) }
        await #expect(processExitsWith: .success) { [file = path.path as String, instructions] in
            guard instructions.limit(), NumericsProfile.current().kernels <= instructions else {
                fatalError("the limit is not heeded")
            }
            let wide = try JSONDecoder().decode(Steps.self, from: Data(contentsOf: URL(fileURLWithPath: file)))
            let narrow = try NumericsTests.train()
            func difference(_ a: [Float], _ b: [Float]) -> Float {
                let largest = b.map(abs).max() ?? 0
                let worst = zip(a, b).map { abs($0 - $1) }.max() ?? .infinity
                return a.count == b.count ? worst / largest : .infinity
            }
            let differences = [
                difference(narrow.losses.map(Float.init), wide.losses.map(Float.init)),
                difference(narrow.weights, wide.weights), difference(narrow.moments, wide.moments),
            ]
            guard zip(differences, [1e-5, 1e-5, 1e-4] as [Float]).allSatisfy({ $0 < $1 }) else {
                fatalError("losses, weights and moments differ by \(differences) of their largest")
            }
        }
    }

    /// Fails when the job's choice does not reach the process, or comes after its first convolution.
    @Test func aSessionComputesAsTheJobSays() async throws {
        await #expect(processExitsWith: .success) {
            let workshop = try Workshop()
            // The entrance of the network, by the rule and by every table computed directly.
            let entry = ConvolutionFile.Entry(
                DirectedConvolution(
                    ConvolutionShape(
                        source: [2, 1, 8, 8], weights: [8, 1, 3, 3], stride: 1, padding: Padding(1), hasBias: true),
                    .forward), .direct)
            let file = ConvolutionFile(entries: [entry])
            try workshop.write(Array(file.text.utf8), to: "table.yaml")
            let job = workshop.job {
                $0.numerics.convolutions = workshop.path + "/table.yaml"
                $0.numerics.instructions = .avx2
            }
            let directory = try workshop.run("run", job)
            let profiles = try onRanks(2) { world in
                let session = try Session(world: world, directory: directory)
                _ = try TrainingRun(session: session).walk()
                return NumericsProfile.current()
            }
            let recorded = try JSONDecoder().decode(
                NumericsProfile.self, from: Data(contentsOf: URL(fileURLWithPath: directory.path + "/profile.json")))
            for profile in profiles + [recorded] {
                guard profile.convolutions == file.sha256, profile.kernels <= .avx2 else {
                    fatalError("\(profile)")
                }
            }
        }
    }

    @Test func anAlgorithmThatCannotBeHadIsRefused() async throws {
        await #expect(processExitsWith: .success) {
            let workshop = try Workshop()
            let entry = ConvolutionFile.Entry(
                DirectedConvolution(
                    ConvolutionShape(
                        source: [2, 8, 8, 8], weights: [8, 8, 1, 1], stride: 1, padding: .none, hasBias: true),
                    .forward), .winograd)
            try workshop.write(Array(ConvolutionFile(entries: [entry]).text.utf8), to: "table.yaml")
            let directory = try workshop.run(
                "run", workshop.job { $0.numerics.convolutions = workshop.path + "/table.yaml" })
            let errors = try onRanks(2) { world in errorThrown { _ = try Session(world: world, directory: directory) } }
            let failure = errors[0] as? DiptychFailure
            guard failure?.code == .usage,
                failure?.message.contains("there is no winograd on this processor for {direction: forward") == true,
                (errors[1] as? CommunicationError)?.isEcho == true
            else { fatalError("\(errors)") }
        }
    }

    /// Fails when a phase is left out, or teachers do not count.
    @Test func tuningMeetsEveryConvolutionOfAJob() throws {
        Threads.useOne()
        let workshop = try Workshop()
        let job = workshop.job {
            $0.distill.imagesPerLane = 4
            $0.sample.batch = 3
        }
        let network = job.network(channels: 1, height: 8, width: 8, classCount: 1)
        let file = Tuning(network: network, passes: job.tuningPasses, samples: 1).run()
        #expect(file.passes.map(\.name) == ["teach", "distill", "sample"])
        #expect(file.passes.map(\.images) == [2, 4, 3])
        #expect(file.passes.allSatisfy { $0.rule > 0 && $0.table > 0 && $0.table <= $0.rule })
        var directions: [Int: Set<ConvolutionDirection>] = [:]
        for entry in file.entries {
            directions[entry.convolution.shape.source[0], default: []].insert(entry.convolution.direction)
            #expect(entry.rule != nil && entry.milliseconds[entry.algorithm] != nil)
        }
        #expect(
            directions == [2: Set(ConvolutionDirection.allCases), 4: Set(ConvolutionDirection.allCases), 3: [.forward]])
        #expect(try ConvolutionFile.decode(file.text, file: "") == file)
        let entrance = file.entries.filter { $0.convolution.shape.source == [2, 1, 8, 8] }.map(\.convolution.direction)
        #expect(entrance == [.forward, .weightsGradient], "nobody wants the gradient of the image")
    }
}
