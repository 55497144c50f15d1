import Diffusion
import Tensor
import TestSupport
import Testing

@Suite struct SamplerTests {
    @Test func everyStepIsThatOfDiffusers() throws {
        let golden = try SchedulersGolden.load()
        #expect(golden.cases.count == 91)
        for trajectory in golden.cases {
            let (plan, start) = try prepare(trajectory)
            #expect(plan.map(\.timestep) == trajectory.timesteps, "\(trajectory.testDescription)")
            var state = start
            for (step, expected) in zip(plan, trajectory.states) {
                let output = SamplerTests.output(at: step.timestep, state: state)
                let noise = SamplerTests.noise(at: step.timestep)
                let inDouble = step.applyInDouble(sample: state, output: output, noise: noise)
                let inFloat = step.apply(
                    sample: state.map { Float($0) }, output: output.map { Float($0) }, noise: noise.map { Float($0) })
                // diffusers clamps the small variance of the last step to 1e-20, ours is 0.
                let size = expected.map(abs).max() ?? 0
                for index in expected.indices {
                    #expect(
                        isClose(inDouble[index], expected[index], relative: 1e-10, absolute: 1e-11 * size + 2e-10),
                        "\(trajectory.testDescription) t = \(step.timestep)")
                    #expect(
                        isClose(Double(inFloat[index]), expected[index], relative: 1e-5, absolute: 2e-6 * size + 1e-6),
                        "\(trajectory.testDescription) t = \(step.timestep)")
                }
                state = expected
            }
        }
    }

    private func prepare(_ trajectory: SchedulersGolden.Trajectory) throws -> ([SamplerStep], [Double]) {
        let sampler: Sampler =
            switch trajectory.sampler {
            case "fixed_large": .ddpm(variance: .fixedLarge)
            case "fixed_small": .ddpm(variance: .fixedSmall)
            default: .ddim(eta: try #require(Double(trajectory.sampler)))
            }
        let configuration = SamplingConfiguration(
            sampler, steps: trajectory.steps, spacing: try #require(TimestepSpacing(rawValue: trajectory.spacing)),
            clipsPredictedImage: trajectory.clip)
        let diffusion = GaussianDiffusion(
            schedule: NoiseSchedule(try #require(SchedulersGolden.kinds[trajectory.schedule])),
            prediction: try #require(SchedulersGolden.predictions[trajectory.prediction]))
        return (configuration.plan(diffusion), Formula.uniform("start", 3).map { 3.0.squareRoot() * $0 })
    }

    private static func output(at timestep: Int, state: [Double]) -> [Double] {
        zip(Formula.uniform("output \(timestep)", 3), state).map { 1.5 * $0 + 0.25 * $1 }
    }

    private static func noise(at timestep: Int) -> [Double] {
        Formula.uniform("noise \(timestep)", 3).map { 3.0.squareRoot() * $0 }
    }

    @Test func allTimestepsAreVisitedOnceWhenStepsAreAsMany() {
        let schedule = NoiseSchedule(.linear, timesteps: 50)
        for spacing in TimestepSpacing.allCases {
            let configuration = SamplingConfiguration(.ddpm(variance: .fixedLarge), steps: 50, spacing: spacing)
            #expect(configuration.timesteps(of: schedule) == Array((0..<50).reversed()))
        }
    }

    @Test func samplesStayInRangeAndDoNotDependOnTheRestOfTheBatch() {
        let batches = [[3, 7], [7, 3], [7, 100]]
        let images = batches.map { items in
            sample(
                SampleBatch(items: items, shape: [2, 3, 5], seed: 11), from: FormulaDenoiser(),
                diffusion: GaussianDiffusion(schedule: NoiseSchedule(.linear), prediction: .epsilon),
                configuration: SamplingConfiguration(.ddpm(variance: .fixedLarge), steps: 8)
            ) { _ in }.scalars
        }
        #expect(images[0][..<30] == images[1][30...])
        #expect(images[0][30...] == images[2][..<30])
        #expect(images[0][..<30] != images[0][30...])
        #expect(images.joined().allSatisfy { (-1...1).contains($0) })
    }

    @Test func aSeedOrAnotherSetChangesTheNoise() {
        func image(seed: UInt64, set: Int) -> [Float] {
            sample(
                SampleBatch(items: [0], shape: [1, 4, 4], seed: seed, set: set), from: FormulaDenoiser(),
                diffusion: GaussianDiffusion(schedule: NoiseSchedule(.linear), prediction: .sample),
                configuration: SamplingConfiguration(.ddim(eta: 1), steps: 4, clipsPredictedImage: false)
            ) { _ in }.scalars
        }
        #expect(image(seed: 1, set: 0) == image(seed: 1, set: 0))
        #expect(image(seed: 1, set: 0) != image(seed: 2, set: 0))
        #expect(image(seed: 1, set: 0) != image(seed: 1, set: 1))
    }

    @Test func everyStepAddsFreshStandardNormalNoise() {
        let diffusion = GaussianDiffusion(schedule: NoiseSchedule(.linear), prediction: .sample)
        let configuration = SamplingConfiguration(.ddpm(variance: .fixedLarge), steps: 4)
        let denoiser = RecordingDenoiser()
        _ = sample(
            SampleBatch(items: [0], shape: [1, 64, 64], seed: 3), from: denoiser, diffusion: diffusion,
            configuration: configuration
        ) { _ in }
        // The recorded states, with the predicted image 0, tell what was added: next - fromSample x.
        let plan = configuration.plan(diffusion)
        var drawn = [denoiser.states[0]]
        for position in 0..<3 {
            drawn.append(
                zip(denoiser.states[position], denoiser.states[position + 1]).map { old, new in
                    (new - plan[position].fromSample * old) / plan[position].noise
                })
        }
        for (first, a) in drawn.enumerated() {
            for (second, b) in drawn.enumerated() {
                let covariance = zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } / 4096
                // Six standard errors: sqrt(2 / n) for a variance, sqrt(1 / n) for a covariance.
                #expect(abs(covariance - (first == second ? 1 : 0)) < 0.14, "draws \(first) and \(second)")
            }
        }
    }

    @Test func aClosureCanStopBetweenSteps() {
        struct Stop: Error {}
        var seen: [Int] = []
        #expect(throws: Stop.self) {
            try sample(
                SampleBatch(items: [0], shape: [1, 2, 2], seed: 1), from: FormulaDenoiser(),
                diffusion: GaussianDiffusion(schedule: NoiseSchedule(.linear), prediction: .epsilon),
                configuration: SamplingConfiguration(.ddim(eta: 0), steps: 10)
            ) { position in
                seen.append(position)
                if position == 3 { throw Stop() }
            }
        }
        #expect(seen == [0, 1, 2, 3])
    }
}

/// A model that is a formula: half of what it sees.
private struct FormulaDenoiser: Denoiser {
    func predict(_ x: Tensor, timestep: Int, position: Int, labels: [Int]?) -> Tensor {
        Tensor(x.scalars.map { $0 * 0.5 }, shape: x.shape)
    }
}

/// A model that always sees a grey image, and remembers what it was asked about.
private final class RecordingDenoiser: Denoiser {
    var states: [[Double]] = []

    func predict(_ x: Tensor, timestep: Int, position: Int, labels: [Int]?) -> Tensor {
        states.append(x.scalars.map(Double.init))
        return Tensor.zeros(x.shape)
    }
}

extension SamplerStep {
    /// The step as its documentation states it, in double precision.
    fileprivate func applyInDouble(sample: [Double], output: [Double], noise drawn: [Double]) -> [Double] {
        sample.indices.map { index in
            var image = imageFromSample * sample[index] + imageFromOutput * output[index]
            if clipsPredictedImage { image = min(max(image, -1), 1) }
            return fromImage * image + fromSample * sample[index] + fromOutput * output[index] + noise * drawn[index]
        }
    }
}
