import CZlib

/// The bytes inside a gzip file, unpacked as they are asked for, so that a small file cannot fill the memory.
///
/// Several members in one file follow each other, as RFC 1952 says; anything else behind a member is an error.
/// This file is the one place of the module that calls zlib.
final class GzipInput: ByteInput {
    private let file: InputFile
    private var stream = z_stream()
    private var input: [UInt8] = []
    private var position = 0
    private var isFinished = false
    private static let chunk = 1 << 18

    /// - Parameter file: A file whose first bytes are those of gzip, at its beginning.
    init(_ file: InputFile) {
        self.file = file
        // 16 more than the largest window: gzip's frame, whose checksum and length zlib then verifies.
        let status = inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, CInt(MemoryLayout<z_stream>.size))
        precondition(status == Z_OK, "zlib could not start: \(status)")
    }

    deinit { inflateEnd(&stream) }

    func read(_ count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        // What is asked for may not be there: memory follows what has been unpacked.
        while bytes.count < count && !isFinished {
            bytes += try piece(min(count - bytes.count, max(bytes.count, Self.chunk)))
        }
        return bytes
    }

    private func piece(_ count: Int) throws -> [UInt8] {
        var failure: (any Error)?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            do {
                while filled < count && !isFinished {
                    try refill()
                    filled += try unsafeInflate(into: buffer.baseAddress! + filled, capacity: count - filled)
                }
            } catch { failure = error }
        }
        if let failure { throw failure }
        return bytes
    }

    private func refill() throws {
        guard position == input.count else { return }
        input = try file.read(Self.chunk)
        position = 0
        if input.isEmpty {
            throw DatasetError(
                .truncated, file.path, "the gzip data ends in the middle",
                expected: "a complete gzip file", found: "the end of the file after \(file.size) bytes",
                advice: "The download or copy was cut short: fetch the file again")
        }
    }

    private func unsafeInflate(into output: UnsafeMutablePointer<UInt8>, capacity: Int) throws -> Int {
        let room = UInt32(min(capacity, 1 << 30))
        let available = UInt32(input.count - position)
        let status = input.withUnsafeMutableBufferPointer { buffer in
            stream.next_in = buffer.baseAddress! + position
            stream.avail_in = available
            stream.next_out = output
            stream.avail_out = room
            return inflate(&stream, Z_NO_FLUSH)
        }
        position += Int(available - stream.avail_in)
        switch status {
        case Z_OK, Z_BUF_ERROR: break
        case Z_STREAM_END: try finishMember()
        default:
            throw DatasetError(
                .damaged, file.path, "the gzip data is damaged", expected: "valid data with a matching checksum",
                found: stream.msg.map { String(cString: $0) } ?? "zlib's code \(status)",
                advice: "Fetch the file again, and check the disk if it happens again")
        }
        return Int(room - stream.avail_out)
    }

    private func finishMember() throws {
        if position == input.count { (input, position) = (try file.read(Self.chunk), 0) }
        if input.isEmpty {
            isFinished = true
            return
        }
        guard input[position] == 0x1F else {
            throw DatasetError(
                .trailingData, file.path, "bytes follow the end of the gzip data", expected: "the end of the file",
                found: "more bytes, the first \(hexadecimal(input[position]))",
                advice: "The file is not what it seems: fetch it again")
        }
        inflateReset(&stream)
    }
}

/// Compression and checksums of whole arrays.
enum Zlib {
    /// The CRC-32 of zip, gzip and PNG.
    static func checksum(_ bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBufferPointer { UInt32(crc32_z(0, $0.baseAddress, $0.count)) }
    }

    /// Deflates without a frame (RFC 1951), as zip holds it; equal bytes give equal bytes.
    static func deflated(_ bytes: [UInt8]) -> [UInt8] {
        precondition(bytes.count < Int(UInt32.max), "deflate takes less than 4 GiB at once, not \(bytes.count) bytes")
        var stream = z_stream()
        let start = deflateInit2_(
            &stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, CInt(MemoryLayout<z_stream>.size))
        precondition(start == Z_OK, "zlib could not start: \(start)")
        defer { deflateEnd(&stream) }
        let bound = Int(deflateBound(&stream, UInt(bytes.count)))
        var source = bytes
        return [UInt8](unsafeUninitializedCapacity: bound) { output, filled in
            source.withUnsafeMutableBufferPointer { input in
                stream.next_in = input.baseAddress
                stream.avail_in = UInt32(input.count)
                stream.next_out = output.baseAddress
                stream.avail_out = UInt32(bound)
                let status = deflate(&stream, Z_FINISH)
                precondition(status == Z_STREAM_END, "zlib did not finish within its own bound: \(status)")
            }
            filled = bound - Int(stream.avail_out)
        }
    }
}

/// A byte as `0x1f`.
func hexadecimal(_ byte: UInt8) -> String { "0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16) }
