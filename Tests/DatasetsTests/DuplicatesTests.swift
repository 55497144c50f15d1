import Datasets
import Testing

@Suite struct DuplicatesTests {
    /// Real images, with copies appended: (catalogue, positions of the copies).
    private func planted(_ copies: [(of: Int, change: ([UInt8]) -> [UInt8])]) throws -> Catalogue {
        let images = try Fashion.testCatalogue().images.subset(Array(0..<2_000))
        var pixels = images.pixels
        for copy in copies { pixels += copy.change(Array(images.pixels[images.range(of: copy.of)])) }
        return try Catalogue(
            name: "planted",
            images: ImageSet(count: 2_000 + copies.count, channels: 1, height: 28, width: 28, pixels: pixels))
    }

    private func brighter(_ pixels: [UInt8], by levels: Int) -> [UInt8] {
        pixels.map { UInt8(min(Int($0) + levels, 255)) }
    }

    @Test func fashionMNISTHoldsFewAndSmallGroups() throws {
        let catalogue = try Fashion.catalogue()
        let clock = ContinuousClock()
        let start = clock.now
        let duplicates = try Duplicates.find(in: catalogue, near: .together)
        #expect(clock.now - start < .seconds(10))
        #expect(duplicates.exactPairs == 0)
        // Counted by an independent search over all pairs in double precision.
        #expect(duplicates.nearPairs == 76)
        #expect(duplicates.groups.count == 67)
        #expect(duplicates.groups.reduce(0) { $0 + $1.count } == 139)
        #expect(duplicates.largestGroup == [753, 21_295, 29_413, 43_549])
        // Trousers all of them.
        #expect(duplicates.largestGroup.map { catalogue.labels?[$0] } == [1, 1, 1, 1])
    }

    @Test func equalBrighterAndNoisyCopiesAreFound() throws {
        let noise = randomBytes(784)
        let before = try Duplicates.find(in: planted([]), near: .together)
        let duplicates = try Duplicates.find(
            in: planted([
                (of: 10, change: { $0 }),
                (of: 20, change: { brighter($0, by: 1) }),
                (
                    of: 30,
                    change: {
                        var changed = $0
                        changed[400] = changed[400] < 128 ? 255 : 0
                        return changed
                    }
                ),
                (of: 40, change: { zip($0, noise).map { UInt8(clamping: Int($0) + Int($1) % 21 - 10) } }),
                (of: 10, change: { brighter($0, by: 3) }),
            ]), near: .together)
        for (copy, original) in [(2_000, 10), (2_001, 20), (2_002, 30), (2_003, 40), (2_004, 10)] {
            #expect(duplicates.groupOfImage[copy] == duplicates.groupOfImage[original], "copy of \(original)")
        }
        #expect(duplicates.exactPairs == 1)
        #expect(duplicates.exactGroups == 1)
        #expect(duplicates.groups.count == before.groups.count + 4)
        #expect(duplicates.groups.contains([10, 2_000, 2_004]))
        #expect(duplicates.nearPairs == before.nearPairs + 4)
    }

    @Test func ignoringNearOnesStillFindsEqualOnes() throws {
        let catalogue = try planted([(of: 10, change: { $0 }), (of: 20, change: { brighter($0, by: 1) })])
        let duplicates = try Duplicates.find(in: catalogue, near: .ignore)
        #expect(duplicates.groups == [[10, 2_000]])
        #expect(duplicates.nearPairs == 0)
    }

    @Test func thresholdIsFourLevelsOfAnAreaAverage() throws {
        // Flat images of every shape differ by exactly their difference in brightness.
        for (channels, height, width) in [(1, 28, 28), (3, 32, 32), (1, 5, 9), (3, 13, 8)] {
            let size = channels * height * width
            var pixels: [UInt8] = []
            for level: UInt8 in [0, 4, 100, 105] { pixels += Array(repeating: level, count: size) }
            // Changing one channel's brightness by 4 * sqrt(channels) at most is near, too.
            let images = ImageSet(count: 4, channels: channels, height: height, width: width, pixels: pixels)
            let duplicates = try Duplicates.find(in: Catalogue(name: "flat", images: images), near: .together)
            #expect(duplicates.groups == [[0, 1]], "\((channels, height, width))")
        }
    }

    @Test func distantImagesWithEqualMeansAreNotNear() throws {
        // The four halves of a picture: equal sums, quadrants apart; and a checkerboard finer than the quadrants.
        func image(_ bright: (Int, Int) -> Bool) -> [UInt8] {
            (0..<16).flatMap { y in (0..<16).map { x in bright(x, y) ? 100 : 0 } }
        }
        let pixels =
            image { x, _ in x < 8 } + image { x, _ in x >= 8 } + image { _, y in y < 8 } + image { _, y in y >= 8 }
            + image { x, y in (x / 2 + y / 2) % 2 == 0 } + image { x, y in (x / 2 + y / 2) % 2 == 1 }
        let images = ImageSet(count: 6, channels: 1, height: 16, width: 16, pixels: pixels)
        #expect(try Duplicates.find(in: Catalogue(name: "halves", images: images), near: .together).groups.isEmpty)
    }

    @Test func chainAboveOnePercentIsShown() throws {
        // Each copy is near the one before it, the first and last are not: 30 of 2,030 images.
        let ramp = try planted((1...30).map { step in (of: 5, change: { brighter($0, by: 4 * step) }) })
        do {
            _ = try Duplicates.find(in: ramp, near: .together)
            Issue.record("the chain went unnoticed")
        } catch let error as DatasetError {
            #expect(error.kind == .chainedDuplicates)
            #expect(error.images.count >= 25)
            for word in ["planted", "at most 20 of 2030", "5, 2000, 2001", "near_duplicates: ignore", "8x8"] {
                #expect(error.description.contains(word), "\(error)")
            }
        }
        #expect(try Duplicates.find(in: ramp, near: .ignore).groups.isEmpty)
        let short = try planted((1...15).map { step in (of: 5, change: { brighter($0, by: 4 * step) }) })
        #expect(try Duplicates.find(in: short, near: .together).largestGroup.count == 16)
    }
}
