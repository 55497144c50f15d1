import Diffusion
import Foundation

/// Timesteps as papers state them, for the linear schedule of 1,000 steps, in terms of another schedule.
struct NominalTimesteps {
    private static let published = NoiseSchedule(.linear)
    private let levels: [Double]

    init(_ schedule: NoiseSchedule) {
        levels = schedule.cumulativeAlphas.map(Self.logSignalToNoise)
    }

    private static func logSignalToNoise(_ alpha: Double) -> Double { log(alpha / (1 - alpha)) }

    /// The timestep whose signal-to-noise ratio is nearest, on a logarithmic scale; the same one for the linear schedule
    /// of 1,000 steps.
    func callAsFunction(_ nominal: Int) -> Int {
        let wanted = Self.logSignalToNoise(Self.published.cumulativeAlphas[nominal])
        return levels.indices.min { abs(levels[$0] - wanted) < abs(levels[$1] - wanted) } ?? 0
    }

    /// The timesteps of several, ascending, without repetitions: in a short schedule neighbours fall together.
    func callAsFunction(_ nominals: [Int]) -> [Int] {
        Set(nominals.map { self($0) }).sorted()
    }
}
