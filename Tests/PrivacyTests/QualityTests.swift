import Datasets
import Foundation
import Privacy
import Tensor
import TestSupport
import Testing

/// Figures beside numpy's and scipy's; Tests/Golden/quality.py made them.
@Suite struct QualityFormulaTests {
    private struct Golden: Decodable {
        struct Case: Decodable {
            let name: String
            let width: Int
            let real: [Double]
            let generated: [Double]
            let frechet: Double
            let precision: Double
            let recall: Double
        }
        struct Score: Decodable {
            let classes: Int
            let probabilities: [Double]
            let expected: Double
        }
        struct Extraction: Decodable {
            let size: Int
            let members: [UInt8]
            let held_out: [UInt8]
            let samples: [UInt8]
            let relative: [Double]
            let threshold: Double
            let fraction: Double
        }
        let format: String
        let version: Int
        let cases: [Case]
        let score: Score
        let extraction: Extraction
    }

    private func golden() throws -> Golden {
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Golden/quality.json")
        let golden = try JSONDecoder().decode(Golden.self, from: Data(contentsOf: path))
        #expect(golden.format == "diptych-golden-quality" && golden.version == 1)
        return golden
    }

    @Test func frechetDistanceIsScipys() throws {
        for test in try golden().cases {
            let distance = FrechetDistance.between(
                FeatureMatrix(test.real, width: test.width), FeatureMatrix(test.generated, width: test.width))
            #expect(abs(distance - test.frechet) <= 1e-6 * (1 + test.frechet), "\(test.name)")
        }
    }

    @Test func precisionAndRecallAreNumpys() throws {
        for test in try golden().cases {
            let found = PrecisionRecall(
                real: FeatureMatrix(test.real, width: test.width),
                generated: FeatureMatrix(test.generated, width: test.width))
            #expect(found.precision == test.precision && found.recall == test.recall, "\(test.name)")
        }
    }

    @Test func inceptionStyleScoreIsNumpys() throws {
        let test = try golden().score
        let score = InceptionStyleScore.of(FeatureMatrix(test.probabilities, width: test.classes))
        #expect(abs(score - test.expected) <= 1e-12 * test.expected)
    }

    @Test func extractionTestIsNumpys() throws {
        let test = try golden().extraction
        func set(_ pixels: [UInt8]) -> ImageSet {
            ImageSet(count: pixels.count / test.size, channels: 1, height: 1, width: test.size, pixels: pixels)
        }
        let found = Memorisation(samples: set(test.samples), members: set(test.members), heldOut: set(test.held_out))
        for (mine, expected) in zip(found.relativeDistances, test.relative) { #expect(abs(mine - expected) < 1e-12) }
        #expect(found.relativeDistances.count == test.relative.count)
        #expect(abs(found.threshold - test.threshold) < 1e-12)
        #expect(found.extractedFraction == test.fraction)
        #expect(test.fraction > 0.1 && test.fraction < 0.9, "the case would not show a mistake")
    }

    @Test func equalSetsHaveNoDistanceAndLieOnEachOther() throws {
        let test = try #require(golden().cases.first)
        let features = FeatureMatrix(test.real, width: test.width)
        #expect(FrechetDistance.between(features, features) < 1e-9)
        let found = PrecisionRecall(real: features, generated: features)
        #expect(found == PrecisionRecall(real: features, generated: features))
        #expect(found.precision == 1 && found.recall == 1)
    }
}

/// Planted sets of real images: copies, originals, noise.
@Suite(.serialized) struct QualityMeasurementTests {
    private static let images: Catalogue = {
        let folder = "/usr/share/datasets/fashion-mnist/"
        do {
            return try Catalogue.load(
                DataSource(
                    reader: .idx, images: folder + "t10k-images-idx3-ubyte.gz",
                    labels: folder + "t10k-labels-idx1-ubyte.gz"))
        } catch { fatalError("\(error)") }
    }()
    private static let unused = 0..<2_000
    private static let members = images.images.subset(Array(2_000..<3_000))
    private static let heldOut = images.images.subset(Array(3_000..<4_000))
    private static let fresh = images.images.subset(Array(4_000..<4_400))
    // Safe because nothing writes to it after it was made, and the suite is serialized.
    nonisolated(unsafe) private static let extractor = FeatureExtractor(
        classifying: images.images.subset(Array(unused)), labels: Array(images.labels?[unused] ?? []), classCount: 10,
        source: "unused images", steps: 300)

    private func figures(_ samples: ImageSet) -> QualityFigures {
        QualityMeasurement(
            samples: samples, members: Self.members, heldOut: Self.heldOut, extractor: Self.extractor
        ).figures
    }

    @Test func theClassifierClassifiesImagesThatItNeverSaw() throws {
        let probabilities = try #require(Self.extractor.probabilities(of: Self.fresh))
        let labels = try #require(Self.images.labels)
        let right = (0..<Self.fresh.count).count { row in
            let values = Array(probabilities.values[row * 10..<row * 10 + 10])
            return values.indices.max { values[$0] < values[$1] } == labels[4_000 + row]
        }
        #expect(Double(right) / Double(Self.fresh.count) > 0.75)
        for row in 0..<Self.fresh.count {
            #expect(abs(probabilities.values[row * 10..<row * 10 + 10].reduce(0, +) - 1) < 1e-9)
        }
    }

