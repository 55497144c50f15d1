import Tensor
import TestSupport
import Testing

/// Chain of linear layers: `early` is used first, `twice` at both ends, `never` not at all; every weight is one block.
private struct Chain: Module {
    static let width = 128
    let early = Parameter(name: "b.early", shape: [width, width], initialization: .uniform(fanIn: width))
    let late = Parameter(name: "a.late", shape: [width, width], initialization: .uniform(fanIn: width))
    let twice = Parameter(name: "c.twice", shape: [width, width], initialization: .uniform(fanIn: width))
    let never = Parameter(name: "d.never", shape: [width, width], initialization: .uniform(fanIn: width))

    var parameters: [Parameter] { [early, late, twice, never] }

    func loss(on tape: Tape) -> Tensor {
        let source = RandomSource(seed: 4, purpose: .testing)
        let x = Tensor(source.normal(count: 2 * Self.width, step: 0, item: 0), shape: [2, Self.width])
        let y = [twice, early, late, twice].reduce(x) { tape.linear($0, weight: $1, bias: nil) }
        return tape.meanSquaredError(y, .zeros(y.shape))
    }
}

@Suite struct GradientBucketTests {
    private let block = ParameterVector.blockSize

    private func recorded(_ chain: Chain) -> (vector: ParameterVector, tape: Tape, loss: Tensor) {
        Threads.useOne()
        let vector = ParameterVector(chain)
        vector.initialize(seed: 1, model: 0)
        let tape = Tape(recording: true)
        return (vector, tape, chain.loss(on: tape))
    }

    /// Entries: twice, early, late, twice, loss.
    @Test func aBlockIsFinalAfterTheEarliestEntryThatUsesIt() {
        let (vector, tape, _) = recorded(Chain())
        #expect(tape.entryCount == 5)
        let buckets = vector.gradientBuckets(of: tape, floats: 1)
        #expect(buckets.map(\.entriesLeft) == [5, 2, 1, 0])
        #expect(buckets.map(\.ranges) == [3, 0, 1, 2].map { [$0 * block..<($0 + 1) * block] })
    }

    @Test func bucketsAreNoSmallerThanAskedForButTheLast() {
        let (vector, tape, _) = recorded(Chain())
        let buckets = vector.gradientBuckets(of: tape, floats: 2 * block)
        #expect(buckets.map(\.entriesLeft) == [2, 0])
        #expect(buckets.map(\.ranges) == [[0..<block, 3 * block..<4 * block], [block..<3 * block]])
        #expect(vector.gradientBuckets(of: tape, floats: 100 * block).map(\.ranges) == [[0..<4 * block]])
    }

    /// What a bucket holds when it is declared final is what it holds at the end, whatever lay there before.
    @Test func nothingComesAfterwards() {
        let chain = Chain()
        let (vector, tape, loss) = recorded(chain)
        tape.backward(from: loss)
        let gradients = vector.gradientVector
        let expected = vector.gradients.scalars
        #expect(expected[..<(3 * block)].contains { $0 != 0 } && expected[(3 * block)...].allSatisfy { $0 == 0 })

        vector.clearGradients()
        gradients.fill(0..<gradients.count, with: 7)
        let again = Tape(recording: true)
        let secondLoss = chain.loss(on: again)
        var buckets = vector.gradientBuckets(of: again, floats: 1)[...]
        again.backward(from: secondLoss) { entriesLeft in
            while let bucket = buckets.first, bucket.entriesLeft >= entriesLeft {
                buckets.removeFirst()
                for range in bucket.ranges {
                    vector.finishGradients(in: range)
                    let copy = FloatBuffer(count: range.count)
                    gradients.copy(range, to: copy, at: 0)
                    #expect(copy.scalars == Array(expected[range]), "\(range)")
                }
            }
        }
        #expect(buckets.isEmpty)
        #expect(vector.gradients.scalars == expected)
    }

    @Test func aContributionToAFinalGradientIsACallersMistake() async {
        await #expect(processExitsWith: .failure) {
            let chain = Chain()
            let vector = ParameterVector(chain)
            let tape = Tape(recording: true)
            let loss = chain.loss(on: tape)
            // `twice` has had its first contribution here, and gets another at the end.
            tape.backward(from: loss) { entriesLeft in
                if entriesLeft == 2 { vector.finishGradients(in: 2 * 16_384..<3 * 16_384) }
            }
        }
    }

    @Test func theNextPassMayContributeAgain() {
        let chain = Chain()
        let (vector, tape, loss) = recorded(chain)
        tape.backward(from: loss) { entriesLeft in
            if entriesLeft == 0 { vector.finishGradients(in: 0..<vector.paddedCount) }
        }
        let once = vector.gradients.scalars
        let again = Tape(recording: true)
        again.backward(from: chain.loss(on: again))
        expectClose(vector.gradients.scalars, once.map { 2 * $0 }, absolute: 1e-8, relative: 1e-4)
    }
}
