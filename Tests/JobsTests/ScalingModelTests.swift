import Foundation
import Jobs
import Testing

@Suite struct ScalingModelTests {
    /// Two blocks of weights and round numbers, so that the formula can be followed by hand.
    private let load = ScalingModel.Load(
        parameters: 32_768, secondsPerImage: 0.5, imagesPerLane: 2, lateShare: 0.125)
    private let bytes = 4.0 * 16_384

    private func cluster(ranksPerHost: Int) -> ScalingModel.Cluster {
        ScalingModel.Cluster(
            network: .init(latency: 0.01, bandwidth: 1e6), ranksPerHost: ranksPerHost,
            memory: .init(latency: 0.001, bandwidth: 1e7), updateSeconds: 1e-6)
    }

    @Test func oneRankOnlyComputes() {
        let step = ScalingModel(load, on: cluster(ranksPerHost: 1)).step(lanes: 3, ranks: 1)
        #expect(step.computing == 3 && abs(step.update - 0.032768) < 1e-12 && step.communication == 0)
        #expect(ScalingModel(load, on: cluster(ranksPerHost: 1)).efficiency(lanes: 3, ranks: 1) == 1)
    }

    @Test func twoHostsHideAllButTheLateShare() {
        let step = ScalingModel(load, on: cluster(ranksPerHost: 1)).step(lanes: 2, ranks: 2)
        let half = 0.01 + bytes / 1e6
        #expect(abs(step.communication - (2 * half + 0.01)) < 1e-12)
        #expect(abs(step.hidden - 0.75 * half) < 1e-12)
        #expect(abs(step.total - (1 + 16_384e-6 + 1.25 * half + 0.01)) < 1e-12)
    }

    @Test func oneHostUsesMemoryAndHidesNothing() {
        let step = ScalingModel(load, on: cluster(ranksPerHost: 4)).step(lanes: 2, ranks: 2)
        #expect(abs(step.communication - (2 * (0.001 + bytes / 1e7) + 0.001)) < 1e-12)
        #expect(step.hidden == 0)
    }

    /// Of a rank's three peers one is on its host; its host's link carries two ranks' bytes to the two others.
    @Test func ranksOfAHostShareItsLink() {
        let wide = ScalingModel.Load(parameters: 65_536, secondsPerImage: 1, imagesPerLane: 1, lateShare: 1)
        let step = ScalingModel(wide, on: cluster(ranksPerHost: 2)).step(lanes: 4, ranks: 4)
        let half = 0.03 + 3 * bytes * (1 / 1e7 + 2 * 2 / 1e6) / 3
        #expect(abs(step.communication - (2 * half + 0.02)) < 1e-12)
    }

    @Test func theBackwardPassOfTheLastLaneLimitsWhatIsHidden() {
        var short = load
        short.secondsPerImage = 0.006
        let step = ScalingModel(short, on: cluster(ranksPerHost: 1)).step(lanes: 4, ranks: 2)
        #expect(abs(step.hidden - 0.008) < 1e-12)
        #expect(abs(step.computing - 0.024) < 1e-12)
    }

    /// Once a shard is no larger than what is final last, its owner gets all of it after the backward pass.
    @Test func nothingIsHiddenOnceShardsAreSmall() {
        let many = ScalingModel.Load(parameters: 16_384 * 16, secondsPerImage: 1, imagesPerLane: 1, lateShare: 0.125)
        let model = ScalingModel(many, on: cluster(ranksPerHost: 1))
        #expect(model.step(lanes: 16, ranks: 4).hidden > 0)
        #expect(model.step(lanes: 16, ranks: 8).hidden == 0)
    }

    /// Three ranks of eight lanes: ranks 0 and 1 send two sums each, so more leaves them.
    @Test func brokenSubtreesCostTheirBytes() {
        let volume = ExchangeVolume(lanes: [0..<3, 3..<6, 6..<8], of: 8, padded: 6 * 16_384)
        #expect(volume.extra == 2 * 4 * 16_384 * 4)
        #expect(volume.busiestReduced == 2 * 4 * 16_384 * 4)
        #expect(volume.busiestGathered == 4 * 16_384 * 4)
        #expect(volume.total == volume.reduced + volume.gathered)
        #expect(ExchangeVolume(lanes: [0..<4, 4..<8], of: 8, padded: 6 * 16_384).extra == 0)
    }

    @Test func theGuideHoldsTheTablesOfTheFormula() throws {
        let guide = try String(contentsOfFile: repository + "docs/scaling.md", encoding: .utf8)
        for table in [
            ScalingTable.efficiency, ScalingTable.remedies, ScalingTable.remediesForLarge, ScalingTable.unevenLanes,
        ] {
            let text = table.joined(separator: "\n")
            #expect(guide.contains("\n" + text + "\n"), "docs/scaling.md must hold:\n\(text)")
        }
    }
}
