import Diffusion
import Tensor
import Testing

/// A model that only counts: each call leaves (its index, timestep).
private final class CallRecord {
    var calls: [(model: Int, timestep: Int)] = []
}

private struct CountingDenoiser: Denoiser {
    let index: Int
    let record: CallRecord

    func predict(_ x: Tensor, timestep: Int, position: Int, labels: [Int]?) -> Tensor {
        record.calls.append((index, timestep))
        return x
    }
}

@Suite struct AlternationTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let sampler: Sampler
        let steps: Int
        let timesteps: Int
        let models: Int
        var testDescription: String { "\(sampler), \(steps) of \(timesteps) steps, \(models) models" }
    }

    // DDIM with 1000 / 50 = 20 and 100 / 25 = 4: strides that keep the timestep's parity.
    static let cases = [
        Case(sampler: .ddpm(variance: .fixedLarge), steps: 40, timesteps: 40, models: 2),
        Case(sampler: .ddpm(variance: .fixedSmall), steps: 41, timesteps: 41, models: 2),
        Case(sampler: .ddim(eta: 0), steps: 50, timesteps: 1000, models: 2),
        Case(sampler: .ddim(eta: 0), steps: 25, timesteps: 100, models: 2),
        Case(sampler: .ddim(eta: 0.5), steps: 33, timesteps: 99, models: 2),
        Case(sampler: .ddim(eta: 0), steps: 50, timesteps: 1000, models: 3),
        Case(sampler: .ddim(eta: 0), steps: 7, timesteps: 50, models: 1),
    ]

    @Test(arguments: cases) func modelsTakeTurnsAndTheFirstBegins(_ example: Case) {
        let record = CallRecord()
        let models = (0..<example.models).map { CountingDenoiser(index: $0, record: record) }
        _ = sample(
            SampleBatch(items: [0, 1], shape: [1, 2, 2], seed: 5), from: AlternatingDenoiser(models),
            diffusion: GaussianDiffusion(
                schedule: NoiseSchedule(.linear, timesteps: example.timesteps), prediction: .sample),
            configuration: SamplingConfiguration(example.sampler, steps: example.steps)
        ) { _ in }
        #expect(record.calls.map(\.model) == (0..<example.steps).map { $0 % example.models })
        #expect(record.calls.map(\.timestep) == record.calls.map(\.timestep).sorted(by: >))
        for model in 0..<example.models {
            let calls = record.calls.count { $0.model == model }
            #expect(calls == (example.steps + example.models - 1 - model) / example.models)
        }
    }
}
