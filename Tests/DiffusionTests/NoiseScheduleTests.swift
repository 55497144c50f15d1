import Diffusion
import Foundation
import Tensor
import TestSupport
import Testing

/// diffusers' schedulers, stepped in double precision by Tests/Golden/schedulers.py.
struct SchedulersGolden: Decodable {
    struct Table: Decodable {
        let betas: [Double]
        let cumulative_alphas: [Double]
    }
    struct Trajectory: Decodable, CustomTestStringConvertible {
        let schedule: String
        let prediction: String
        let sampler: String
        let clip: Bool
        let spacing: String
        let steps: Int
        let timesteps: [Int]
        let states: [[Double]]
        var testDescription: String { "\(schedule) \(prediction) \(sampler) clip \(clip) \(spacing) \(steps)" }
    }
    let magic: String
    let timesteps: Int
    let sampled: [Int]
    let tables: [String: Table]
    let noised: [String: [[Double]]]
    let cases: [Trajectory]

    static func load() throws -> SchedulersGolden {
        let data = try Data(contentsOf: GoldenFile.folder.appending(path: "schedulers.json"))
        let golden = try JSONDecoder().decode(SchedulersGolden.self, from: data)
        try #require(golden.magic == "diptych golden schedulers")
        return golden
    }

    static let kinds: [String: BetaSchedule] = [
        "linear": .linear, "scaled_linear": .scaledLinear, "squaredcos_cap_v2": .cosine,
    ]
    static let predictions: [String: Prediction] = [
        "epsilon": .epsilon, "sample": .sample, "v_prediction": .velocity,
    ]
}

@Suite struct NoiseScheduleTests {
    @Test(arguments: ["linear", "scaled_linear", "squaredcos_cap_v2"])
    func tablesAreThoseOfDiffusersInDouble(name: String) throws {
        let golden = try SchedulersGolden.load()
        let table = try #require(golden.tables[name])
        let schedule = NoiseSchedule(try #require(SchedulersGolden.kinds[name]), timesteps: golden.timesteps)
        for (index, timestep) in golden.sampled.enumerated() {
            #expect(isClose(schedule.betas[timestep], table.betas[index], relative: 1e-12))
            #expect(isClose(schedule.cumulativeAlphas[timestep], table.cumulative_alphas[index], relative: 1e-12))
        }
    }

    @Test(arguments: ["linear", "scaled_linear", "squaredcos_cap_v2"])
    func noisingIsThatOfDiffusers(name: String) throws {
        let golden = try SchedulersGolden.load()
        let expected = try #require(golden.noised[name])
        let schedule = NoiseSchedule(try #require(SchedulersGolden.kinds[name]), timesteps: golden.timesteps)
        let count = golden.sampled.count
        let image = Formula.uniform("start", 3).map { Float($0) }
        let noise = golden.sampled.flatMap { timestep in
            Formula.uniform("noise \(timestep)", 3).map { Float(3.0.squareRoot() * $0) }
        }
        let noisy = schedule.addNoise(
            Tensor([[Float]](repeating: image, count: count).flatMap(\.self), shape: [count, 3, 1, 1]),
            noise: Tensor(noise, shape: [count, 3, 1, 1]), timesteps: golden.sampled)
        for (found, wanted) in zip(noisy.scalars, expected.flatMap(\.self)) {
            #expect(abs(Double(found) - wanted) < 3e-7)
        }
    }

    @Test(arguments: Prediction.allCases)
    func aPerfectOutputGivesBackImageAndNoise(prediction: Prediction) {
        let schedule = NoiseSchedule(.linear)
        let image = Formula.images("image", shape: [4, 1, 2, 2])
        let noise = Formula.images("noise", shape: [4, 1, 2, 2])
        let timesteps = [0, 10, 500, 900]
        let noisy = schedule.addNoise(image, noise: noise, timesteps: timesteps).scalars
        let output = prediction.target(images: image, noise: noise, timesteps: timesteps, schedule: schedule).scalars
        for index in noisy.indices {
            let timestep = timesteps[index / 4]
            let (sample, value) = (Double(noisy[index]), Double(output[index]))
            let imageRule = prediction.image(at: timestep, of: schedule)
            let noiseRule = prediction.noise(at: timestep, of: schedule)
            // Rounding is amplified by 1 / deviation (up to 100) or 1 / signal (up to 60).
            #expect(abs(imageRule.sample * sample + imageRule.output * value - Double(image.scalars[index])) < 3e-5)
            #expect(abs(noiseRule.sample * sample + noiseRule.output * value - Double(noise.scalars[index])) < 3e-5)
        }
    }
}

/// Whether two numbers agree to a relative tolerance; never for NaN or infinity.
func isClose(_ found: Double, _ expected: Double, relative: Double, absolute: Double = 0) -> Bool {
    found.isFinite && abs(found - expected) <= relative * abs(expected) + absolute
}