    @Test func originalsAreNearTheFloorAndNotExtracted() {
        let figures = figures(Self.fresh)
        #expect(figures.comparedImages == 400 && figures.samples == 400)
        #expect(figures.frechetDistance < 1.5 * figures.frechetDistanceFloor)
        #expect(figures.extractedFraction < 0.04)
        #expect(figures.precision > 0.75 && figures.recall > 0.75)
        #expect((figures.inceptionScore ?? 0) > 4)
        #expect(abs(figures.medianDistanceToMembers / figures.medianDistanceToHeldOut - 1) < 0.05)
        #expect(figures.extractor == Self.extractor.name)
    }

    @Test func copiesOfMembersAreExtracted() {
        // Copies with noise of a few grey levels, as a sampler would make them.
        let source = RandomSource(seed: 3, purpose: .testing)
        let copies = Self.members.subset(Array(0..<300))
        let pixels = copies.pixels.enumerated().map { index, value in
            UInt8(max(0, min(255, Int(value) + source.integer(below: 9, step: 0, item: index) - 4)))
        }
        let samples = ImageSet(count: 300, channels: 1, height: 28, width: 28, pixels: pixels)
        let measurement = QualityMeasurement(
            samples: samples, members: Self.members, heldOut: Self.heldOut, extractor: Self.extractor)
        #expect(measurement.figures.extractedFraction > 0.97)
        #expect(measurement.figures.medianDistanceToMembers < 4)
        #expect(measurement.figures.medianDistanceToHeldOut > 10)
        #expect(measurement.pairs.count == 300)
        #expect(measurement.pairs.count { $0.sample == $0.member } > 297)
        #expect(measurement.pairs.map(\.relativeDistance) == measurement.pairs.map(\.relativeDistance).sorted())
    }

    @Test func noiseIsFarFromEverything() {
        let source = RandomSource(seed: 4, purpose: .testing)
        let pixels = (0..<100 * 784).map { UInt8(truncatingIfNeeded: source.word(step: 0, item: $0)) }
        let figures = figures(ImageSet(count: 100, channels: 1, height: 28, width: 28, pixels: pixels))
        #expect(figures.frechetDistance > 5 * figures.frechetDistanceFloor)
        // Its precision need not be low: among 100 real images a lonely one has a large ball.
        #expect(figures.recall < 0.1)
    }

    @Test func withoutLabelsFeaturesAreRandomAndNamedSo() {
        let extractor = FeatureExtractor(randomFor: Self.fresh)
        #expect(extractor.name.hasPrefix("random-features-28x28x1:"))
        #expect(extractor.name.count == "random-features-28x28x1:".count + 16)
        let measurement = QualityMeasurement(
            samples: Self.fresh, members: Self.members, heldOut: Self.heldOut, extractor: extractor)
        #expect(measurement.figures.inceptionScore == nil)
        #expect(measurement.figures.frechetDistance < 2 * measurement.figures.frechetDistanceFloor)
    }

    @Test func theAuditsExtractorPrefersUnusedImages() throws {
        func extractor(_ catalogue: Catalogue, unused: Range<Int>) -> FeatureExtractor {
            FeatureExtractor(catalogue, unused: Array(unused), heldOut: Array(20..<40))
        }
        let shapes = Self.images.images.subset(Array(0..<60))
        let small = try Catalogue(name: "small", images: shapes, labels: (0..<60).map { $0 % 2 })
        let unusedImages = "classify 20 images that no audited model was trained on"
        #expect(extractor(small, unused: 40..<60).origin.contains(unusedImages))
        #expect(extractor(small, unused: 40..<59).origin.contains("classify 20 held-out images"))
        let unlabelled = try Catalogue(name: "unlabelled", images: shapes)
        #expect(extractor(unlabelled, unused: 40..<60).name == FeatureExtractor(randomFor: shapes).name)
    }

    @Test func anExtractorIsAFunctionOfItsImages() {
        func extractor(_ range: Range<Int>) -> FeatureExtractor {
            FeatureExtractor(
                classifying: Self.images.images.subset(Array(range)), labels: Array(Self.images.labels?[range] ?? []),
                classCount: 10, source: "unused images", steps: 5)
        }
        #expect(extractor(0..<100).name == extractor(0..<100).name)
        #expect(extractor(0..<100).name != extractor(100..<200).name)
        #expect(extractor(0..<100).name.hasPrefix("classifier-28x28x1:"))
    }

    @Test(arguments: [(3, 5, 9), (1, 1, 1), (3, 32, 32)]) func takesImagesOfAnyShape(_ shape: (Int, Int, Int)) {
        let size = shape.0 * shape.1 * shape.2
        let source = RandomSource(seed: 5, purpose: .testing)
        let images = ImageSet(
            count: 70, channels: shape.0, height: shape.1, width: shape.2,
            pixels: (0..<70 * size).map { UInt8(truncatingIfNeeded: source.word(step: 0, item: $0)) })
        let extractor = FeatureExtractor(
            classifying: images, labels: (0..<70).map { $0 % 3 }, classCount: 3, source: "test images", steps: 2)
        let features = extractor.features(of: images)
        #expect(features.count == 70 && features.width == 64)
        // A batch's end does not change what comes out.
        #expect(extractor.features(of: images.subset([69])).values == features.subset([69]).values)
    }
}
