import Tensor
import TestSupport
import Testing

@Suite struct ElementwiseTests {
    static let shapes = [[1], [2, 5], [2, 3, 4, 5], [2, 17, 20, 7], [1, 32, 3, 3]]

    @Test(arguments: shapes) func siluMatchesTwin(_ shape: [Int]) {
        var x = Doubles(random: shape, salt: 1)
        x.scalars = x.scalars.map { Double(Float(6 * $0)) }
        GradientCheck(tensors: [x]) { tensors, _ in
            Doubles(Twin.silu(tensors[0].scalars), shape: shape)
        } operation: { tape, tensors, _ in
            tape.silu(tensors[0])
        }.run()
    }

    @Test(arguments: shapes) func rectificationMatchesTwin(_ shape: [Int]) {
        // Away from 0, where the twin has no slope.
        var x = Doubles(random: shape, salt: 1)
        x.scalars = x.scalars.map { Double(Float($0 + ($0 < 0 ? -0.01 : 0.01))) }
        GradientCheck(tensors: [x]) { tensors, _ in
            Doubles(tensors[0].scalars.map { max($0, 0) }, shape: shape)
        } operation: { tape, tensors, _ in
            tape.relu(tensors[0])
        }.run()
    }

    @Test(arguments: [[2, 3, 4, 5], [2, 17, 20, 7], [3, 32, 1, 1]]) func averageOfPixelsMatchesTwin(_ shape: [Int]) {
        GradientCheck(tensors: [Doubles(random: shape, salt: 1)]) { tensors, _ in
            let x = tensors[0].images
            return Doubles(
                (0..<x.images * x.channels).map { index in
                    x.values[index * x.pixels..<(index + 1) * x.pixels].reduce(0, +) / Double(x.pixels)
                }, shape: Array(shape.prefix(2)))
        } operation: { tape, tensors, _ in
            tape.averagePixels(tensors[0])
        }.run()
    }

    @Test(arguments: shapes) func additionMatchesTwin(_ shape: [Int]) {
        GradientCheck(tensors: [Doubles(random: shape, salt: 1), Doubles(random: shape, salt: 2)]) { tensors, _ in
            Doubles(zip(tensors[0].scalars, tensors[1].scalars).map(+), shape: shape)
        } operation: { tape, tensors, _ in
            tape.add(tensors[0], tensors[1])
        }.run()
    }

    @Test(arguments: shapes) func scalingMatchesTwin(_ shape: [Int]) {
        GradientCheck(tensors: [Doubles(random: shape, salt: 1)]) { tensors, _ in
            Doubles(tensors[0].scalars.map { -0.75 * $0 }, shape: shape)
        } operation: { tape, tensors, _ in
            tape.scale(tensors[0], by: -0.75)
        }.run()
    }

    /// x is used three times, once through an operation that may work in place on its incoming gradient.
    @Test func gradientsOfATensorUsedSeveralTimesAdd() {
        let shape = [2, 17, 5, 3]
        GradientCheck(tensors: [Doubles(random: shape, salt: 1)]) { tensors, _ in
            Doubles(tensors[0].scalars.map { Twin.silu($0) + 2 * $0 + 3 * $0 }, shape: shape)
        } operation: { tape, tensors, _ in
            let x = tensors[0]
            let sum = tape.add(tape.silu(x), tape.add(x, x))
            return tape.add(tape.scale(x, by: 3), sum)
        }.run()
    }

    /// An addition hands one gradient to both its inputs; x then receives more, before the other has been used.
    @Test func aSharedGradientIsNotChangedUnderTheOtherOwner() {
        let shape = [2, 17, 5, 3]
        GradientCheck(tensors: [Doubles(random: shape, salt: 1)]) { tensors, _ in
            Doubles(tensors[0].scalars.map { Twin.silu($0) + $0 + 3 * $0 }, shape: shape)
        } operation: { tape, tensors, _ in
            let x = tensors[0]
            let activated = tape.silu(x)
            let scaled = tape.scale(x, by: 3)
            return tape.add(tape.add(activated, x), scaled)
        }.run()
    }

    @Test func additionRejectsOtherShapes() async {
        await #expect(processExitsWith: .failure) {
            _ = Tape(recording: false).add(.zeros([2, 3]), .zeros([3, 2]))
        }
    }
}
