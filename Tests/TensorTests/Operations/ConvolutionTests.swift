import Tensor
import TestSupport
import Testing

@Suite struct ConvolutionTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let id: String
        let source: [Int]
        let out: Int
        let kernel: Int
        var stride = 1
        var padding = Padding(0)
        var bias = true
        var testDescription: String { id }
    }

    static let cases = [
        Case(id: "1 channel to 1, one pixel", source: [1, 1, 1, 1], out: 1, kernel: 1),
        Case(id: "1 channel, 20x7", source: [2, 1, 20, 7], out: 17, kernel: 3, padding: Padding(1)),
        Case(id: "3 channels to 32", source: [2, 3, 9, 9], out: 32, kernel: 3, padding: Padding(1)),
        Case(id: "32 channels to 3", source: [2, 32, 8, 8], out: 3, kernel: 3, padding: Padding(1)),
        Case(id: "3 channels to 5, kernel 1", source: [2, 3, 5, 4], out: 5, kernel: 1),
        Case(id: "7 channels to 17, 20x7", source: [1, 7, 20, 7], out: 17, kernel: 3, padding: Padding(1)),
        Case(id: "17 channels to 17, 20x7", source: [2, 17, 20, 7], out: 17, kernel: 3, padding: Padding(1)),
        Case(id: "17 channels to 3, kernel 1", source: [3, 17, 5, 7], out: 3, kernel: 1),
        Case(id: "48 channels to 16, kernel 1, no bias", source: [2, 48, 6, 5], out: 16, kernel: 1, bias: false),
        Case(
            id: "stride 2, asymmetric padding", source: [2, 32, 8, 10], out: 32, kernel: 3, stride: 2,
            padding: Padding(top: 0, left: 0, bottom: 1, right: 1)),
        Case(
            id: "17 channels, stride 2, odd image, asymmetric padding", source: [1, 17, 7, 9], out: 20, kernel: 3,
            stride: 2, padding: Padding(top: 0, left: 1, bottom: 1, right: 0)),
        Case(id: "stride 2, padding 1", source: [2, 16, 20, 7], out: 16, kernel: 3, stride: 2, padding: Padding(1)),
        Case(id: "12 images of 8x8", source: [12, 16, 8, 8], out: 32, kernel: 3, padding: Padding(1)),
        Case(id: "4 images of 20x9", source: [4, 32, 20, 9], out: 16, kernel: 3, padding: Padding(1), bias: false),
        Case(id: "16 channels to 3, 16x16", source: [12, 16, 16, 16], out: 3, kernel: 3, padding: Padding(1)),
        Case(
            id: "asymmetric padding", source: [2, 16, 5, 6], out: 24, kernel: 3,
            padding: Padding(top: 0, left: 2, bottom: 1, right: 0)),
        Case(id: "wide padding", source: [1, 16, 4, 4], out: 16, kernel: 3, padding: Padding(3)),
        Case(id: "4x4", source: [2, 32, 4, 4], out: 48, kernel: 3, padding: Padding(1)),
        Case(id: "kernel 5", source: [1, 4, 9, 6], out: 18, kernel: 5, padding: Padding(2)),
    ]

    @Test(arguments: cases) func resultAndGradientsMatchTwin(_ c: Case) {
        let fan = Double(c.source[1] * c.kernel * c.kernel).squareRoot()
        var weight = Doubles(random: [c.out, c.source[1], c.kernel, c.kernel], salt: 2)
        weight.scalars = weight.scalars.map { Double(Float($0 / fan)) }
        let parameters = [weight] + (c.bias ? [Doubles(random: [c.out], salt: 3)] : [])
        GradientCheck(tensors: [Doubles(random: c.source, salt: 1)], parameters: parameters) { tensors, parameters in
            twinConvolution(
                tensors[0], parameters[0], c.bias ? parameters[1] : nil, stride: c.stride, padding: c.padding)
        } operation: { tape, tensors, parameters in
            tape.convolution(
                tensors[0], weight: parameters[0], bias: c.bias ? parameters[1] : nil, stride: c.stride,
                padding: c.padding)
        }.run(absolute: 1e-5)
    }

    @Test func matchesACalculationByHand() {
        // 3x3 image, 2x2 kernel: each result is a + 2b + 3c + 4d of its window, plus 10.
        let weight = Doubles([1, 2, 3, 4], shape: [1, 1, 2, 2]).parameter("weight")
        let bias = Doubles([10], shape: [1]).parameter("bias")
        let x = Tensor([1, 2, 3, 4, 5, 6, 7, 8, 9], shape: [1, 1, 3, 3])
        let y = Tape(recording: false).convolution(x, weight: weight, bias: bias, padding: .none)
        #expect(y.shape == [1, 1, 2, 2])
        #expect(y.scalars == [47, 57, 77, 87])
    }

    @Test func theEntranceComputesNoGradientOfTheImage() {
        let weight = Doubles(random: [16, 3, 3, 3], salt: 1).parameter("weight")
        let x = Doubles(random: [1, 3, 8, 8], salt: 2).tensor
        let tape = Tape(recording: true)
        let y = tape.convolution(x, weight: weight, bias: nil, padding: Padding(1))
        tape.backward(from: tape.meanSquaredError(y, .zeros(y.shape)))
        #expect(tape.gradient(of: x) == nil)
        #expect(weight.gradient.contains { $0 != 0 })
    }

    /// With stride 2, which Winograd does not serve, the weights are copied into another order. Fails when a copy outlives its
    /// values.
    @Test func newValuesReachReorderedWeights() {
        let weight = Doubles(random: [16, 16, 3, 3], salt: 1).parameter("weight")
        let x = Doubles(random: [1, 16, 8, 8], salt: 2).tensor
        let tape = Tape(recording: false)
        func result() -> [Float] {
            tape.convolution(x, weight: weight, bias: nil, stride: 2, padding: Padding(1)).scalars
        }
        let before = result()
        let shape = ConvolutionShape(
            source: x.shape, weights: weight.shape, stride: 2, padding: Padding(1), hasBias: false)
        #expect(shape.implementation(.forward) != "winograd_4x3", "nothing would be copied")
        weight.values = weight.values.map { 2 * $0 }
        expectClose(result(), before.map { 2 * $0 }, absolute: 0, relative: 0)
    }

    @Test(.enabled(if: NumericsProfile.current().kernels >= .avx2, "needs AVX2")) func winogradServesWhatItCan() {
        func usesWinograd(
            from channels: Int = 32, to out: Int = 16, kernel: Int = 3, stride: Int = 1, padding: Int = 1
        ) -> Set<Bool> {
            let shape = ConvolutionShape(
                source: [1, channels, 4, 4], weights: [out, channels, kernel, kernel], stride: stride,
                padding: Padding(padding), hasBias: true)
            return Set(ConvolutionDirection.allCases.map { shape.implementation($0) == "winograd_4x3" })
        }
        #expect(usesWinograd() == [true])
        #expect(usesWinograd(from: 17, to: 3) == [true])
        #expect(usesWinograd(padding: 2) == [true])
        #expect(usesWinograd(from: 3, to: 32) == [false])
        #expect(usesWinograd(kernel: 1, padding: 0) == [false])
        #expect(usesWinograd(stride: 2) == [false])
        #expect(usesWinograd(padding: 3) == [false])
    }

    @Test func rejectsWeightsForOtherChannels() async {
        await #expect(processExitsWith: .failure) {
            let weight = Parameter(name: "weight", shape: [4, 2, 3, 3], initialization: .zeros)
            _ = Tape(recording: false).convolution(.zeros([1, 3, 8, 8]), weight: weight, bias: nil, padding: .none)
        }
    }
}

/// The twin on shaped arrays.
func twinConvolution(_ x: Doubles, _ weight: Doubles, _ bias: Doubles?, stride: Int, padding: Padding) -> Doubles {
    Doubles(
        Twin.convolution(
            x.images, weight: weight.scalars, outputs: weight.shape[0], kernelHeight: weight.shape[2],
            kernelWidth: weight.shape[3], bias: bias?.scalars, stride: stride,
            padding: (padding.top, padding.left, padding.bottom, padding.right)))
}
