import Diffusion
import Tensor
import Testing

@Suite struct UNetStructureTests {
    @Test(arguments: UNetCase.allCases) func parametersAreThoseOfDiffusersByNameShapeAndOrder(_ example: UNetCase)
        throws
    {
        let header = try GoldenFile(named: "unet-\(example.rawValue).golden").header
        let network = UNet2D(example.configuration)
        #expect(network.parameters.map(\.name) == header.parameters)
        #expect(network.parameters.map(\.shape) == header.shapes)
    }

    @Test(arguments: UNetCase.allCases) func costIsReckonedWithoutBuilding(_ example: UNetCase) throws {
        let header = try GoldenFile(named: "unet-\(example.rawValue).golden").header
        let cost = example.configuration.cost
        #expect(cost.parameters == header.shapes.reduce(0) { $0 + $1.reduce(1, *) })
        #expect(cost.parameters == example.configuration.parameterCount)
        #expect(cost.layerMultiplyAdds == header.convolution_and_linear_multiply_adds_per_image)
        #expect(cost.multiplyAdds > cost.layerMultiplyAdds)
    }

    @Test func presetsHaveTheirKnownSizes() {
        #expect(UNetConfiguration.ddpmCIFAR10.parameterCount == 35_746_307)
        #expect(UNetConfiguration.fashionMNIST.parameterCount == 1_623_169)
    }

    @Test func invalidOptionsAreNamedWithTheirValue() {
        func problem(_ change: (inout UNetConfiguration) -> Void) -> String {
            var configuration = UNetConfiguration.fashionMNIST
            change(&configuration)
            do {
                try configuration.validate()
                return "none"
            } catch {
                return "\(error)"
            }
        }
        #expect(problem { _ in } == "none")
        #expect(problem { $0.normGroups = 7 }.contains("multiples of normGroups (7), not 32"))
        #expect(problem { $0.attention = [true] }.contains("attention has 1 levels, channels 3"))
        #expect(problem { $0.attentionHeadDimension = 5 }.contains("attentionHeadDimension (5) channels, not 64"))
        #expect(problem { $0.dropout = 1 }.contains("dropout must be in [0, 1), not 1.0"))
        #expect(problem { $0.classCount = 0 }.contains("classCount must be at least 1, not 0"))
        #expect(problem { $0.normEpsilon = .nan }.contains("normEpsilon must be in (0, 1), not nan"))
        #expect(problem { $0.downsamplePadding = 2 }.contains("downsamplePadding must be 0 or 1, not 2"))
        #expect(
            problem {
                $0.channels = [8, 8, 8, 8, 8, 8, 8]
                $0.attention = [Bool](repeating: false, count: 7)
                $0.downsamplePadding = 0
            }.contains("28x28 images are too small for 7 levels"))
    }
}
