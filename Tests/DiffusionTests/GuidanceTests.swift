import Diffusion
import Tensor
import TestSupport
import Testing

@Suite struct GuidanceTests {
    private static let address = TrainingAddress(seed: 7, model: 1, step: 12)
    private static let labels = (0..<4000).map { $0 % 5 }
    private static let items = Array(0..<4000)

    /// Five classes, and one that stands for none.
    private static func network(seed: UInt64) -> UNet2D {
        Threads.useOne()
        let network = UNet2D(
            UNetConfiguration(
                height: 8, width: 8, inChannels: 1, outChannels: 1, channels: [16, 32], layersPerBlock: 1,
                attention: [false, true], normGroups: 4, classCount: 5, hasNullClass: true))
        ParameterVector(network).initialize(seed: seed, model: 0)
        return network
    }

    private static var noisy: Tensor { Tensor(Formula.uniform("noisy", 128).map(Float.init), shape: [2, 1, 8, 8]) }

    @Test func labelsAreDroppedAsOftenAsAskedAndOthersStay() {
        let dropped = ClassDropout(nullClass: 5, probability: 0.3).apply(
            to: Self.labels, items: Self.items, at: Self.address)
        let count = dropped.count { $0 == 5 }
        // Six standard errors.
        #expect(abs(Double(count) - 1200) < 6 * (4000 * 0.3 * 0.7).squareRoot())
        #expect(zip(dropped, Self.labels).allSatisfy { $0 == $1 || $0 == 5 })
        let never = ClassDropout(nullClass: 5, probability: 0)
        #expect(never.apply(to: Self.labels, items: Self.items, at: Self.address) == Self.labels)
    }

    @Test func aLabelsFateDependsOnAddressAndImageAlone() {
        let dropout = ClassDropout(nullClass: 5, probability: 0.5)
        let all = dropout.apply(to: Self.labels, items: Self.items, at: Self.address)
        let some = dropout.apply(to: [Self.labels[90], Self.labels[3]], items: [90, 3], at: Self.address)
        #expect(some == [all[90], all[3]])
        let addresses = [
            Self.address, TrainingAddress(seed: 8, model: 1, step: 12), TrainingAddress(seed: 7, model: 2, step: 12),
            TrainingAddress(seed: 7, model: 1, step: 13),
        ]
        #expect(Set(addresses.map { dropout.apply(to: Self.labels, items: Self.items, at: $0) }).count == 4)
    }

    @Test func theNullClassIsOneMoreRowOfTheEmbedding() throws {
        let network = Self.network(seed: 3)
        #expect(network.parameters.first { $0.name == "class_embedding.weight" }?.shape == [6, 64])
        #expect(network.configuration.nullClass == 5)
        #expect(network.configuration.parameterCount == network.parameters.reduce(0) { $0 + $1.count })
        var configuration = network.configuration
        configuration.hasNullClass = false
        #expect(configuration.nullClass == nil)
        configuration = UNetConfiguration.fashionMNIST
        configuration.hasNullClass = true
        #expect(throws: DiffusionError.self) { try configuration.validate() }
    }

    /// Ho and Salimans 2022, equation 6: (1 + w) conditional - w unconditional, with w = scale - 1.
    @Test(arguments: [0, 1, 1.5, 4]) func guidanceGoesBeyondTheConditionalPrediction(scale: Double) {
        let model = ModelDenoiser(Self.network(seed: 3))
        let guided = GuidedDenoiser(model, nullClass: 5, scale: scale)
            .predict(Self.noisy, timestep: 40, position: 3, labels: [1, 4]).scalars
        let conditional = model.predict(Self.noisy, timestep: 40, position: 3, labels: [1, 4]).scalars
        let null = model.predict(Self.noisy, timestep: 40, position: 3, labels: [5, 5]).scalars
        #expect(conditional != null)
        for index in guided.indices {
            let expected = scale * Double(conditional[index]) + (1 - scale) * Double(null[index])
            #expect(abs(Double(guided[index]) - expected) < 1e-5)
        }
    }

    /// Both predictions come from the model whose turn it is: arXiv 2410.16657, the authors' sampler.
    @Test func guidedModelsTakeTurnsWhole() {
        let guided = [3, 4].map { GuidedDenoiser(ModelDenoiser(Self.network(seed: $0)), nullClass: 5, scale: 2) }
        let dual = AlternatingDenoiser(guided)
        for position in 0..<3 {
            let found = dual.predict(Self.noisy, timestep: 40, position: position, labels: [1, 4]).scalars
            let expected = guided[position % 2].predict(Self.noisy, timestep: 40, position: position, labels: [1, 4])
            #expect(found == expected.scalars)
        }
    }
}
