import Diffusion
import Foundation
import Jobs
import Tensor

/// Finds the convolutions of a network and times each by every algorithm that there is; on one rank.
package struct Tuning {
    /// A pass through the network that a job makes again and again.
    package struct Pass: Hashable, Sendable {
        /// What it is part of.
        package var name: String
        /// Images computed together.
        package var images: Int
        /// Whether gradients are computed, too.
        package var isTraining: Bool
        /// Further networks that predict on the same images: the teachers of a lane in distillation.
        package var teachers: Int

        /// Describes a pass.
        package init(name: String, images: Int, isTraining: Bool, teachers: Int = 0) {
            (self.name, self.images, self.isTraining, self.teachers) = (name, images, isTraining, teachers)
        }
    }

    /// The rule's choice stays unless another algorithm takes this much less time; smaller differences change with the
    /// weather.
    static let margin = 0.03

    /// The network.
    package var network: UNetConfiguration
    /// The passes whose convolutions count.
    package var passes: [Pass]
    /// Timed samples of each convolution and algorithm.
    package var samples: Int
    /// Told how many convolutions of how many are timed.
    package var progress: (Int, Int) -> Void = { _, _ in }

    /// Describes a measurement.
    package init(network: UNetConfiguration, passes: [Pass], samples: Int) {
        (self.network, self.passes, self.samples) = (network, passes, samples)
    }

    /// Measures.
    ///
    /// - Returns: For each convolution the fastest algorithm, with the times.
    package func run() -> ConvolutionFile {
        let uses = passes.map(uses)
        let all = uses.reduce(into: Set<DirectedConvolution>()) { $0.formUnion($1.keys) }
        let entries = all.enumerated().map { number, convolution in
            defer { progress(number + 1, all.count) }
            return entry(for: convolution)
        }
        let byConvolution = Dictionary(uniqueKeysWithValues: entries.map { ($0.convolution, $0) })
        let totals = zip(passes, uses).map { pass, uses in
            func total(_ choice: (ConvolutionFile.Entry) -> ConvolutionAlgorithm?) -> Double {
                rounded(
                    uses.reduce(0) { sum, use in
                        guard let entry = byConvolution[use.key], let algorithm = choice(entry) else { return sum }
                        return sum + Double(use.value) * (entry.milliseconds[algorithm] ?? 0)
                    })
            }
            return ConvolutionFile.Pass(
                name: pass.name, images: pass.images, rule: total(\.rule), table: total(\.algorithm))
        }
        return ConvolutionFile(machine: Self.machine, passes: totals, entries: entries)
    }

    private func entry(for convolution: DirectedConvolution) -> ConvolutionFile.Entry {
        let times = convolution.seconds(samples: samples).mapValues { rounded($0 * 1e3) }
        let rule = convolution.rule
        let ruleTime = times[rule] ?? .infinity
        let best = ConvolutionAlgorithm.allCases.min { times[$0] ?? .infinity < times[$1] ?? .infinity } ?? rule
        let isWorthIt = (times[best] ?? .infinity) < (1 - Self.margin) * ruleTime
        return ConvolutionFile.Entry(convolution, isWorthIt ? best : rule, rule: rule, milliseconds: times)
    }

    /// To tenths of a microsecond: what follows is noise.
    private func rounded(_ milliseconds: Double) -> Double { (milliseconds * 1e4).rounded() / 1e4 }

    // MARK: Passes

    /// How often a pass computes each convolution: found by making it once.
    private func uses(of pass: Pass) -> [DirectedConvolution: Int] {
        var sum = counted { predict(images: pass.images, recording: pass.isTraining) }
        if pass.teachers > 0 {
            let teacher = counted { predict(images: pass.images, recording: false) }
            sum.merge(teacher.mapValues { $0 * pass.teachers }, uniquingKeysWith: +)
        }
        return sum
    }

    private func counted(_ body: () -> Void) -> [DirectedConvolution: Int] {
        let before = DirectedConvolution.uses
        body()
        return DirectedConvolution.uses.merging(before, uniquingKeysWith: -).filter { $0.value > 0 }
    }

    private func predict(images: Int, recording: Bool) {
        let model = UNet2D(network)
        ParameterVector(model).initialize(seed: 0, model: 0)
        let x = Tensor.zeros([images, network.inChannels, network.height, network.width])
        let tape = Tape(recording: recording)
        let y = model(
            x, timesteps: [Int](repeating: 0, count: images),
            labels: network.classCount.map { _ in [Int](repeating: 0, count: images) }, on: tape)
        if recording { tape.backward(from: tape.meanSquaredError(y, .zeros(y.shape))) }
    }

    // MARK: Machine

    private static var machine: [ConvolutionFile.Fact] {
        let profile = NumericsProfile.current()
        return [
            .init("program", programVersion), .init("processor", processor), .init("kernels", profile.kernels.rawValue),
            .init("onednn", profile.oneDNN), .init("onednn_instructions", profile.oneDNNInstructions),
            .init("level_1_data_cache", "\(profile.level1DataCache)"),
            .init("level_2_cache", "\(profile.level2Cache)"), .init("level_3_cache", "\(profile.level3Cache)"),
            .init("c_library", profile.cLibrary),
        ]
    }

    /// The processor's name as the system gives it.
    private static var processor: String {
        let text = (try? FileBytes.read("/proc/cpuinfo")).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
        let name = line?.split(separator: ":", maxSplits: 1).last?.trimmingCharacters(in: .whitespaces) ?? ""
        return name.isEmpty ? "unknown" : name
    }
}

extension Job {
    /// The passes that a run of this job makes through its network.
    package var tuningPasses: [Tuning.Pass] {
        var passes = [Tuning.Pass(name: Phase.teach.rawValue, images: teach.imagesPerLane, isTraining: true)]
        if student != nil {
            passes.append(
                Tuning.Pass(
                    name: Phase.distill.rawValue, images: distill.imagesPerLane, isTraining: true,
                    teachers: taughtModels.count - 1))
        }
        return passes + [Tuning.Pass(name: Phase.sample.rawValue, images: sample.batch, isTraining: false)]
    }
}
