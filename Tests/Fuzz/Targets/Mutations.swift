/// Changes of an honest file as damage and malice make them, the same every time: bits, bytes, sizes, gaps, and pieces put
/// in.
public struct Mutations: Sequence, IteratorProtocol {
    private let seed: [UInt8]
    private var state: UInt64 = 7
    private var left: Int

    /// Prepares some mutations.
    ///
    /// - Parameters:
    ///   - seed: The honest file.
    ///   - count: How many are wanted.
    public init(of seed: [UInt8], count: Int) {
        self.seed = seed
        left = count
    }

    private mutating func random(_ limit: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(truncatingIfNeeded: state >> 33) % Swift.max(limit, 1)
    }

    /// The file with one to four changes.
    public mutating func next() -> [UInt8]? {
        guard left > 0 else { return nil }
        left -= 1
        var bytes = seed
        for _ in 0...random(4) where !bytes.isEmpty {
            let place = random(bytes.count)
            switch random(5) {
            case 0: bytes[place] = UInt8(random(256))
            case 1: bytes[place] ^= 1 << UInt8(random(8))
            case 2:
                let end = Swift.min(place + 4, bytes.count)
                bytes.replaceSubrange(place..<end, with: [255, 255, 255, 255])
            case 3: bytes.removeSubrange(place..<Swift.min(place + 1 + random(8), bytes.count))
            default: bytes.insert(contentsOf: seed.prefix(random(64)), at: place)
            }
        }
        return bytes
    }
}
