/// The first bytes of an HDF5 file: signature, version, sizes, flags, addresses and their checksum.
///
/// `H5Fget_file_image` clears the flag "open for writing" in its copy but leaves the checksum that was made with the flag
/// set (HDF5 1.10.8, superblock versions 2 and 3): libhdf5 then refuses its own image.
enum Superblock {
    private static let versionOffset = 8
    private static let checksumOffset = 44

    /// Makes the checksum fit the bytes before it.
    static func correctChecksum(_ image: inout [UInt8]) {
        guard image.count >= checksumOffset + 4, [2, 3].contains(image[versionOffset]) else { return }
        let sum = lookup3(image[..<checksumOffset])
        for byte in 0..<4 { image[checksumOffset + byte] = UInt8(truncatingIfNeeded: sum >> (8 * UInt32(byte))) }
    }

    /// Bob Jenkins's hash lookup3 (`hashlittle`, initial value 0), HDF5's checksum of metadata.
    private static func lookup3(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        var a = 0xdead_beef &+ UInt32(bytes.count)
        var (b, c) = (a, a)
        var rest = bytes
        // The last 1 to 12 bytes are mixed in differently.
        while rest.count > 12 {
            a &+= word(rest, 0)
            b &+= word(rest, 1)
            c &+= word(rest, 2)
            a = (a &- c) ^ rotate(c, 4)
            c &+= b
            b = (b &- a) ^ rotate(a, 6)
            a &+= c
            c = (c &- b) ^ rotate(b, 8)
            b &+= a
            a = (a &- c) ^ rotate(c, 16)
            c &+= b
            b = (b &- a) ^ rotate(a, 19)
            a &+= c
            c = (c &- b) ^ rotate(b, 4)
            b &+= a
            rest = rest.dropFirst(12)
        }
        if rest.isEmpty { return c }
        a &+= word(rest, 0)
        b &+= word(rest, 1)
        c &+= word(rest, 2)
        c = (c ^ b) &- rotate(b, 14)
        a = (a ^ c) &- rotate(c, 11)
        b = (b ^ a) &- rotate(a, 25)
        c = (c ^ b) &- rotate(b, 16)
        a = (a ^ c) &- rotate(c, 4)
        b = (b ^ a) &- rotate(a, 14)
        return (c ^ b) &- rotate(b, 24)
    }

    /// Four bytes in little-endian order; those beyond the end are 0.
    private static func word(_ bytes: ArraySlice<UInt8>, _ number: Int) -> UInt32 {
        bytes.dropFirst(4 * number).prefix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }

    private static func rotate(_ value: UInt32, _ count: UInt32) -> UInt32 {
        value << count | value >> (32 - count)
    }
}
