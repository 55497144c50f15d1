import Communication
import Diffusion
import Tensor
import TestSupport
import Testing
import Worker

@Suite struct TrainerTests {
    @Test(arguments: [4, 6]) func bitsDoNotDependOnTheNumberOfRanks(lanes: Int) throws {
        let alone = try onRanks(1) { try train(lanes: lanes, on: $0) }[0]
        #expect(alone.results.map(\.laneLosses.count) == [lanes, lanes, lanes])
        for ranks in 2...4 {
            let together = try onRanks(ranks) { try train(lanes: lanes, on: $0) }
            for rank in together {
                #expect(rank.weights == alone.weights, "\(ranks) ranks")
                #expect(rank.results.map(\.laneLosses) == alone.results.map(\.laneLosses), "\(ranks) ranks")
                #expect(rank.results.map(\.loss) == alone.results.map(\.loss), "\(ranks) ranks")
                #expect(rank.results.map(\.gradientNorm) == alone.results.map(\.gradientNorm), "\(ranks) ranks")
            }
            #expect(together.flatMap(\.average) == alone.average, "\(ranks) ranks")
        }
    }

    /// Uneven lanes, several on a rank, and buckets that are final at different times. Fails when a part is sent before
    /// it is final or in another order than the tree's, or when ranks disagree on the buckets.
    @Test(arguments: [4, 7]) func overlappingTheReductionKeepsTheBits(lanes: Int) throws {
        let alone = try onRanks(1) { try train(lanes: lanes, on: $0) }[0]
        for ranks in 1...4 {
            let together = try onRanks(ranks) { try train(lanes: lanes, on: $0, bucketFloats: 1) }
            for rank in together {
                #expect(rank.weights == alone.weights, "\(ranks) ranks")
                #expect(rank.results.map(\.gradientNorm) == alone.results.map(\.gradientNorm), "\(ranks) ranks")
            }
            #expect(together.flatMap(\.average) == alone.average, "\(ranks) ranks")
        }
    }

    /// Shards, lanes' sums and buckets that reach over the borders of the gradient's segments.
    @Test func severalSegmentsKeepTheBits() throws {
        let wide = UNetConfiguration(
            height: 8, width: 8, inChannels: 1, outChannels: 1, channels: [32, 128], layersPerBlock: 1,
            attention: [false, true], normGroups: 4, dropout: 0.1)
        let alone = try onRanks(1) { try train(lanes: 7, on: $0, configuration: wide) }[0]
        #expect(ParameterVector(UNet2D(wide)).gradientVector.segments.count >= 3)
        for (ranks, bucketFloats, again) in [(2, nil, false), (3, 1, true), (4, 1, false)] {
            let together = try onRanks(ranks) {
                try train(
                    lanes: 7, on: $0, configuration: wide, bucketFloats: bucketFloats, recomputesBlocks: again)
            }
            for rank in together {
                #expect(rank.weights == alone.weights, "\(ranks) ranks")
                #expect(rank.results.map(\.gradientNorm) == alone.results.map(\.gradientNorm), "\(ranks) ranks")
            }
            #expect(together.flatMap(\.average) == alone.average, "\(ranks) ranks")
        }
    }

    /// Their memory goes back to the pool with every step, so what is read afterwards must not be what the pool holds.
    @Test func gradientsReadAsZeroAfterAStepAndAfterOneThatFails() throws {
        Threads.useOne()
        let trainer = Bench.trainer(lanes: 4, on: SoloCommunicator())
        _ = try Bench.train(trainer, steps: 0..<1)
        #expect(trainer.parameters.gradients.scalars.allSatisfy { $0 == 0 })
        _ = errorThrown {
            _ = try trainer.step(Bench.settings(1)) { lane, tape in
                tape.scale(Bench.loss(trainer.network, items: [lane], step: 1, tape), by: .nan)
            }
        }
        #expect(trainer.parameters.gradients.scalars.allSatisfy { $0 == 0 })
    }

