import Tensor
import TestSupport
import Testing

@Suite struct TensorTests {
    @Test(arguments: [[], [1], [5, 3], [2, 1, 3, 3], [2, 7, 20, 7], [2, 17, 5, 3], [1, 32, 1, 1], [3, 33, 2, 2]])
    func scalarsComeBackInLogicalOrder(_ shape: [Int]) {
        let scalars = (0..<shape.reduce(1, *)).map { Float($0) }
        let tensor = Tensor(scalars, shape: shape)
        #expect(tensor.scalars == scalars)
        #expect(tensor.count == scalars.count)
        #expect(Tensor.zeros(shape).scalars.allSatisfy { $0 == 0 })
    }

    @Test func rejectsScalarsThatDoNotFitTheShape() async {
        await #expect(processExitsWith: .failure) { _ = Tensor([1, 2, 3], shape: [2, 2]) }
    }
}

@Suite struct ParameterVectorTests {
    private struct Names: Module {
        let parameters: [Parameter]
    }

    @Test func parametersLieInBytewiseOrderOfTheirNames() {
        // Bytewise, "Z" comes before "a", "10" before "2", and "e" with an accent (two bytes) after "z".
        let names = ["b.2.weight", "b.10.weight", "a", "Z", "\u{e9}", "z"]
        let parameters = names.enumerated().map { index, name in
            let parameter = Parameter(name: name, shape: [index + 1, 2], initialization: .zeros)
            parameter.values = [Float](repeating: Float(index), count: parameter.count)
            return parameter
        }
        let vector = ParameterVector(Names(parameters: parameters))
        #expect(vector.entries.map(\.name) == ["Z", "a", "b.10.weight", "b.2.weight", "z", "\u{e9}"])
        #expect(vector.entries.map(\.offset) == [0, 8, 14, 18, 20, 32])
        #expect(vector.count == 42)
        #expect(vector.paddedCount == ParameterVector.blockSize && vector.blockCount == 1)
        #expect(vector.values[8] == 2 && vector.values[41] == 4 && vector.values[42] == 0)
        vector.values[8] = 7
        #expect(parameters[2].values == [7, 2, 2, 2, 2, 2])
        parameters[3].values = [Float](repeating: 9, count: 8)
        #expect(vector.values[0] == 9 && vector.values[7] == 9)
    }

    @Test func aVectorIsPaddedToWholeBlocks() {
        let parameter = Parameter(name: "w", shape: [16_385], initialization: .ones)
        let vector = ParameterVector(Names(parameters: [parameter]))
        #expect(vector.paddedCount == 32_768 && vector.blockCount == 2)
        #expect(vector.values[16_384] == 1 && vector.values[16_385] == 0)
        #expect(vector.gradients.count == 32_768)
    }

    @Test func firstValuesFollowTheirDistributions() {
        let uniform = Parameter(name: "uniform", shape: [100, 100], initialization: .uniform(fanIn: 4))
        let normal = Parameter(name: "normal", shape: [100, 100], initialization: .normal(deviation: 3))
        let ones = Parameter(name: "ones", shape: [3], initialization: .ones)
        let zeros = Parameter(name: "zeros", shape: [3], initialization: .zeros)
        zeros.values = [1, 2, 3]
        let vector = ParameterVector(Names(parameters: [uniform, normal, ones, zeros]))
        vector.initialize(seed: 3, model: 1)
        func moments(_ values: [Float]) -> (mean: Double, deviation: Double) {
            let mean = values.reduce(0) { $0 + Double($1) } / Double(values.count)
            let square = values.reduce(0) { $0 + Double($1) * Double($1) } / Double(values.count)
            return (mean, (square - mean * mean).squareRoot())
        }
        #expect(uniform.values.allSatisfy { abs($0) <= 0.5 })
        #expect(abs(moments(uniform.values).mean) < 0.02)
        #expect(abs(moments(uniform.values).deviation - 0.5 / 3.0.squareRoot()) < 0.01)
        #expect(abs(moments(normal.values).mean) < 0.1)
        #expect(abs(moments(normal.values).deviation - 3) < 0.1)
        #expect(ones.values == [1, 1, 1] && zeros.values == [0, 0, 0])

        let first = vector.values.scalars
        vector.initialize(seed: 3, model: 1)
        #expect(vector.values.scalars == first)
        vector.initialize(seed: 3, model: 2)
        #expect(vector.values.scalars != first)
    }

    @Test func rejectsTwoParametersOfOneName() async {
        await #expect(processExitsWith: .failure) {
            let twice = (0..<2).map { _ in Parameter(name: "w", shape: [1], initialization: .zeros) }
            _ = ParameterVector(Names(parameters: twice))
        }
    }
}
