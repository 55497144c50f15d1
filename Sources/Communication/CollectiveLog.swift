/// The collectives that one rank has called on a communicator, so that ranks can compare notes.
struct CollectiveLog {
    /// What a rank says before a collective.
    struct Record: Hashable {
        /// The number of collectives called before.
        var number: UInt64 = 0
        /// A hash over all calls up to and with this one.
        var history: UInt64 = 0xcbf2_9ce4_8422_2325
        /// The call, with its root or color count where it has one.
        var operation = ""
    }

    /// Bytes of a record: two numbers and 48 bytes of text.
    static let recordBytes = 64

    private(set) var current = Record()

    /// Notes a call. Calls that do not wait, such as the making of an exchange, are compared with the next that does.
    mutating func note(_ operation: String) {
        current.number += 1
        current.operation = operation
        for byte in operation.utf8 {  // FNV-1a
            current.history = (current.history ^ UInt64(byte)) &* 0x100_0000_01b3
        }
    }

    /// What the ranks disagree on, or nil if all called the same.
    static func disagreement(among records: [Record]) -> String? {
        guard let first = records.first, records.contains(where: { $0 != first }) else { return nil }
        let calls = records.enumerated().map { rank, record in
            "rank \(rank) called \(record.operation) as number \(record.number)"
        }
        let sameCall = records.allSatisfy { $0.operation == first.operation && $0.number == first.number }
        return "the ranks must call the same collectives in the same order: \(calls.joined(separator: ", "))"
            + (sameCall ? "; an earlier call differed" : "")
    }
}

extension CollectiveLog.Record {
    /// The record in `CollectiveLog.recordBytes` bytes.
    var encoded: [UInt8] {
        let text = Array(operation.utf8.prefix(CollectiveLog.recordBytes - 16))
        return bytes(of: number) + bytes(of: history) + text
            + [UInt8](repeating: 0, count: CollectiveLog.recordBytes - 16 - text.count)
    }

    /// Reads a record that `encoded` wrote.
    init(encoded: ArraySlice<UInt8>) {
        number = word(in: encoded, at: 0)
        history = word(in: encoded, at: 1)
        operation = String(decoding: encoded.dropFirst(16).prefix { $0 != 0 }, as: UTF8.self)
    }
}

/// The eight bytes of a number, the lowest first.
func bytes(of word: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * UInt64($0))) }
}

/// The number in the eight bytes at `8 * index`.
func word(in bytes: ArraySlice<UInt8>, at index: Int) -> UInt64 {
    let start = bytes.startIndex + 8 * index
    return (0..<8).reduce(0) { $0 | UInt64(bytes[start + $1]) << (8 * UInt64($1)) }
}
