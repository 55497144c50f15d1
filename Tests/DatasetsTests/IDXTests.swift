import Datasets
import Testing

@Suite struct IDXTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func load(_ images: [UInt8], labels: [UInt8]? = nil, classCount: Int? = nil) throws -> Catalogue {
        try Catalogue.load(
            DataSource(
                reader: .idx, images: try directory.file("images", images),
                labels: try labels.map { try directory.file("labels", $0) }, classCount: classCount))
    }

    @Test func fashionMNISTIsReadWhole() throws {
        let catalogue = try Fashion.catalogue()
        #expect(catalogue.name == "train-images-idx3-ubyte")
        #expect(shape(catalogue.images) == [60_000, 1, 28, 28])
        #expect(catalogue.classCount == 10)
        let labels = try #require(catalogue.labels)
        #expect(labels.prefix(10) == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5])
        for label in 0..<10 { #expect(labels.count { $0 == label } == 6_000) }
        // Of the file as Zalando published it, by `zcat | tail -c +17 | head -c 784 | sha256sum`.
        let sums = try python(
            """
            import gzip, hashlib, sys
            data = gzip.open(sys.argv[1]).read()[16:]
            print(hashlib.sha256(data[:784]).hexdigest(), hashlib.sha256(data[-784:]).hexdigest())
            """, Fashion.training.images)
        #expect("\(catalogue.imageHashes[0]) \(catalogue.imageHashes[59_999])" == sums)
    }

    @Test func gzipIsTheSameAsPlain() throws {
        let pixels = randomBytes(70_000 * 4)
        let plain = idx([70_000, 2, 2], pixels)
        let labels = idx([70_000], randomBytes(70_000))
        let first = try load(plain, labels: labels)
        let second = try load(gzip(plain), labels: gzip(labels))
        #expect(first.hash == second.hash)
        #expect(second.pixels == pixels)
        // Two members in one file count as one stream (RFC 1952).
        let third = try load(gzip(Array(plain.prefix(99))) + gzip(Array(plain.dropFirst(99))), labels: labels)
        #expect(third.hash == first.hash)
    }

    @Test func fourDimensionsAreChannelsHeightWidth() throws {
        let pixels = randomBytes(2 * 3 * 4 * 5)
        let catalogue = try load(idx([2, 3, 4, 5], pixels))
        #expect(shape(catalogue.images) == [2, 3, 4, 5])
        #expect(catalogue.pixels == pixels)
        #expect(catalogue.labels == nil)
        #expect(catalogue.classCount == 0)
        expectError(.badDimensions, naming: ["images", "1 or 3", "2 in [2, 2, 4, 5]"]) {
            try load(idx([2, 2, 4, 5], randomBytes(80)))
        }
    }

    @Test func missingFileNamesTheDebianPackage() {
        expectError(.missingFile, naming: ["/usr/share/datasets/fashion-mnist/nothing", "dataset-fashion-mnist"]) {
            try Catalogue.load(DataSource(reader: .idx, images: Fashion.directory + "nothing"))
        }
        expectError(.missingFile, naming: [directory.path + "/nothing", "Correct the path"]) {
            try Catalogue.load(DataSource(reader: .idx, images: directory.path + "/nothing"))
        }
        expectError(.unreadableFile, naming: [directory.path, "not a regular file"]) {
            try Catalogue.load(DataSource(reader: .idx, images: directory.path))
        }
    }

    @Test func wrongMagicIsNamed() {
        expectError(.wrongMagic, naming: ["/images", "0x00000803", "found 0x00000801", "exchanged"]) {
            try load(idx([4], [1, 2, 3, 4]))
        }
        expectError(.wrongMagic, naming: ["/images", "found 0x89504e47"]) {
            try load([0x89, 0x50, 0x4E, 0x47] + randomBytes(100))
        }
        expectError(.wrongMagic, naming: ["/labels", "0x00000801", "found 0x00000803"]) {
            try load(idx([1, 1, 1], [7]), labels: idx([1, 1, 1], [7]))
        }
    }

    @Test(arguments: [0, 3, 4, 15]) func shortHeaderIsTruncated(_ length: Int) {
        let bytes = Array(idx([3, 2, 2], randomBytes(12)).prefix(length))
        expectError(.truncated, naming: ["/images", "header"]) { try load(bytes) }
        expectError(.truncated, naming: ["/images", "header"]) { try load(gzip(bytes)) }
    }

    @Test func truncatedDataIsNamed() {
        let whole = idx([100, 20, 20], randomBytes(40_000))
        expectError(.truncated, naming: ["/images", "expected 40000 bytes", "[100, 20, 20]", "found 39999 bytes"]) {
            try load(Array(whole.dropLast()))
        }
        expectError(.truncated, naming: ["/images", "expected 40000 bytes", "found 39999 bytes"]) {
            try load(gzip(Array(whole.dropLast())))
        }
        let packed = gzip(whole)
        for length in [20, packed.count / 2, packed.count - 9, packed.count - 1] {
            expectError(.truncated, naming: ["/images", "gzip data ends in the middle", "\(length) bytes"]) {
                try load(Array(packed.prefix(length)))
            }
        }
    }

    @Test func damagedGzipIsNoticed() {
        var packed = gzip(idx([10, 20, 20], randomBytes(4_000)))
        packed[packed.count / 2] ^= 1
        expectError(.damaged, naming: ["/images", "incorrect data check"]) { try load(packed) }
        packed[packed.count / 2] ^= 1
        packed[packed.count - 1] ^= 1
        expectError(.damaged, naming: ["/images", "incorrect length check"]) { try load(packed) }
        packed[packed.count - 1] ^= 1
        packed[11] ^= 1
        expectError(.damaged, naming: ["/images", "stored block lengths"]) { try load(packed) }
    }

    @Test func trailingDataIsAnError() {
        let whole = idx([10, 2, 2], randomBytes(40))
        expectError(.trailingData, naming: ["/images", "expected 40 bytes"]) { try load(whole + [0]) }
        expectError(.trailingData, naming: ["/images", "expected 40 bytes"]) { try load(gzip(whole + [0])) }
        expectError(.trailingData, naming: ["/images", "end of the gzip data", "0x07"]) { try load(gzip(whole) + [7]) }
    }

    @Test func unbelievableDimensionsTakeNoMemory() {
        let large = 0xFFFF_FFFF
        expectError(.badDimensions, naming: ["/images", "4294967295, 4294967295, 4294967295"]) {
            try load(idx([large, large, large], randomBytes(100)))
        }
        expectError(.badDimensions, naming: ["/images", "[0, 2, 2]"]) { try load(idx([0, 2, 2], [])) }
        // Just below 2^62 bytes from a file of a hundred.
        for bytes in [idx([large, large / 4, 1], randomBytes(100)), gzip(idx([large, 1_000, 1], randomBytes(100)))] {
            expectError(.truncated, naming: ["/images", "too short for the dimensions [4294967295"]) {
                try load(bytes)
            }
        }
    }

    @Test func labelsMustFitTheImages() {
        let images = idx([4, 1, 1], [1, 2, 3, 4])
        expectError(.labelCountMismatch, naming: ["/labels", "expected 4 labels", "/images", "found 3"]) {
            try load(images, labels: idx([3], [0, 1, 2]))
        }
        expectError(.labelOutOfRange, naming: ["/labels", "image 2", "0..<3", "found 3"]) {
            try load(images, labels: idx([4], [0, 1, 3, 2]), classCount: 3)
        }
    }
}