    /// With and without buckets, on one rank and several. Fails when dropout draws other numbers the second time, or when
    /// the gradient of a block's input is added up in another order.
    @Test func computingBlocksAgainKeepsTheBits() throws {
        let kept = try onRanks(1) { try train(lanes: 4, on: $0) }[0]
        for (ranks, bucketFloats) in [(1, nil), (2, nil), (3, 1)] {
            let again = try onRanks(ranks) {
                try train(lanes: 4, on: $0, bucketFloats: bucketFloats, recomputesBlocks: true)
            }
            for rank in again {
                #expect(rank.weights == kept.weights, "\(ranks) ranks")
                #expect(rank.results.map(\.gradientNorm) == kept.results.map(\.gradientNorm), "\(ranks) ranks")
            }
            #expect(again.flatMap(\.average) == kept.average, "\(ranks) ranks")
        }
    }

    @Test func aProcessAloneDoesTheSameAsRanksOnThreads() throws {
        Threads.useOne()
        let solo = try train(lanes: 4, on: SoloCommunicator())
        #expect(try onRanks(2) { try train(lanes: 4, on: $0) }[1].weights == solo.weights)
    }

    @Test func stepsAreThoseOfOneBigBatch() throws {
        Threads.useOne()
        let configuration = Bench.configuration(dropout: 0)
        // A large epsilon: without it a step hangs on the sign of gradients that are nothing but rounding.
        let adam = Adam(epsilon: 1e-2)
        let trainer = Bench.trainer(lanes: 4, on: SoloCommunicator(), configuration: configuration, adam: adam)
        let first = trainer.parameters.values.scalars
        let results = try Bench.train(trainer, steps: 0..<3)

        let network = UNet2D(configuration)
        let vector = ParameterVector(network)
        vector.initialize(seed: 3, model: 0)
        var moments = (FloatBuffer(count: vector.paddedCount), FloatBuffer(count: vector.paddedCount))
        let average = FloatBuffer(vector.values.scalars)
        for step in 0..<3 {
            let settings = Bench.settings(step)
            let tape = Tape(recording: true)
            let loss = Bench.loss(network, items: Array(0..<8), step: step, tape)
            vector.clearGradients()
            tape.backward(from: loss)
            let norm = vector.gradients.scalars.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            #expect(abs(results[step].loss - Double(loss.scalars[0])) < 1e-5)
            #expect(abs(results[step].gradientNorm - norm) < 1e-4 * norm)
            #expect(norm > settings.maxGradientNorm, "the clip must be part of the test")
            adam.update(
                values: vector.values, gradients: vector.gradients, firstMoment: moments.0, secondMoment: moments.1,
                ema: average, range: 0..<vector.paddedCount, step: step, learningRate: settings.learningRate,
                gradientScale: Float(settings.maxGradientNorm / norm), emaDecay: settings.averageDecay)
            vector.valuesChanged()
        }
        moments = (trainer.optimizer.firstMoment, trainer.optimizer.secondMoment)
        let moved = distance(first, vector.values.scalars)
        #expect(moved > 0.01)
        #expect(distance(trainer.parameters.values.scalars, vector.values.scalars) < 1e-3 * moved)
        #expect(distance(trainer.optimizer.movingAverage.scalars, average.scalars) < 1e-3 * moved)
    }

    @Test(arguments: [1, 3]) func aLossThatIsNotFiniteIsNamedOnEveryRankAndChangesNothing(ranks: Int) throws {
        let messages = try messages(ranks: ranks) { $0.scale($1, by: .nan) }
        #expect(messages == Array(repeating: "the loss of lane 2 at step 1 is nan", count: ranks))
    }

    /// Fails when only the losses are looked at: the weights become NaN.
    @Test(arguments: [1, 2]) func aGradientThatIsNotFiniteIsToldOnEveryRankAndChangesNothing(ranks: Int) throws {
        let messages = try messages(ranks: ranks) { $0.withInfiniteGradient($1) }
        #expect(messages.count == ranks && Set(messages).count == 1, "\(messages)")
        // Whether it is infinite or NaN: infinities that meet are none.
        let text = /the gradient's norm at step 1 is (inf|nan) although every lane's loss is finite/
        #expect(messages[0]?.wholeMatch(of: text) != nil, "\(messages)")
    }

