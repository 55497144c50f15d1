import CKernels
import Glibc
import TestSupport
import Testing

@Suite struct ElementwiseKernelTests {
    // Nothing, less than a vector, whole vectors, and whole vectors and a rest.
    static let counts = [0, 1, 15, 16, 17, 64, 1_000, 1_021]

    @Test(arguments: Level.all, counts) func siluAndGradientMatchTwin(_ level: Level, _ count: Int) {
        let x = testNumbers(count, 20).map { Double(Float($0 * 8)) }
        let dout = testNumbers(count, 21)
        expectClose(
            run(count) { level.kernels.silu_forward(x.floats, $0, count) }, Twin.silu(x), absolute: 1e-7, relative: 5e-7
        )
        let slopes = x.indices.map { index in
            dout[index] * finiteDifferenceGradient(of: { Twin.silu($0[0]) }, at: [x[index]])[0]
        }
        expectClose(
            run(count) { level.kernels.silu_backward(x.floats, dout.floats, $0, count) }, slopes, absolute: 5e-7,
            relative: 2e-6)
    }

    @Test(arguments: Level.all) func siluHoldsAtTheExtremes(_ level: Level) {
        let x: [Float] = [0, -0.0, 1e-30, -1e-30, 100, -100, 1e30, -1e4, 88, -88, .infinity, .nan]
        let y = run(x.count) { level.kernels.silu_forward(x, $0, x.count) }
        #expect(y[0] == 0 && y[1] == 0)
        #expect(y[4] == 100 && y[6] == 1e30 && y[10] == .infinity && y[11].isNaN)
        #expect(abs(y[5]) < 1e-30 && abs(y[7]) < 1e-30 && abs(y[9]) < 1e-30)
        let ones = [Float](repeating: 1, count: x.count)
        let slopes = run(x.count) { level.kernels.silu_backward(x, ones, $0, x.count) }
        #expect(slopes[0] == 0.5 && slopes[4] == 1 && abs(slopes[5]) < 1e-30 && slopes[11].isNaN)
    }

    @Test(arguments: Level.all, counts) func rectificationAndGradientMatch(_ level: Level, _ count: Int) {
        let x = testNumbers(count, 24)
        let dout = testNumbers(count, 25)
        expectClose(run(count) { level.kernels.relu_forward(x.floats, $0, count) }, x.map { max($0, 0) })
        expectClose(
            run(count) { level.kernels.relu_backward(x.floats, dout.floats, $0, count) },
            zip(x, dout).map { $0 > 0 ? $1 : 0 })
    }

    @Test(arguments: Level.all) func rectificationHoldsAtTheExtremes(_ level: Level) {
        let x: [Float] = [0, -0.0, 1e-30, -1e-30, .infinity, -.infinity, .nan]
        let y = run(x.count) { level.kernels.relu_forward(x, $0, x.count) }
        #expect(y.dropLast() == [0, 0, 1e-30, 0, .infinity, 0] && y[6].isNaN)
        let ones = [Float](repeating: 1, count: x.count)
        #expect(run(x.count) { level.kernels.relu_backward(x, ones, $0, x.count) } == [0, 0, 1, 0, 1, 0, 0])
    }

    @Test(arguments: Level.all, counts) func sumsAndMultiplesMatch(_ level: Level, _ count: Int) {
        let a = testNumbers(count, 22)
        let b = testNumbers(count, 23)
        let k = level.kernels
        let sums = zip(a, b).map { $0 + $1 }
        expectClose(run(count) { k.add(a.floats, b.floats, $0, count) }, sums, "add")
        expectClose(run(count, from: a.floats) { k.accumulate($0, b.floats, count) }, sums, "accumulate")
        expectClose(run(count) { k.scale(a.floats, -2.5, $0, count) }, a.map { -2.5 * $0 }, "scale")
        expectClose(
            run(count) { k.scaled_difference(a.floats, b.floats, 3, $0, count) }, zip(a, b).map { 3 * ($0 - $1) },
            "scaled difference")
    }

    @Test(arguments: Level.all, counts) func sumsOfSquaresHaveDoublePrecision(_ level: Level, _ count: Int) {
        let a = testNumbers(count, 24)
        let b = testNumbers(count, 25)
        let norm = level.kernels.squared_norm(a.floats, count)
        #expect(abs(norm - dot(a, a)) <= 1e-13 * dot(a, a))
        let expected = zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        #expect(abs(level.kernels.squared_difference(a.floats, b.floats, count) - expected) <= 1e-13 * expected)
    }

    /// Runs a kernel on an array with one element more, which it must leave alone.
    private func run(
        _ count: Int, from start: [Float]? = nil, _ kernel: (UnsafeMutablePointer<Float>) -> Void
    ) -> [Float] {
        var memory = (start ?? garbage(count)) + [-7]
        kernel(&memory)
        #expect(memory[count] == -7, "a kernel wrote beyond the end")
        return Array(memory.dropLast())
    }
}
