import Tensor
import TestSupport
import Testing

@Suite struct AttentionTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let query: [Int]
        let keys: Int
        let heads: Int
        var testDescription: String { "\(query), \(keys) keys, \(heads) heads" }
    }

    static let cases = [
        Case(query: [1, 1, 1], keys: 1, heads: 1),
        Case(query: [2, 9, 16], keys: 9, heads: 1),
        Case(query: [2, 20, 24], keys: 20, heads: 3),
        Case(query: [1, 7, 34], keys: 13, heads: 2),
        Case(query: [2, 64, 32], keys: 64, heads: 4),
    ]

    @Test(arguments: cases) func resultAndGradientsMatchTwin(_ c: Case) {
        let keys = [c.query[0], c.keys, c.query[2]]
        // Three times larger than 1, so that the softmax is far from uniform.
        var query = Doubles(random: c.query, salt: 1)
        query.scalars = query.scalars.map { Double(Float(3 * $0)) }
        GradientCheck(
            tensors: [query, Doubles(random: keys, salt: 2), Doubles(random: keys, salt: 3)]
        ) { tensors, _ in
            let y = Twin.attention(
                query: tensors[0].scalars, key: tensors[1].scalars, value: tensors[2].scalars, images: c.query[0],
                queries: c.query[1], keys: c.keys, channels: c.query[2], heads: c.heads)
            return Doubles(y, shape: c.query)
        } operation: { tape, tensors, _ in
            tape.attention(query: tensors[0], key: tensors[1], value: tensors[2], heads: c.heads)
        }.run(absolute: 1e-5)
    }

    @Test func gradientsReachOnlyWhatIsWatched() {
        let tape = Tape(recording: true)
        let query = tape.watch(Doubles(random: [1, 4, 8], salt: 1).tensor)
        let key = Doubles(random: [1, 4, 8], salt: 2).tensor
        let y = tape.attention(query: query, key: key, value: key, heads: 2)
        tape.backward(from: tape.meanSquaredError(y, .zeros(y.shape)))
        #expect(tape.gradient(of: query) != nil)
        #expect(tape.gradient(of: key) == nil)
    }
}
