import Diffusion
import Foundation
import Tensor
import TestSupport
import Testing

@Suite(.serialized) struct UNetParityTests {
    @Test(arguments: UNetCase.allCases) func outputsAndAllGradientsAreThoseOfPyTorchInDouble(_ example: UNetCase) throws
    {
        let golden = try GoldenFile(named: "unet-\(example.rawValue).golden")
        let data = example.example(batch: golden.header.batch)
        #expect(data.timesteps == golden.header.timesteps)
        #expect(data.labels == golden.header.labels)
        let network = example.network()
        let parity = try Parity(of: network, parameters: ParameterVector(network), on: data, golden: golden)
        #expect(parity.gradients.count == network.parameters.count)
        #expect(parity.output <= 1 && parity.loss <= 1, "output \(parity.output), loss \(parity.loss) of the tolerance")
        let offenders = parity.gradients.filter { !($0.ratio <= 1) }
        #expect(offenders.isEmpty, "gradients of these are off, by so many tolerances: \(offenders)")
        report("\(example.rawValue): output \(parity.output), loss \(parity.loss), gradients \(parity.worst)")
    }

    /// The same without sketches, where a Python with torch and diffusers is at hand (`make parity`).
    @Test(
        .enabled(if: environment["DIPTYCH_TORCH_PYTHON"] != nil, "set DIPTYCH_TORCH_PYTHON, as make parity does"),
        arguments: UNetCase.allCases)
    func wholeGradientsAreThoseOfPyTorchInDouble(_ example: UNetCase) throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).golden")
        defer { try? FileManager.default.removeItem(at: file) }
        try runTorch(["--model", example.rawValue, "--full", file.path])
        let golden = try GoldenFile(contentsOf: file)
        let network = example.network()
        let parity = try Parity(
            of: network, parameters: ParameterVector(network), on: example.example(batch: golden.header.batch),
            golden: golden, sketched: false)
        #expect(parity.holds, "output \(parity.output), loss \(parity.loss), gradients \(parity.worst)")
        report("\(example.rawValue), whole: output \(parity.output), loss \(parity.loss), gradients \(parity.worst)")
    }

    /// Every weight tensor matters to the comparison: a relative change of 1e-2 in any one makes it fail. The biases of
    /// the keys do not matter to the network, and so must not.
    ///
    /// All four networks with DIPTYCH_PERTURB=all; the larger two take minutes.
    @Test(arguments: environment["DIPTYCH_PERTURB"] == "all" ? UNetCase.allCases : [.severalHeads, .classConditional])
    func perturbingAnyOneWeightTensorMakesTheComparisonFail(_ example: UNetCase) throws {
        let golden = try GoldenFile(named: "unet-\(example.rawValue).golden")
        let data = example.example(batch: golden.header.batch)
        let network = example.network()
        let vector = ParameterVector(network)
        var unnoticed: [String] = []
        for parameter in network.parameters {
            let values = parameter.values
            let change = Formula.uniform("change of " + parameter.name, values.count)
            parameter.values = zip(values, change).map { $0 * (1 + 0.01 * Float($1)) }
            if try !Parity.outputDiffers(of: network, on: data, golden: golden),
                try Parity(of: network, parameters: vector, on: data, golden: golden).holds
            {
                unnoticed.append(parameter.name)
            }
            parameter.values = values
        }
        #expect(unnoticed == network.parameters.map(\.name).filter { $0.hasSuffix("to_k.bias") })
    }

    private func runTorch(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(filePath: try #require(environment["DIPTYCH_TORCH_PYTHON"]))
        process.arguments = [GoldenFile.folder.appending(path: "unet.py").path] + arguments
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "unet.py failed")
    }
}

private let environment = ProcessInfo.processInfo.environment

/// Prints measured distances when DIPTYCH_REPORT is set.
private func report(_ line: String) {
    if environment["DIPTYCH_REPORT"] != nil { print(line) }
}
