import CKernels
import TestSupport
import Testing

@Suite struct RowKernelTests {
    static let shapes = [[1, 1], [3, 5], [4, 16], [2, 49], [5, 256], [100, 33]]

    @Test(arguments: Level.all, shapes) func softmaxAndItsGradientMatchTwin(_ level: Level, _ shape: [Int]) {
        let (rows, columns) = (shape[0], shape[1])
        let x = testNumbers(rows * columns, 50).map { Double(Float(5 * $0)) }
        let dout = testNumbers(rows * columns, 51)
        for scale in [1, 0.125, -2] {
            let expected = Twin.softmax(x, rows: rows, columns: columns, scale: scale)
            var out = garbage(x.count)
            level.kernels.softmax_forward(x.floats, &out, rows, columns, Float(scale))
            expectClose(out, expected, absolute: 1e-9, relative: 3e-6)
            let indices = Array(stride(from: 0, to: x.count, by: max(1, x.count / 40)))
            let dx = finiteDifferenceGradient(
                of: { dot(Twin.softmax($0, rows: rows, columns: columns, scale: scale), dout) }, at: x,
                indices: indices)
            var gradient = garbage(x.count)
            level.kernels.softmax_backward(expected.floats, dout.floats, &gradient, rows, columns, Float(scale))
            expectClose(
                indices.map { gradient[$0] }, indices.map { dx[$0] }, absolute: 1e-6, relative: 1e-5, "scale \(scale)")
        }
    }

    @Test(arguments: Level.all) func softmaxDoesNotOverflow(_ level: Level) {
        let x: [Float] = [1e4, 9_990, -1e4] + [Float](repeating: -3e4, count: 20)
        var out = garbage(x.count)
        level.kernels.softmax_forward(x, &out, 1, x.count, 1)
        expectClose(out, Twin.softmax(x.doubles, rows: 1, columns: x.count), absolute: 1e-9, relative: 1e-5)
        var bad = x
        bad[1] = .nan
        level.kernels.softmax_forward(bad, &out, 1, x.count, 1)
        #expect(out.allSatisfy { $0.isNaN })
    }

    @Test(arguments: Level.all, shapes) func rowBiasAndColumnSumsMatch(_ level: Level, _ shape: [Int]) {
        let (rows, columns) = (shape[0], shape[1])
        let x = testNumbers(rows * columns, 52)
        let bias = testNumbers(columns, 53)
        var out = garbage(x.count)
        level.kernels.add_row_bias(x.floats, bias.floats, &out, rows, columns)
        expectClose(out, x.indices.map { x[$0] + bias[$0 % columns] })
        var sums = bias.floats + [-7]
        level.kernels.accumulate_column_sums(x.floats, &sums, rows, columns)
        let totals = (0..<columns).map { c in (0..<rows).reduce(bias[c]) { $0 + x[$1 * columns + c] } }
        expectClose(Array(sums.dropLast()), totals, absolute: 2e-6, relative: 1e-6)
        #expect(sums.last == -7)
    }
}
