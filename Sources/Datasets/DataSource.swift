/// The file formats of data sets.
public enum Reader: String, Codable, Hashable, Sendable, CaseIterable {
    /// IDX files as MNIST and Fashion-MNIST use them, plain or gzip.
    case idx
}

/// Where a data set lies and how to read it.
public struct DataSource: Codable, Hashable, Sendable {
    /// The file format.
    public var reader: Reader
    /// The path of the images.
    public var images: String
    /// The path of the labels, if there are any.
    public var labels: String?
    /// The number of classes; without it, one more than the largest label.
    public var classCount: Int?

    /// Makes a source; reads nothing.
    ///
    /// - Parameters:
    ///   - reader: The file format.
    ///   - images: The path of the images.
    ///   - labels: The path of the labels, if there are any.
    ///   - classCount: The number of classes, if it is to be held to.
    public init(reader: Reader, images: String, labels: String? = nil, classCount: Int? = nil) {
        self.reader = reader
        self.images = images
        self.labels = labels
        self.classCount = classCount
    }
}

extension Catalogue {
    /// Reads a data set, checks and hashes it.
    ///
    /// The set is called by its images' file name, without directory and `.gz`.
    ///
    /// - Throws: `DatasetError` naming the file.
    public static func load(_ source: DataSource) throws -> Catalogue {
        let images: ImageSet
        let labels: [Int]?
        switch source.reader {
        case .idx:
            images = try IDX.readImages(source.images)
            labels = try source.labels.map(IDX.readLabels)
        }
        try checkLabels(labels, of: images, source: source)
        var name = source.images.split(separator: "/").last.map(String.init) ?? source.images
        if name.hasSuffix(".gz") { name.removeLast(3) }
        return try Catalogue(name: name, images: images, labels: labels, classCount: source.classCount)
    }

    /// The checks of `init`, but naming the files.
    private static func checkLabels(_ labels: [Int]?, of images: ImageSet, source: DataSource) throws {
        guard let labels, let path = source.labels else { return }
        guard labels.count == images.count else {
            throw DatasetError(
                .labelCountMismatch, path, "as many labels as images are needed",
                expected: "\(images.count) labels for \(source.images)", found: "\(labels.count)",
                advice: "Give the labels that belong to these images")
        }
        if let limit = source.classCount, let index = labels.firstIndex(where: { $0 >= limit }) {
            throw DatasetError(
                .labelOutOfRange, path, "the label of image \(index) is out of range",
                expected: "a class in 0..<\(limit)", found: "\(labels[index])",
                advice: "Correct the labels, or the number of classes in the job file", images: [index])
        }
    }
}
