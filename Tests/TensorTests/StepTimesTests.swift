import Foundation
import Tensor
import Testing

private func pause(_ microseconds: UInt32) { usleep(microseconds) }

/// One parameter of each kind.
private struct Layers: Module {
    let kernel = Parameter(name: "kernel", shape: [16, 16, 3, 3], initialization: .uniform(fanIn: 144))
    let scale = Parameter(name: "scale", shape: [16], initialization: .ones)
    let shift = Parameter(name: "shift", shape: [16], initialization: .zeros)
    let square = Parameter(name: "square", shape: [16, 16], initialization: .uniform(fanIn: 16))

    var parameters: [Parameter] { [kernel, scale, shift, square] }
}

@Suite struct StepTimesTests {
    /// Fails when an inner part's time counts for the outer one, too.
    @Test func innerPartsAreTakenFromOuterOnes() {
        let times = StepTimes()
        let clock = ContinuousClock()
        let total = clock.measure {
            times.measure(.convolution) {
                times.measure(.other) { pause(30_000) }
                times.measure(.other) { times.measure(.attention) { pause(20_000) } }
            }
        }
        pause(10_000)
        #expect(times[.other] >= 0.03)
        #expect(times[.attention] >= 0.02)
        #expect(times[.convolution] > 0)
        let sum = StepTimes.Part.allCases.reduce(0) { $0 + times[$1] }
        #expect(sum <= total / .seconds(1), "what nobody measures counts for no part")
        #expect(times[.convolution] <= total / .seconds(1) - 0.05)
    }

    @Test func errorsEndTheirPart() {
        struct Failure: Error {}
        let times = StepTimes()
        #expect(throws: Failure.self) { try times.measure(.optimizer) { throw Failure() } }
        let before = times[.optimizer]
        times.measure(.waiting) { pause(10_000) }
        #expect(times[.optimizer] == before)
    }

    /// Fails when an operation's forward or backward pass is charged to another part, or measuring changes a result.
    @Test func aTapeChargesItsOperations() {
        Threads.useOne()
        func pass(_ times: StepTimes?) -> [[Float]] {
            let layers = Layers()
            let vector = ParameterVector(layers)
            vector.initialize(seed: 1, model: 0)
            let tape = Tape(recording: true, times: times)
            let x = tape.watch(Tensor((0..<2048).map { Float($0 % 17) }, shape: [2, 16, 8, 8]))
            var y = tape.convolution(x, weight: layers.kernel, bias: nil, padding: Padding(1))
            y = tape.groupNorm(y, groups: 4, weight: layers.scale, bias: layers.shift, epsilon: 1e-5)
            let tokens = tape.linear(tape.tokens(y), weight: layers.square, bias: nil)
            y = tape.add(tape.images(tokens, height: 8, width: 8), x)
            let loss = tape.meanSquaredError(y, Tensor.zeros([2, 16, 8, 8]))
            tape.backward(from: loss)
            return [loss.scalars] + layers.parameters.map(\.gradient)
        }
        let times = StepTimes()
        #expect(pass(times) == pass(nil))
        let used = [StepTimes.Part.convolution, .normalization, .attention, .other]
        for part in used { #expect(times[part] > 0, "\(part)") }
        for part in [StepTimes.Part.optimizer, .communication, .waiting] { #expect(times[part] == 0, "\(part)") }
    }
}
