import Tensor
import TestSupport
import Testing

/// Algorithms chosen by a table. In processes of their own: a table is for the life of a process.
@Suite struct ConvolutionTableTests {
    /// Fails when the table is not asked, when it stands in for the rule where it has no entry, or is not recorded.
    @Test func aTableChoosesWhereItHasAnEntry() async {
        await #expect(processExitsWith: .success) {
            let (named, other) = (shape(images: 12), shape(images: 7))
            let algorithms: [DirectedConvolution: ConvolutionAlgorithm] = [
                DirectedConvolution(named, .forward): .direct, DirectedConvolution(other, .sourceGradient): .direct,
            ]
            let table = ConvolutionTable(algorithms: algorithms, sha256: "abc")
            ConvolutionTable.install(table)
            expect(NumericsProfile.current().convolutions == "abc", "the profile does not name the table")
            expect(!named.implementation(.forward).contains("wino"), named.implementation(.forward))
            expect(!other.implementation(.sourceGradient).contains("wino"), other.implementation(.sourceGradient))
            guard NumericsProfile.current().kernels >= .avx2 else { return }
            expect(table.unavailable.isEmpty, "\(table.unavailable)")
            expect(named.implementation(.sourceGradient).contains("wino"), named.implementation(.sourceGradient))
            expect(other.implementation(.forward).contains("wino"), other.implementation(.forward))
        }
    }

    /// Winograd where the rule would not have it: from three channels.
    @Test(.enabled(if: NumericsProfile.current().kernels >= .avx2, "needs AVX2"))
    func whatATableChoosesIsCorrect() async {
        await #expect(processExitsWith: .success) {
            let source = [2, 3, 9, 7]
            let shape = ConvolutionShape(
                source: source, weights: [16, 3, 3, 3], stride: 1, padding: Padding(1), hasBias: true)
            let all = ConvolutionDirection.allCases.map {
                (DirectedConvolution(shape, $0), ConvolutionAlgorithm.winograd)
            }
            expect(all.allSatisfy { $0.0.rule == .direct }, "the rule chooses Winograd, too")
            ConvolutionTable.install(ConvolutionTable(algorithms: Dictionary(uniqueKeysWithValues: all), sha256: "w"))
            for direction in ConvolutionDirection.allCases {
                expect(shape.implementation(direction).contains("wino"), shape.implementation(direction))
            }
            var weight = Doubles(random: shape.weights, salt: 2)
            weight.scalars = weight.scalars.map { Double(Float($0 / 5)) }
            GradientCheck(
                tensors: [Doubles(random: source, salt: 1)], parameters: [weight, Doubles(random: [16], salt: 3)]
            ) { tensors, parameters in
                twinConvolution(tensors[0], parameters[0], parameters[1], stride: 1, padding: Padding(1))
            } operation: { tape, tensors, parameters in
                tape.convolution(tensors[0], weight: parameters[0], bias: parameters[1], padding: Padding(1))
            }.run(absolute: 1e-5)
        }
    }

    @Test func theSameTableMayBeInstalledAgain() async {
        await #expect(processExitsWith: .success) {
            ConvolutionTable.install(table("a"))
            ConvolutionTable.install(table("a"))
            _ = shape(images: 1).implementation(.forward)
            ConvolutionTable.install(table("a"))
        }
        await #expect(processExitsWith: .success) {
            ConvolutionTable.install(nil)
            _ = shape(images: 1).implementation(.forward)
            ConvolutionTable.install(nil)
        }
    }

    @Test func anotherTableIsRefused() async {
        await #expect(processExitsWith: .failure) {
            ConvolutionTable.install(table("a"))
            ConvolutionTable.install(table("b"))
        }
        await #expect(processExitsWith: .failure) {
            ConvolutionTable.install(table("a"))
            ConvolutionTable.install(nil)
        }
    }

    @Test func aTableAfterTheFirstConvolutionIsRefused() async {
        await #expect(processExitsWith: .failure) {
            _ = shape(images: 1).implementation(.forward)
            ConvolutionTable.install(table("a"))
        }
    }

    @Test func whatCannotBeHadIsNamed() {
        let small = DirectedConvolution(
            ConvolutionShape(
                source: [1, 16, 4, 4], weights: [16, 16, 1, 1], stride: 1, padding: .none, hasBias: false),
            .forward)
        #expect(ConvolutionTable(algorithms: [small: .winograd], sha256: "").unavailable == [small])
        #expect(ConvolutionTable(algorithms: [small: .direct], sha256: "").unavailable.isEmpty)
    }

    @Test(arguments: ConvolutionDirection.allCases) func everyOfferedAlgorithmIsTimed(direction: ConvolutionDirection) {
        Threads.useOne()
        let convolution = DirectedConvolution(shape(images: 2), direction)
        let before = DirectedConvolution.uses[convolution] ?? 0
        let times = convolution.seconds(samples: 2)
        let offered: Set<ConvolutionAlgorithm> =
            NumericsProfile.current().kernels >= .avx2 ? [.direct, .winograd] : [.direct]
        #expect(Set(times.keys) == offered)
        #expect(times.values.allSatisfy { $0 > 0 && $0 < 1 })
        #expect((DirectedConvolution.uses[convolution] ?? 0) == before, "timing counts as no use")
        _ = convolution.shape.implementation(direction)
        #expect((DirectedConvolution.uses[convolution] ?? 0) > before)
    }
}

/// Ends the process unless a condition holds: a precondition's message is left out of an optimized build.
private func expect(_ condition: Bool, _ message: String) {
    if !condition { fatalError(message) }
}

private func shape(images: Int) -> ConvolutionShape {
    ConvolutionShape(
        source: [images, 32, 8, 8], weights: [16, 32, 3, 3], stride: 1, padding: Padding(1), hasBias: true)
}

private func table(_ name: String) -> ConvolutionTable {
    ConvolutionTable(algorithms: [DirectedConvolution(shape(images: 3), .forward): .direct], sha256: name)
}
