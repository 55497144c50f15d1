import CKernels
import Foundation
import TestSupport
import Testing

@Suite struct ResamplingKernelTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let from: (Int, Int)
        let to: (Int, Int)
        var testDescription: String { "\(from) to \(to)" }
    }

    static let cases = [
        Case(from: (3, 4), to: (6, 8)), Case(from: (4, 4), to: (7, 7)), Case(from: (4, 3), to: (8, 5)),
        Case(from: (5, 2), to: (5, 2)), Case(from: (5, 7), to: (3, 14)), Case(from: (1, 1), to: (3, 2)),
    ]

    @Test(arguments: Level.all, cases) func nearestMatchesTwinAndItsGradientSums(_ level: Level, _ c: Case) {
        let x = testImages(2, 11, c.from.0, c.from.1, salt: 40)
        let expected = Twin.upsampleNearest(x, height: c.to.0, width: c.to.1)
        let dout = testImages(2, 11, c.to.0, c.to.1, salt: 41)
        let dx = finiteDifferenceGradient(
            of: { dot(Twin.upsampleNearest(x.with($0), height: c.to.0, width: c.to.1).values, dout.values) },
            at: x.values)
        for block in blocks {
            var out = garbage(expected.blockedCount(block))
            level.kernels.upsample_nearest_forward(
                x.blocked(block), &out, 2, 11, c.from.0, c.from.1, c.to.0, c.to.1, block)
            #expect(expected.unblocked(out, block) == expected.values.floats, "block \(block)")
            var gradient = garbage(x.blockedCount(block))
            level.kernels.upsample_nearest_backward(
                dout.blocked(block), &gradient, 2, 11, c.from.0, c.from.1, c.to.0, c.to.1, block)
            expectClose(x.unblocked(gradient, block), dx, absolute: 2e-6, relative: 1e-6, "block \(block)")
        }
    }

    @Test(arguments: Level.all) func nearestCopiesThePixelsThatTorchCopies(_ level: Level) throws {
        struct Golden: Decodable {
            struct Case: Decodable {
                let size: Int
                let out_size: Int
                let sources: [Int]
            }
            let format: String
            let cases: [Case]
        }
        let golden = try JSONDecoder().decode(Golden.self, from: goldenData("nearest.json"))
        #expect(golden.format == "diptych-golden-nearest" && !golden.cases.isEmpty)
        for c in golden.cases {
            let x = (0..<c.size).map { Float($0) }
            var out = garbage(c.out_size)
            level.kernels.upsample_nearest_forward(x, &out, 1, 1, 1, c.size, 1, c.out_size, 1)
            #expect(out.map { Int($0) } == c.sources, "\(c.size) to \(c.out_size)")
            out = garbage(c.out_size)
            level.kernels.upsample_nearest_forward(x, &out, 1, 1, c.size, 1, c.out_size, 1, 1)
            #expect(out.map { Int($0) } == c.sources, "\(c.size) to \(c.out_size), rows")
        }
    }
}

/// A file of Tests/Golden.
func goldenData(_ name: String, file: String = #filePath) throws -> Data {
    var folder = URL(fileURLWithPath: file)
    while folder.lastPathComponent != "Tests" { folder.deleteLastPathComponent() }
    return try Data(contentsOf: folder.appendingPathComponent("Golden").appendingPathComponent(name))
}
