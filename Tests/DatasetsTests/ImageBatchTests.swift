import Datasets
import Tensor
import Testing

@Suite struct ImageBatchTests {
    private func catalogue() throws -> Catalogue {
        let images = ImageSet(count: 4, channels: 3, height: 2, width: 5, pixels: randomBytes(120))
        return try Catalogue(name: "colours", images: images)
    }

    @Test func bytesBecomeMinusOneToOneAndBack() throws {
        let all = ImageSet(count: 1, channels: 1, height: 16, width: 16, pixels: (0...255).map { $0 })
        let batch = imageBatch(try Catalogue(name: "bytes", images: all), indices: [0])
        #expect(batch.shape == [1, 1, 16, 16])
        #expect(batch.scalars[0] == -1)
        #expect(batch.scalars[255] == 1)
        #expect(batch.scalars[51] == Float(51) / 127.5 - 1)
        #expect(try ImageSet(batch) == all)
    }

    @Test func valuesAreRoundedHalfAwayAndClamped() throws {
        // 0 stands for 127.5 exactly.
        let values: [Float] = [-3, -1.0001, -0.5, 0, 1.0001, 7]
        let images = try ImageSet(Tensor(values, shape: [1, 1, 2, 3]))
        #expect(images.pixels == [0, 0, 64, 128, 255, 255])
        expectError(.notFinite, naming: ["image 1 of 2", "nan"]) {
            try ImageSet(Tensor([0, 0, 0, .nan], shape: [2, 1, 1, 2]))
        }
    }

    @Test func imagesKeepTheOrderOfTheIndices() throws {
        let catalogue = try catalogue()
        let batch = imageBatch(catalogue, indices: [3, 0, 3])
        #expect(batch.shape == [3, 3, 2, 5])
        #expect(try ImageSet(batch) == catalogue.images.subset([3, 0, 3]))
    }

    @Test func flipsMirrorRowsByAddress() throws {
        let catalogue = try catalogue()
        let flip = HorizontalFlip(seed: 4, model: 1)
        for step in 0..<16 {
            let pixels = try ImageSet(imageBatch(catalogue, indices: [2, 1], flip: flip, step: step)).pixels
            for (place, image) in [2, 1].enumerated() {
                var expected = Array(catalogue.pixels[catalogue.images.range(of: image)])
                if flip.isFlipped(step: step, image: image) {
                    expected = stride(from: 0, to: 30, by: 5).flatMap { expected[$0..<$0 + 5].reversed() }
                }
                #expect(Array(pixels[place * 30..<place * 30 + 30]) == expected)
            }
        }
        let flips = (0..<2_000).count { flip.isFlipped(step: $0 / 100, image: $0 % 100) }
        #expect((900..<1_100).contains(flips))
        #expect((0..<100).contains { flip.isFlipped(step: 0, image: $0) != flip.isFlipped(step: 1, image: $0) })
    }
}