    /// What the ranks throw when the loss of lane 2 is changed in step 1, in which nothing may be updated.
    private func messages(
        ranks: Int, change: @escaping @Sendable (_ tape: Tape, _ loss: Tensor) -> Tensor
    ) throws -> [String?] {
        let outcomes = try onRanks(ranks) { group in
            let trainer = Bench.trainer(lanes: 4, on: group)
            _ = try Bench.train(trainer, steps: 0..<1)
            let before = Trained(trainer, [])
            let error = errorThrown {
                _ = try trainer.step(Bench.settings(1)) { lane, tape in
                    let loss = Bench.loss(trainer.network, items: [2 * lane, 2 * lane + 1], step: 1, tape)
                    return lane == 2 ? change(tape, loss) : loss
                }
            }
            let after = Trained(trainer, [])
            // And the trainer is as good as new.
            _ = try Bench.train(trainer, steps: 1..<2)
            return (
                error.map { "\($0)" }, before.weights == after.weights && before.average == after.average,
                trainer.parameters.values.scalars
            )
        }
        let expected = try onRanks(1) { group in
            let trainer = Bench.trainer(lanes: 4, on: group)
            return Trained(trainer, try Bench.train(trainer, steps: 0..<2)).weights
        }[0]
        for (_, isUnchanged, weights) in outcomes {
            #expect(isUnchanged)
            // Compared outside of the macro, which would print how two whole vectors differ.
            let isAsGoodAsNew = weights == expected
            #expect(isAsGoodAsNew)
        }
        return outcomes.map(\.0)
    }

    /// Fails when nothing is charged to a part, or measuring changes a result.
    @Test func everyPartOfAStepIsTimed() throws {
        let plain = try onRanks(2) { try train(lanes: 4, on: $0) }[0]
        let timed = try onRanks(2) { group in
            let times = StepTimes()
            let trainer = Bench.trainer(lanes: 4, on: group, times: times)
            let results = try Bench.train(trainer, steps: 0..<3)
            return (Trained(trainer, results).weights, StepTimes.Part.allCases.map { times[$0] })
        }
        #expect(timed.map(\.0) == [plain.weights, plain.weights])
        for (_, seconds) in timed { #expect(seconds.allSatisfy { $0 > 0 }, "\(seconds)") }
    }

    /// In a process of its own, for the pool is the process's. Fails when something of a step is kept for the next.
    @Test func theThirdStepTakesNoMemoryForTensors() async {
        await #expect(processExitsWith: .success) {
            let isSteady = try onRanks(1) { group in
                let trainer = Bench.trainer(lanes: 4, on: group)
                _ = try Bench.train(trainer, steps: 0..<2)
                let before = StoragePool.shared.statistics.systemAllocations
                _ = try Bench.train(trainer, steps: 2..<5)
                return before > 0 && StoragePool.shared.statistics.systemAllocations == before
            }[0]
            guard isSteady else { fatalError("a later step has taken memory from the system") }
        }
    }

    @Test func flagsOfEveryRankReachEveryRank() throws {
        let flags = try onRanks(3) { group in
            let trainer = Bench.trainer(lanes: 4, on: group)
            let settings = Bench.settings(0, flags: 1 << UInt8(group.rank))
            return try trainer.step(settings) { lane, tape in
                Bench.loss(trainer.network, items: [lane], step: 0, tape)
            }.flags
        }
        #expect(flags == [7, 7, 7])
    }

    @Test func ranksThatOwnNoShardTakePart() throws {
        let configuration = UNetConfiguration(
            height: 8, width: 8, inChannels: 1, outChannels: 1, channels: [4, 4], layersPerBlock: 1,
            attention: [false, false], normGroups: 2, attentionHeadDimension: nil)
        let weights = try [1, 4].map { ranks in
            try onRanks(ranks) { group in
                let trainer = Bench.trainer(lanes: 4, on: group, configuration: configuration)
                #expect(trainer.parameters.blockCount < 4)
                return Trained(trainer, try Bench.train(trainer, steps: 0..<2)).weights
            }
        }
        #expect(weights[1] == Array(repeating: weights[0][0], count: 4))
    }
}

private func train(
    lanes: Int, on group: any Communicator, configuration: UNetConfiguration = Bench.configuration(),
    bucketFloats: Int? = nil, recomputesBlocks: Bool = false
) throws -> Trained {
    let trainer = Bench.trainer(lanes: lanes, on: group, configuration: configuration)
    trainer.bucketFloats = bucketFloats
    trainer.recomputesBlocks = recomputesBlocks
    return Trained(trainer, try Bench.train(trainer, steps: 0..<3))
}

/// L2 distance.
private func distance(_ one: [Float], _ other: [Float]) -> Double {
    zip(one, other).reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }.squareRoot()
}
