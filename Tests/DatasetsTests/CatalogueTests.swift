import Datasets
import Testing

@Suite struct CatalogueTests {
    @Test func digestIsSHA256() throws {
        // FIPS 180-2, appendix B.1: "abc".
        let images = ImageSet(count: 2, channels: 3, height: 1, width: 1, pixels: Array("abcabd".utf8))
        let catalogue = try Catalogue(name: "abc", images: images)
        let published = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        #expect(catalogue.imageHashes[0].description == published)
        #expect(catalogue.imageHashes[0] != catalogue.imageHashes[1])
        #expect(Digest256(bytes: catalogue.imageHashes[1].bytes) == catalogue.imageHashes[1])
    }

    @Test func hashCoversShapeImagesAndLabelsButNotTheName() throws {
        let pixels = randomBytes(24)
        func make(
            _ name: String = "a", height: Int = 2, pixels: [UInt8], labels: [Int]? = [0, 1], classes: Int? = nil
        ) throws -> Digest256 {
            let images = ImageSet(count: 2, channels: 1, height: height, width: 12 / height, pixels: pixels)
            return try Catalogue(name: name, images: images, labels: labels, classCount: classes).hash
        }
        let hash = try make(pixels: pixels)
        #expect(try make("b", pixels: pixels) == hash)
        var others = [
            try make(height: 3, pixels: pixels), try make(pixels: pixels, labels: [1, 0]),
            try make(pixels: pixels, labels: nil), try make(pixels: pixels, classes: 3),
            try make(pixels: Array(pixels.reversed())),
        ]
        others.append(hash)
        #expect(Set(others).count == others.count)
    }

    @Test func labelsAreChecked() {
        let images = ImageSet(count: 2, channels: 1, height: 1, width: 1, pixels: [1, 2])
        expectError(.labelCountMismatch, naming: ["set", "expected 2", "found 3"]) {
            try Catalogue(name: "set", images: images, labels: [0, 1, 2])
        }
        expectError(.labelOutOfRange, naming: ["set", "image 1", "found -1"]) {
            try Catalogue(name: "set", images: images, labels: [0, -1])
        }
        expectError(.labelOutOfRange, naming: ["set", "image 0", "0..<2", "found 2"]) {
            try Catalogue(name: "set", images: images, labels: [2, 1], classCount: 2)
        }
    }

    @Test func subsetsKeepTheGivenOrder() {
        let images = ImageSet(count: 3, channels: 1, height: 1, width: 2, pixels: [1, 2, 3, 4, 5, 6])
        #expect(images.subset([2, 0, 2]).pixels == [5, 6, 1, 2, 5, 6])
        #expect(images.subset([]).count == 0)
    }
}
