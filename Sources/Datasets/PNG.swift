import CPNG

/// PNG files of 8-bit gray or RGB images, without time stamps, so that equal images make equal files.
///
/// This file is the one place of the module that calls libpng. Its simplified interface catches libpng's long jumps
/// inside the library, so that none crosses Swift.
public enum PNG {
    /// An image as the bytes of a PNG file.
    ///
    /// - Parameters:
    ///   - images: The set that holds the image; 1 or 3 channels.
    ///   - index: Which image.
    /// - Throws: `DatasetError` of kind `unsupportedShape`.
    public static func encoded(_ images: ImageSet, index: Int = 0) throws -> [UInt8] {
        guard images.channels == 1 || images.channels == 3 else {
            throw unsupported(images, expected: "1 or 3 channels", found: "\(images.channels)")
        }
        guard let width = UInt32(exactly: images.width), let height = UInt32(exactly: images.height),
            images.bytesPerImage < Int(Int32.max)
        else { throw unsupported(images, expected: "less than 2 GiB", found: "\(images.bytesPerImage) bytes") }
        var image = png_image()
        image.version = UInt32(PNG_IMAGE_VERSION)
        image.width = width
        image.height = height
        image.format = images.channels == 1 ? 0 : UInt32(PNG_FORMAT_FLAG_COLOR)
        let rows = images.interleaved(index)
        var size = 0
        guard png_image_write_to_memory(&image, nil, &size, 0, rows, 0, nil) != 0 else {
            throw unsupported(images, expected: "an image that libpng writes", found: message(of: image))
        }
        var bytes = [UInt8](repeating: 0, count: size)
        guard png_image_write_to_memory(&image, &bytes, &size, 0, rows, 0, nil) != 0 else {
            throw unsupported(images, expected: "an image that libpng writes", found: message(of: image))
        }
        return bytes
    }

    /// Writes an image to a file, whole or not at all.
    ///
    /// - Parameters:
    ///   - images: The set that holds the image; 1 or 3 channels.
    ///   - index: Which image.
    ///   - path: Where to; an older file is replaced.
    /// - Throws: `DatasetError` of kinds `unsupportedShape`, `unwritableFile`.
    public static func write(_ images: ImageSet, index: Int = 0, to path: String) throws {
        try Files.writeAtomically(encoded(images, index: index), to: path)
    }

    private static func message(of image: png_image) -> String {
        withUnsafeBytes(of: image.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    private static func unsupported(_ images: ImageSet, expected: String, found: String) -> DatasetError {
        DatasetError(
            .unsupportedShape, "PNG", "cannot hold images of \(images.width) x \(images.height) pixels",
            expected: expected, found: found, advice: "Write fewer or smaller images")
    }
}
