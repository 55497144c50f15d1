import Datasets
import Foundation
import Testing

@Suite struct OutputTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// Reads a PNG file with nothing but zlib: chunk types, size, colour type, and the pixels after undoing filters.
    private static let reader = """
        import struct, sys, zlib
        data = open(sys.argv[1], 'rb').read()
        assert data[:8] == b'\\x89PNG\\r\\n\\x1a\\n'
        position, types, packed = 8, [], b''
        while position < len(data):
            length, kind = struct.unpack('>I4s', data[position:position + 8])
            body = data[position + 8:position + 8 + length]
            assert struct.unpack('>I', data[position + 8 + length:position + 12 + length])[0] == zlib.crc32(kind + body)
            types.append(kind.decode()); position += 12 + length
            if kind == b'IHDR': width, height, depth, colour = struct.unpack('>IIBB', body[:10])
            if kind == b'IDAT': packed += body
        samples = {0: 1, 2: 3}[colour]
        raw, stride = zlib.decompress(packed), width * samples
        above, pixels = bytes(stride), b''
        for y in range(height):
            method, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
            for x in range(stride):
                a = line[x - samples] if x >= samples else 0
                b, c = above[x], above[x - samples] if x >= samples else 0
                p = a + b - c
                nearest = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
                line[x] = (line[x] + [0, a, b, (a + b) // 2, nearest][method]) & 255
            above = bytes(line); pixels += above
        print(width, height, depth, colour, 'tIME' in types, pixels.hex())
        """

    /// An image's channels side by side, pixel by pixel.
    private func interleaved(_ images: ImageSet, _ index: Int) -> [UInt8] {
        let start = images.range(of: index).lowerBound
        let plane = images.height * images.width
        var bytes: [UInt8] = []
        for position in 0..<plane {
            for channel in 0..<images.channels { bytes.append(images.pixels[start + channel * plane + position]) }
        }
        return bytes
    }

    private func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { String(format: "%02x", $0) }.joined()
    }

    @Test func grayAndColourPNGsAreReadBack() throws {
        let gray = try Fashion.testCatalogue().images.subset([17])
        try PNG.write(gray, to: directory.path + "/gray.png")
        #expect(
            try python(Self.reader, directory.path + "/gray.png") == "28 28 8 0 False \(hexadecimal(gray.pixels))")
        let planes = randomBytes(2 * 3 * 3 * 5)
        let colours = ImageSet(count: 2, channels: 3, height: 3, width: 5, pixels: planes)
        try PNG.write(colours, index: 1, to: directory.path + "/colour.png")
        #expect(
            try python(Self.reader, directory.path + "/colour.png")
                == "5 3 8 2 False \(hexadecimal(interleaved(colours, 1)))")
        #expect(try PNG.encoded(colours, index: 1) == PNG.encoded(colours, index: 1))
        let written = try Data(contentsOf: URL(fileURLWithPath: directory.path + "/colour.png"))
        #expect(try [UInt8](written) == PNG.encoded(colours, index: 1))
        expectError(.unsupportedShape, naming: ["PNG", "1 or 3", "found 2"]) {
            try PNG.encoded(ImageSet(count: 1, channels: 2, height: 1, width: 1, pixels: [1, 2]))
        }
    }

    @Test func gridsPlaceImagesRowByRow() {
        let images = ImageSet(count: 3, channels: 1, height: 1, width: 2, pixels: [1, 2, 3, 4, 5, 6])
        let plain = ImageGrid(columns: 2, gap: 1, background: 9, magnification: 1).compose(images)
        #expect(shape(plain) == [1, 1, 5, 7])
        #expect(
            plain.pixels == [
                9, 9, 9, 9, 9, 9, 9,
                9, 1, 2, 9, 3, 4, 9,
                9, 9, 9, 9, 9, 9, 9,
                9, 5, 6, 9, 9, 9, 9,
                9, 9, 9, 9, 9, 9, 9,
            ])
        let large = ImageGrid(columns: 5, gap: 0, magnification: 2).compose(images)
        #expect(shape(large) == [1, 1, 2, 12])
        #expect(Array(large.pixels.prefix(12)) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6])
        #expect(Array(large.pixels.suffix(12)) == Array(large.pixels.prefix(12)))
        let square = ImageGrid(gap: 2).compose(
            ImageSet(count: 64, channels: 3, height: 28, width: 28, pixels: randomBytes(64 * 3 * 784)))
        #expect(shape(square) == [1, 3, 466, 466])
    }

    @Test(arguments: NPZ.Compression.allCases) func archivesAreReadByPythonsZipfile(
        _ compression: NPZ.Compression
    ) throws {
        let images = ImageSet(count: 4, channels: 3, height: 5, width: 6, pixels: randomBytes(360))
        let path = directory.path + "/samples.npz"
        try NPZ.write(images, labels: [3, 1, 4, 1], to: path, compression: compression)
        let found = try python(
            """
            import ast, struct, sys, zipfile
            archive = zipfile.ZipFile(sys.argv[1])
            assert archive.testzip() is None
            for entry in archive.infolist():
                data = archive.read(entry)
                assert data[:8] == b'\\x93NUMPY\\x01\\x00'
                length = struct.unpack('<H', data[8:10])[0]
                assert (10 + length) % 64 == 0 and data[9 + length:10 + length] == b'\\n'
                header = ast.literal_eval(data[10:10 + length].decode())
                print(entry.filename, entry.compress_type, entry.date_time[0], header['descr'],
                      header['fortran_order'], header['shape'], data[10 + length:].hex())
            """, path)
        let method = compression == .stored ? 0 : 8
        let pixels = (0..<4).flatMap { interleaved(images, $0) }
        let labels = [3, 1, 4, 1].map { "0\($0)00000000000000" }.joined()
        #expect(
            found.split(separator: "\n").map(String.init) == [
                "arr_0.npy \(method) 1980 |u1 False (4, 5, 6, 3) \(hexadecimal(pixels))",
                "arr_1.npy \(method) 1980 <i8 False (4,) \(labels)",
            ])
        #expect(try NPZ.encoded(images) == NPZ.encoded(images))
    }

    @Test func unwritableFilesAreNamedAndNothingIsLeft() throws {
        let images = try Fashion.testCatalogue().images.subset([0])
        expectError(.unwritableFile, naming: ["/nowhere/grid.png", "No such file"]) {
            try PNG.write(images, to: directory.path + "/nowhere/grid.png")
        }
        // A directory in the way makes the last step, the renaming, fail.
        let path = directory.path + "/taken.npz"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        expectError(.unwritableFile, naming: [path, "directory"]) { try NPZ.write(images, to: path) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["taken.npz"])
    }
}
