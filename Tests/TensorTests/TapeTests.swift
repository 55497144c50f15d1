import Tensor
import TestSupport
import Testing

/// A small network with every kind of layer that keeps memory: convolutions, norm, attention, linear.
private struct SmallNetwork: Module {
    let entrance = Parameter(name: "entrance.weight", shape: [16, 3, 3, 3], initialization: .uniform(fanIn: 27))
    let inner = Parameter(name: "inner.weight", shape: [16, 16, 3, 3], initialization: .uniform(fanIn: 144))
    let innerBias = Parameter(name: "inner.bias", shape: [16], initialization: .uniform(fanIn: 144))
    let gamma = Parameter(name: "norm.weight", shape: [16], initialization: .ones)
    let beta = Parameter(name: "norm.bias", shape: [16], initialization: .zeros)
    let projection = Parameter(name: "projection.weight", shape: [16, 16], initialization: .uniform(fanIn: 16))
    let projectionBias = Parameter(name: "projection.bias", shape: [16], initialization: .uniform(fanIn: 16))

    var parameters: [Parameter] { [entrance, inner, innerBias, gamma, beta, projection, projectionBias] }

    func callAsFunction(_ x: Tensor, on tape: Tape) -> Tensor {
        let h = tape.convolution(x, weight: entrance, bias: nil, padding: Padding(1))
        let normed = tape.groupNorm(h, groups: 4, weight: gamma, bias: beta, epsilon: 1e-5, activation: .silu)
        let mixed = tape.add(h, tape.convolution(normed, weight: inner, bias: innerBias, padding: Padding(1)))
        let source = RandomSource(seed: 1, purpose: .dropout)
        let tokens = tape.tokens(tape.dropout(mixed, rate: 0.1, source: source, step: 0, items: [3, 4]))
        let attended = tape.attention(query: tokens, key: tokens, value: tokens, heads: 2)
        let projected = tape.linear(attended, weight: projection, bias: projectionBias)
        return tape.concatenateChannels(tape.images(projected, height: 8, width: 8), h)
    }

    func step(_ vector: ParameterVector) -> Float {
        vector.clearGradients()
        let tape = Tape(recording: true)
        let y = self(Doubles(random: [2, 3, 8, 8], salt: 5).tensor, on: tape)
        let loss = tape.meanSquaredError(y, .zeros(y.shape))
        tape.backward(from: loss)
        return loss.scalars[0]
    }
}

