import CKernels
import Glibc
import Tensor
import TestSupport
import Testing

@Suite struct RandomTests {
    @Test func philoxGivesThePublishedWords() {
        // kat_vectors of Random123, philox4x32 with 10 rounds.
        let ones = UInt32.max
        #expect(
            Philox.block(counter: SIMD4(0, 0, 0, 0), key: SIMD2(0, 0))
                == SIMD4(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
        #expect(
            Philox.block(counter: SIMD4(ones, ones, ones, ones), key: SIMD2(ones, ones))
                == SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
        #expect(
            Philox.block(
                counter: SIMD4(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344), key: SIMD2(0xa409_3822, 0x299f_31d0)
            ) == SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
    }

    @Test(arguments: [0, 1, 3, 4, 63, 64, 65, 1_000]) func bulkUniformEqualsDefinition(_ count: Int) {
        let source = RandomSource(seed: .max, purpose: .noise, model: 2, layer: 3)
        let step = 1 << 40 + 17
        let item = Int(UInt32.max)
        let numbers = source.uniform(count: count, step: step, item: item)
        #expect(numbers == (0..<count).map { source.uniform(step: step, item: item, element: $0) })
    }

    @Test(arguments: [0, 1, 2, 5, 64, 100, 20_000]) func normalMatchesBoxMullerInTheMathematicalLibrary(_ count: Int) {
        let source = RandomSource(seed: 9, purpose: .noise)
        let numbers = source.normal(count: count, step: 6, item: 8)
        let expected = (0..<count).map { element -> Double in
            let first = element & ~1
            let u1 = (Double(source.word(step: 6, item: 8, element: first)) + 1) * 0x1p-32
            let u2 = Double(source.word(step: 6, item: 8, element: first + 1)) * 0x1p-32
            let radius = (-2 * log(u1)).squareRoot()
            return element.isMultiple(of: 2) ? radius * cos(2 * .pi * u2) : radius * sin(2 * .pi * u2)
        }
        // Half a unit in the last place of the float is 6e-8; the absolute term is for angles next to a zero.
        expectClose(numbers, expected, absolute: 1e-15, relative: 6.1e-8)
    }

    @Test func normalHasTheMomentsOfTheNormalDistribution() {
        let count = 400_000
        let numbers = RandomSource(seed: 10, purpose: .sampling).normal(count: count, step: 0, item: 0).doubles
        func moment(_ power: Int) -> Double {
            numbers.reduce(0) { $0 + pow($1, Double(power)) } / Double(count)
        }
        // Five standard errors: the variance of x^k is E x^2k - (E x^k)^2.
        let root = Double(count).squareRoot()
        #expect(abs(moment(1)) < 5 / root)
        #expect(abs(moment(2) - 1) < 5 * 2.0.squareRoot() / root)
        #expect(abs(moment(3)) < 5 * 15.0.squareRoot() / root)
        #expect(abs(moment(4) - 3) < 5 * 96.0.squareRoot() / root)
        let neighbours = zip(numbers, numbers.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 } / Double(count)
        #expect(abs(neighbours) < 5 / root)
    }

    @Test func levelsDrawTheSameBits() {
        let address = diptych_address(key0: 1, key1: 2, step: 3)
        let draws = Level.all.map { level in
            var uniform = garbage(5_000)
            var normal = garbage(5_000)
            level.kernels.fill_uniform(&uniform, 5_000, address, 4)
            level.kernels.fill_normal(&normal, 5_000, address, 4)
            return (uniform + normal).map(\.bitPattern)
        }
        #expect(draws.allSatisfy { $0 == draws[0] })
    }

    @Test func everyPartOfTheAddressMatters() {
        let base = RandomSource(seed: 1, purpose: .noise).normal(count: 8, step: 0, item: 0)
        let others = [
            RandomSource(seed: 2, purpose: .noise).normal(count: 8, step: 0, item: 0),
            RandomSource(seed: 1 << 32 + 1, purpose: .noise).normal(count: 8, step: 0, item: 0),
            RandomSource(seed: 1, purpose: .dropout).normal(count: 8, step: 0, item: 0),
            RandomSource(seed: 1, purpose: .noise, model: 1).normal(count: 8, step: 0, item: 0),
            RandomSource(seed: 1, purpose: .noise, layer: 1).normal(count: 8, step: 0, item: 0),
            RandomSource(seed: 1, purpose: .noise).normal(count: 8, step: 1, item: 0),
            RandomSource(seed: 1, purpose: .noise).normal(count: 8, step: 1 << 32, item: 0),
            RandomSource(seed: 1, purpose: .noise).normal(count: 8, step: 0, item: 1),
        ]
        #expect(Set(others + [base]).count == others.count + 1)
    }
}
