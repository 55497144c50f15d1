import Foundation
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
            twinAttention(tensors[0], tensors[1], tensors[2], heads: c.heads)
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

/// softmax(q k^T / sqrt(width)) v for each head.
private func twinAttention(_ query: Doubles, _ key: Doubles, _ value: Doubles, heads: Int) -> Doubles {
    let width = query.extent(2) / heads
    var y = Doubles(zeros: query.shape)
    for n in 0..<query.extent(0) {
        for head in 0..<heads {
            let channels = head * width..<(head + 1) * width
            for t in 0..<query.extent(1) {
                let scores = (0..<key.extent(1)).map { s in
                    channels.reduce(0) { $0 + query[n, t, $1] * key[n, s, $1] } / Double(width).squareRoot()
                }
                let largest = scores.max() ?? 0
                let powers = scores.map { exp($0 - largest) }
                let total = powers.reduce(0, +)
                for c in channels {
                    y[n, t, c] = (0..<key.extent(1)).reduce(0) { $0 + powers[$1] / total * value[n, $1, c] }
                }
            }
        }
    }
    return y
}
