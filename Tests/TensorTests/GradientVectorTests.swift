import Tensor
import Testing

@Suite struct GradientVectorTests {
    private static let block = ParameterVector.blockSize

    private func vector(_ counts: [Int], segmentFloats: Int, paddedCount: Int? = nil) -> GradientVector {
        var start = 0
        let ranges = counts.map { count in
            defer { start += count }
            return start..<start + count
        }
        return GradientVector(parameters: ranges, paddedCount: paddedCount ?? start, segmentFloats: segmentFloats)
    }

    @Test func segmentsAreWholeParametersAndTogetherTheVector() {
        #expect(vector([3, 4, 10, 1, 1], segmentFloats: 5).segments == [0..<7, 7..<17, 17..<19])
        #expect(vector([3, 4], segmentFloats: 100, paddedCount: 16).segments == [0..<16])
        #expect(vector([8, 8], segmentFloats: 8, paddedCount: 20).segments == [0..<8, 8..<16, 16..<20])
    }

    @Test func onlyWhatHoldsSomethingHasMemory() {
        let gradients = vector([4, 4, 4], segmentFloats: 4)
        #expect(gradients.borrowedCount == 0)
        _ = gradients.buffer(holding: 5..<7)
        #expect(gradients.borrowedCount == 4)
        gradients.fill(3..<5, with: 1)
        #expect(gradients.borrowedCount == 8)
        gradients.giveBack()
        #expect(gradients.borrowedCount == 0)
    }

    @Test func movingLeavesNothingBehind() {
        let gradients = vector([4, 4], segmentFloats: 4)
        gradients.fill(0..<8, with: 3)
        let moved = gradients.move()
        #expect(gradients.borrowedCount == 0 && moved.borrowedCount == 8)
        gradients.fill(0..<8, with: 5)
        #expect(scalars(moved) == [Float](repeating: 3, count: 8))
    }

    @Test func addsAndCopiesAcrossBorders() {
        let (one, other) = (vector([3, 3, 3], segmentFloats: 3), vector([3, 3, 3], segmentFloats: 3))
        for index in 0..<9 {
            one.fill(index..<index + 1, with: Float(index))
            other.fill(index..<index + 1, with: Float(100 * index))
        }
        one.add(other, range: 2..<8)
        #expect(scalars(one) == [0, 1, 202, 303, 404, 505, 606, 707, 8])
        let target = FloatBuffer(count: 6)
        one.copy(2..<7, to: target, at: 1)
        #expect(target.scalars == [0, 202, 303, 404, 505, 606])
    }

    @Test func thePaddingIsZeroWhateverTheMemoryHeld() {
        for _ in 0..<3 {
            let gradients = vector([5], segmentFloats: 4, paddedCount: 16)
            #expect(gradients.segments == [0..<5, 5..<16])
            #expect(scalars(gradients)[5...].allSatisfy { $0 == 0 })
            // What the next one may be given.
            gradients.fill(0..<16, with: .nan)
        }
    }

    /// The norm of a block has the same bits wherever the borders of segments lie.
    @Test func bordersDoNotChangeANorm() {
        let numbers = RandomSource(seed: 1, purpose: .testing).normal(count: 3 * Self.block, step: 0, item: 0)
        let whole = GradientNorm.blockSquaredNorms(FloatBuffer(numbers), blocks: 0..<3)
        let gradients = vector([7, 20_000, 3, 3 * Self.block - 20_010], segmentFloats: 5)
        #expect(gradients.segments.count == 3)
        for (index, number) in numbers.enumerated() { gradients.fill(index..<index + 1, with: number) }
        #expect(GradientNorm.blockSquaredNorms(gradients, blocks: 0..<3) == whole)
    }

    private func scalars(_ gradients: GradientVector) -> [Float] {
        let copy = FloatBuffer(count: gradients.count)
        gradients.copy(0..<gradients.count, to: copy, at: 0)
        return copy.scalars
    }
}
