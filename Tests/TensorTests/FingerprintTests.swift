import Tensor
import Testing

@Suite struct FingerprintTests {
    /// Fails when the last words are left out, or a bit is shifted away.
    @Test(arguments: [1, 15, 16, 17, 100]) func everyFlippedBitChangesIt(count: Int) {
        let buffer = FloatBuffer((0..<count).map { Float($0) / 7 - 3 })
        let fingerprint = buffer.fingerprint
        #expect(FloatBuffer(buffer.scalars).fingerprint == fingerprint)
        for index in 0..<count {
            let value = buffer[index]
            for bit in 0..<32 {
                buffer[index] = Float(bitPattern: value.bitPattern ^ 1 << UInt32(bit))
                #expect(buffer.fingerprint != fingerprint, "element \(index), bit \(bit)")
            }
            buffer[index] = value
        }
        #expect(buffer.fingerprint == fingerprint)
    }

    @Test func orderAndNumberCount() {
        let values = (0..<40).map { Float($0) }
        var seen = Set([FloatBuffer(values).fingerprint])
        for (first, second) in [(0, 1), (0, 16), (3, 35), (38, 39)] {
            var swapped = values
            swapped.swapAt(first, second)
            #expect(seen.insert(FloatBuffer(swapped).fingerprint).inserted)
        }
        for count in [0, 16, 32, 48] { #expect(seen.insert(FloatBuffer(count: count).fingerprint).inserted) }
        #expect(FloatBuffer([0]).fingerprint != FloatBuffer([-0.0]).fingerprint)
    }
}
