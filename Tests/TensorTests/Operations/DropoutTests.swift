import Tensor
import TestSupport
import Testing

@Suite struct DropoutTests {
    static let source = RandomSource(seed: 5, purpose: .dropout, model: 1, layer: 7)

    @Test(arguments: [[3, 10], [2, 6, 9], [2, 3, 4, 5], [2, 17, 20, 7], [2, 32, 4, 4]])
    func resultAndGradientMatchTwin(_ shape: [Int]) {
        let rate: Float = 0.3
        let items = (0..<shape[0]).map { 1000 + 7 * $0 }
        GradientCheck(tensors: [Doubles(random: shape, salt: 1)]) { tensors, _ in
            let size = tensors[0].count / shape[0]
            let mask = tensors[0].scalars.indices.map {
                Self.source.uniform(step: 4, item: items[$0 / size], element: $0 % size) >= rate
            }
            return Doubles(Twin.dropout(tensors[0].scalars, mask: mask, rate: Double(rate)), shape: shape)
        } operation: { tape, tensors, _ in
            tape.dropout(tensors[0], rate: rate, source: Self.source, step: 4, items: items)
        }.run()
    }

    @Test func aRateOfZeroKeepsEverything() {
        let x = Doubles(random: [2, 3, 4, 5], salt: 1).tensor
        let y = Tape(recording: false).dropout(x, rate: 0, source: Self.source, step: 0, items: [1, 2])
        #expect(y.scalars == x.scalars)
    }
}
