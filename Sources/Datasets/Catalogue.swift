/// A data set in memory: its images, its labels, and a hash of each image and of the whole.
public struct Catalogue: Sendable {
    /// What to call the set in reports; not part of `hash`, since a renamed file is the same data.
    public let name: String
    /// The images, planar bytes.
    public let images: ImageSet
    /// The class of each image in 0..<classCount, if the set has labels.
    public let labels: [Int]?
    /// The number of classes; 0 without labels.
    public let classCount: Int
    /// The SHA-256 of each image over its C * H * W bytes.
    public let imageHashes: [Digest256]
    /// The SHA-256 over shape, image hashes, class count and labels: equal exactly when the data is.
    public let hash: Digest256

    /// The number of images, N.
    public var count: Int { images.count }
    /// The number of channels, C.
    public var channels: Int { images.channels }
    /// The height, H, in pixels.
    public var height: Int { images.height }
    /// The width, W, in pixels.
    public var width: Int { images.width }
    /// The pixels, N * C * H * W bytes, planar.
    public var pixels: [UInt8] { images.pixels }

    /// Makes a catalogue and hashes it.
    ///
    /// - Parameters:
    ///   - name: What to call the set; in errors, too.
    ///   - images: The images.
    ///   - labels: The class of each image, if there are any.
    ///   - classCount: The number of classes; without it, one more than the largest label.
    /// - Throws: `DatasetError` if labels differ in number from the images or lie outside the classes.
    public init(name: String, images: ImageSet, labels: [Int]? = nil, classCount: Int? = nil) throws {
        if let labels { try Self.check(labels, count: images.count, classCount: classCount, name: name) }
        self.name = name
        self.images = images
        self.labels = labels
        self.classCount = labels.map { classCount ?? ($0.max() ?? -1) + 1 } ?? 0
        imageHashes = Digest256.ofImages(images)
        hash = Self.hash(images: images, imageHashes: imageHashes, labels: labels, classCount: self.classCount)
    }

    private static func check(_ labels: [Int], count: Int, classCount: Int?, name: String) throws {
        guard labels.count == count else {
            throw DatasetError(
                .labelCountMismatch, name, "images and labels differ in number", expected: "\(count) labels",
                found: "\(labels.count)", advice: "Give the labels that belong to these images")
        }
        let limit = classCount ?? Int.max
        if let index = labels.firstIndex(where: { $0 < 0 || $0 >= limit }) {
            throw DatasetError(
                .labelOutOfRange, name, "the label of image \(index) is out of range",
                expected: classCount.map { "a class in 0..<\($0)" } ?? "a class of 0 or more",
                found: "\(labels[index])", advice: "Correct the labels, or the number of classes in the job file",
                images: [index])
        }
    }

    private static func hash(
        images: ImageSet, imageHashes: [Digest256], labels: [Int]?, classCount: Int
    ) -> Digest256 {
        var bytes = Array("diptych catalogue 1\n".utf8)
        func append(_ value: Int) {
            for shift in stride(from: 0, to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
        }
        for value in [images.count, images.channels, images.height, images.width] { append(value) }
        for hash in imageHashes { bytes += hash.bytes }
        append(labels?.count ?? -1)
        append(classCount)
        for label in labels ?? [] { append(label) }
        return Digest256.of(bytes)
    }
}
