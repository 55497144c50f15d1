/// The IDX format of MNIST and Fashion-MNIST: two zero bytes, a type, the number of dimensions, the dimensions as
/// big-endian 32-bit integers, then the elements; plain or inside gzip, told apart by content.
enum IDX {
    /// Reads images: `(N, H, W)` with magic number 0x00000803, or `(N, C, H, W)` with 0x00000804, unsigned bytes.
    ///
    /// - Throws: `DatasetError`.
    static func readImages(_ path: String) throws -> ImageSet {
        let (dimensions, bytes) = try read(path, dimensionCounts: [3, 4], what: "images")
        let channels = dimensions.count == 4 ? dimensions[1] : 1
        guard channels == 1 || channels == 3 else {
            throw DatasetError(
                .badDimensions, path, "wrong number of channels in dimensions (N, C, H, W)", expected: "C of 1 or 3",
                found: "\(channels) in \(dimensions)",
                advice: "Write the images with the channels before height and width")
        }
        return ImageSet(
            count: dimensions[0], channels: channels, height: dimensions[dimensions.count - 2],
            width: dimensions[dimensions.count - 1], pixels: bytes)
    }

    /// Reads labels: `(N)` with magic number 0x00000801, unsigned bytes.
    ///
    /// - Throws: `DatasetError`.
    static func readLabels(_ path: String) throws -> [Int] {
        try read(path, dimensionCounts: [1], what: "labels").bytes.map(Int.init)
    }

    private static func read(
        _ path: String, dimensionCounts: Set<Int>, what: String
    ) throws -> (dimensions: [Int], bytes: [UInt8]) {
        let file = try InputFile(path)
        let isGzip = try file.read(2) == [0x1F, 0x8B]
        try file.rewind()
        let input: any ByteInput = isGzip ? GzipInput(file) : file
        let dimensions = try readHeader(input, path: path, dimensionCounts: dimensionCounts, what: what)
        let size = try promisedSize(dimensions, path: path)
        // Deflate packs at most 1032 : 1, so a header that promises more lies; refused before memory is taken.
        let mostPossible = isGzip ? file.size * 1032 : file.size
        guard size <= mostPossible else {
            throw DatasetError(
                .truncated, path, "the file is too short for the dimensions \(dimensions) in its header",
                expected: "\(size) bytes of \(what)", found: "a \(isGzip ? "gzip " : "")file of \(file.size) bytes",
                advice: "Fetch the file again")
        }
        let bytes = try input.read(size)
        guard bytes.count == size else {
            throw DatasetError(
                .truncated, path, "the data ends too early", expected: "\(size) bytes for dimensions \(dimensions)",
                found: "\(bytes.count) bytes", advice: "Fetch the file again")
        }
        // Asking for one byte more also makes gzip check its checksum and length.
        guard try input.read(1).isEmpty else {
            throw DatasetError(
                .trailingData, path, "bytes follow the last of the \(what)",
                expected: "\(size) bytes for dimensions \(dimensions)", found: "more",
                advice: "The header or the file is wrong: fetch the file again")
        }
        return (dimensions, bytes)
    }

    private static func readHeader(
        _ input: any ByteInput, path: String, dimensionCounts: Set<Int>, what: String
    ) throws -> [Int] {
        let wanted = dimensionCounts.sorted().map { "0x0000080\($0)" }.joined(separator: " or ")
        let magic = try input.read(4)
        guard magic.count == 4 else { throw shortHeader(path, what) }
        guard magic[0] == 0, magic[1] == 0, magic[2] == 8, dimensionCounts.contains(Int(magic[3])) else {
            let found = "0x" + magic.map { hexadecimal($0).dropFirst(2) }.joined()
            throw DatasetError(
                .wrongMagic, path, "not an IDX file of \(what)", expected: "magic number \(wanted)", found: found,
                advice: magic[0] == 0 && magic[1] == 0
                    ? "Check that the paths of images and labels are not exchanged"
                    : "Give an IDX file of unsigned bytes, plain or gzip")
        }
        let count = Int(magic[3])
        let bytes = try input.read(4 * count)
        guard bytes.count == 4 * count else { throw shortHeader(path, what) }
        return (0..<count).map { index in
            bytes[4 * index..<4 * index + 4].reduce(0) { $0 << 8 | Int($1) }
        }
    }

    private static func shortHeader(_ path: String, _ what: String) -> DatasetError {
        DatasetError(
            .truncated, path, "the file ends inside its header", expected: "an IDX file of \(what)",
            found: "too few bytes for a header", advice: "Fetch the file again")
    }

    private static func promisedSize(_ dimensions: [Int], path: String) throws -> Int {
        var size = 1
        for dimension in dimensions {
            let (product, overflows) = size.multipliedReportingOverflow(by: dimension)
            guard dimension > 0, !overflows else {
                throw DatasetError(
                    .badDimensions, path, "impossible dimensions in the header",
                    expected: "each at least 1 and their product below 2^63", found: "\(dimensions)",
                    advice: "The header is damaged or the set empty: fetch the file again")
            }
            size = product
        }
        return size
    }
}