@Suite struct TapeTests {
    /// In a process of its own, for the pool is the process's.
    @Test func theThirdStepAllocatesNothing() async {
        await #expect(processExitsWith: .success) {
            let network = SmallNetwork()
            let vector = ParameterVector(network)
            vector.initialize(seed: 1, model: 0)
            for _ in 0..<2 {
                _ = network.step(vector)
                vector.valuesChanged()
            }
            let before = StoragePool.shared.statistics
            _ = network.step(vector)
            let after = StoragePool.shared.statistics
            precondition(before.systemAllocations > 0 && after.systemAllocations == before.systemAllocations)
        }
    }

    @Test func aTapeThatDoesNotRecordKeepsNothing() async {
        await #expect(processExitsWith: .success) {
            let network = SmallNetwork()
            ParameterVector(network).initialize(seed: 1, model: 0)
            let x = Doubles(random: [2, 3, 8, 8], salt: 5).tensor
            let tape = Tape(recording: false)
            let y = network(x, on: tape)
            let before = StoragePool.shared.statistics.bytesInUse
            let again = network(x, on: tape)
            let after = StoragePool.shared.statistics.bytesInUse
            precondition(tape.entryCount == 0 && y.scalars == again.scalars)
            // Only the second result stayed.
            precondition(after - before == again.count * 4, "\(after - before) bytes stayed")
            withExtendedLifetime(y) {}
        }
    }

    /// The input of a convolution that follows a norm is made again, and gone before its gradient is made.
    @Test func whatWasMadeAgainDoesNotOutliveItsLastReader() async {
        await #expect(processExitsWith: .success) {
            Threads.useOne()
            let norm = [1, 2].map { Parameter(name: "norm\($0)", shape: [64], initialization: .ones) }
            let weight = Parameter(name: "weight", shape: [16, 64, 1, 1], initialization: .ones)
            let result = 4 * 4 * 16 * 64 * 64
            let tape = Tape(recording: true)
            let x = tape.watch(.zeros([4, 64, 64, 64]))
            let y = tape.convolution(
                tape.groupNorm(x, groups: 8, weight: norm[0], bias: norm[1], epsilon: 1e-5), weight: weight, bias: nil,
                padding: .none)
            tape.backward(from: tape.meanSquaredError(y, .zeros(y.shape)))
            // Its input, the norm of it, and a few results; the gradient of the input would make 4 more.
            let peak = StoragePool.shared.statistics.peakBytesInUse
            guard peak < 12 * result else { fatalError("\(peak) bytes were held, results of \(result)") }
        }
    }

    @Test func theBackwardPassFreesEverythingItKept() async {
        await #expect(processExitsWith: .success) {
            let network = SmallNetwork()
            let vector = ParameterVector(network)
            vector.initialize(seed: 1, model: 0)
            _ = network.step(vector)
            let before = StoragePool.shared.statistics.bytesInUse
            _ = network.step(vector)
            precondition(StoragePool.shared.statistics.bytesInUse == before)
        }
    }

    @Test func theSameStepGivesTheSameBits() {
        Threads.useOne()
        let network = SmallNetwork()
        let vector = ParameterVector(network)
        vector.initialize(seed: 1, model: 0)
        let loss = network.step(vector)
        let gradients = vector.gradients.scalars
        vector.valuesChanged()
        #expect(network.step(vector) == loss)
        #expect(vector.gradients.scalars == gradients)
    }

    @Test func passesAddUpUntilGradientsAreCleared() {
        let network = SmallNetwork()
        let vector = ParameterVector(network)
        vector.initialize(seed: 1, model: 0)
        _ = network.step(vector)
        let once = vector.gradients.scalars
        let tape = Tape(recording: true)
        let y = network(Doubles(random: [2, 3, 8, 8], salt: 5).tensor, on: tape)
        tape.backward(from: tape.meanSquaredError(y, .zeros(y.shape)), gradient: 2)
        expectClose(vector.gradients.scalars, once.map { 3 * $0 }, absolute: 1e-6, relative: 1e-4)
        _ = network.step(vector)
        expectClose(vector.gradients.scalars, once, absolute: 0, relative: 0)
    }

    @Test func aParameterThatIsNotReachedHasNoGradient() {
        let network = SmallNetwork()
        let vector = ParameterVector(network)
        vector.initialize(seed: 1, model: 0)
        _ = network.step(vector)
        #expect(network.projection.gradient.contains { $0 != 0 })
        vector.clearGradients()
        let tape = Tape(recording: true)
        let y = tape.linear(.zeros([2, 16]), weight: network.projection, bias: network.projectionBias)
        tape.backward(from: tape.meanSquaredError(y, .zeros(y.shape)))
        let gradients = vector.gradients
        #expect(network.projectionBias.gradient.contains { $0 != 0 })
        #expect(network.inner.gradient.allSatisfy { $0 == 0 })
        let entry = vector.entries[vector.entries.firstIndex { $0.name == "inner.weight" } ?? 0]
        #expect(gradients[entry.offset..<entry.offset + entry.count].allSatisfy { $0 == 0 })
    }

    @Test func theHookIsCalledBetweenEntries() {
        let network = SmallNetwork()
        let tape = Tape(recording: true)
        let y = network(Doubles(random: [2, 3, 8, 8], salt: 5).tensor, on: tape)
        let loss = tape.meanSquaredError(y, .zeros(y.shape))
        let entries = tape.entryCount
        var calls = 0
        tape.backward(from: loss) { entriesLeft in
            calls += 1
            #expect(entriesLeft == entries - calls)
        }
        #expect(entries > 8)
        #expect(calls == entries)
    }

    @Test func aLossWithoutParametersIsRejected() async {
        await #expect(processExitsWith: .failure) {
            let tape = Tape(recording: true)
            tape.backward(from: tape.meanSquaredError(.zeros([2]), .zeros([2])))
        }
    }
}
