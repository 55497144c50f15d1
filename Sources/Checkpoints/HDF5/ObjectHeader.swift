/// The header of an object in an HDF5 file, read without libhdf5.
///
/// When libhdf5 1.10.8 opens a dataset whose elements are in other files, it reads their names without a bound; of a virtual
/// layout it goes to the files when it is asked for the shape. So both must be known before. (HDF5 File Format Specification
/// 3.0, IV.A.1, IV.A.2.h and IV.A.2.i.)
struct ObjectHeader {
    /// Bytes of the file from an offset on: as many as asked for, fewer at its end, nil when they cannot be read.
    let read: (_ offset: Int, _ count: Int) -> [UInt8]?

    /// Messages of an object are in a few blocks; what has more is not ours.
    private static let mostBlocks = 256
    private static let mostBytes = 1 << 20

    private struct Block {
        var offset: Int
        var count: Int
    }

    /// Whether the header can be followed to its end, names no other files, and no layout but those of a plain file: compact,
    /// contiguous or chunked.
    ///
    /// - Parameter address: Where it begins.
    func isPlain(at address: Int) -> Bool {
        guard let prefix = read(address, 40), prefix.count >= 16 else { return false }
        let isNew = prefix.starts(with: Array("OHDR".utf8))
        guard let first = isNew ? Self.newBlock(prefix, address) : Self.oldBlock(prefix, address) else { return false }
        var blocks = [first]
        var next = 0
        while next < blocks.count {
            guard blocks.count <= Self.mostBlocks, blocks[next].count <= Self.mostBytes,
                let bytes = read(blocks[next].offset, blocks[next].count), bytes.count == blocks[next].count,
                let more = follow(bytes, isNew: isNew, sizeOfMessageHeader: isNew ? (prefix[5] & 4 == 0 ? 4 : 6) : 8)
            else { return false }
            blocks += more
            next += 1
        }
        return true
    }

    /// The first block of a header of version 1, behind its prefix.
    private static func oldBlock(_ prefix: [UInt8], _ address: Int) -> Block? {
        prefix[0] == 1 ? Block(offset: address + 16, count: number(prefix, 8, bytes: 4) ?? 0) : nil
    }

    /// The same of version 2, whose prefix has times, limits and a size of one to eight bytes.
    private static func newBlock(_ prefix: [UInt8], _ address: Int) -> Block? {
        let flags = prefix[5]
        let place = 6 + (flags & 0x20 == 0 ? 0 : 16) + (flags & 0x10 == 0 ? 0 : 4)
        let width = 1 << Int(flags & 3)
        guard prefix[4] == 2, let count = number(prefix, place, bytes: width) else { return nil }
        return Block(offset: address + place + width, count: count)
    }

    /// Looks at the messages of a block.
    ///
    /// - Returns: The blocks that it names; nil when a message is not as it should be, or one of external files.
    private func follow(_ bytes: [UInt8], isNew: Bool, sizeOfMessageHeader: Int) -> [Block]? {
        var blocks: [Block] = []
        var place = 0
        // In version 2 a gap that is smaller than a message may be left at the end.
        while place + sizeOfMessageHeader <= bytes.count {
            let type = isNew ? Int(bytes[place]) : Self.number(bytes, place, bytes: 2)
            let flags = bytes[place + (isNew ? 3 : 4)]
            guard let type, let size = Self.number(bytes, place + (isNew ? 1 : 2), bytes: 2) else { return nil }
            let start = place + sizeOfMessageHeader
            guard start + size <= bytes.count else { return nil }
            let message = Array(bytes[start..<start + size])
            switch type {
            case 0x07: return nil
            case 0x08:
                guard flags & 2 == 0, Self.isPlainLayout(message) else { return nil }
            case 0x10:
                guard let offset = Self.number(message, 0, bytes: 8), let count = Self.number(message, 8, bytes: 8)
                else { return nil }
                // In version 2 between a signature and a checksum.
                let edge = isNew ? 4 : 0
                guard count >= 2 * edge, count <= Self.mostBytes else { return nil }
                blocks.append(Block(offset: offset + edge, count: count - 2 * edge))
            default: break
            }
            place = start + size
        }
        return blocks
    }

    private static func isPlainLayout(_ message: [UInt8]) -> Bool {
        guard message.count >= 3 else { return false }
        switch message[0] {
        case 1, 2: return message[2] <= 2
        case 3, 4: return message[1] <= 2
        default: return false
        }
    }

    /// A little-endian number; nil when it is not there, or beyond what a file can have.
    private static func number(_ bytes: [UInt8], _ place: Int, bytes count: Int) -> Int? {
        guard place + count <= bytes.count else { return nil }
        let value = bytes[place..<place + count].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return value < 1 << 62 ? Int(value) : nil
    }
}
