import CKernels
import Tensor
import TestSupport
import Testing

/// One implementation of the kernels: every level that this processor has is tested.
struct Level: CustomTestStringConvertible, Sendable {
    let number: CInt
    var testDescription: String { ["baseline", "AVX2", "AVX-512"][Int(number)] }
    var kernels: diptych_kernels { diptych_kernels_at(number).pointee }

    static let all = (0...diptych_kernels_supported()).map { Level(number: $0) }
}

/// How channels lie in memory: plain, or in blocks of 8 or 16.
let blocks = [1, 8, 16]

/// Reproducible numbers in [-2, 2), each exact as a float.
func testNumbers(_ count: Int, _ salt: Int) -> [Double] {
    RandomSource(seed: 5, purpose: .testing, layer: salt).uniform(count: count, step: 0, item: 0)
        .map { 4 * Double($0) - 2 }
}

func testImages(_ n: Int, _ c: Int, _ h: Int, _ w: Int, salt: Int) -> Images {
    Images(images: n, channels: c, height: h, width: w, values: testNumbers(n * c * h * w, salt))
}

extension [Double] {
    var floats: [Float] { map { Float($0) } }
}

extension [Float] {
    var doubles: [Double] { map { Double($0) } }
}

extension Images {
    /// (N, ceil(C / block), pixels, block), the channels that fill up the last block zero.
    func blocked(_ block: Int) -> [Float] {
        let blockCount = (channels + block - 1) / block
        var out = [Float](repeating: 0, count: images * blockCount * block * pixels)
        forEachPlace(block) { plain, place in out[place] = Float(values[plain]) }
        return out
    }

    /// Takes logical values out of blocks, and expects the padding to hold zeros.
    func unblocked(_ memory: [Float], _ block: Int, sourceLocation: SourceLocation = #_sourceLocation) -> [Float] {
        var out = [Float](repeating: 0, count: values.count)
        var rest = memory
        forEachPlace(block) { plain, place in
            out[plain] = memory[place]
            rest[place] = 0
        }
        #expect(rest.allSatisfy { $0 == 0 }, "padding channels must stay zero", sourceLocation: sourceLocation)
        return out
    }

    /// The number of floats in blocks.
    func blockedCount(_ block: Int) -> Int { images * ((channels + block - 1) / block) * block * pixels }

    private func forEachPlace(_ block: Int, _ body: (_ plain: Int, _ place: Int) -> Void) {
        let blockCount = (channels + block - 1) / block
        for n in 0..<images {
            for c in 0..<channels {
                for p in 0..<pixels {
                    let place = ((n * blockCount + c / block) * pixels + p) * block + c % block
                    body((n * channels + c) * pixels + p, place)
                }
            }
        }
    }
}

/// An array to write to, filled with numbers that a kernel must overwrite.
func garbage(_ count: Int) -> [Float] { [Float](repeating: 12_345, count: count) }
