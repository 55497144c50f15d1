import Glibc

extension DirectedConvolution {
    /// How often this process has computed each direction of each convolution.
    package static var uses: [DirectedConvolution: Int] { CompiledConvolutions.uses }

    /// Times this convolution by each algorithm that there is for it, on random values and one thread.
    ///
    /// The algorithms take turns, so that a change of the processor's speed meets all of them, and the thread's own time
    /// counts, which other processes lengthen least. One sample repeats a convolution for at least two milliseconds.
    ///
    /// - Parameter samples: Samples of each algorithm, at least 1; their median counts.
    /// - Returns: Seconds of one execution, by algorithm. In the network's own layouts, with weights and their gradients
    ///   in the parameter's.
    package func seconds(samples: Int) -> [ConvolutionAlgorithm: Double] {
        precondition(samples > 0, "a median needs a sample")
        let arrays = TimedArrays(shape)
        let candidates = ConvolutionAlgorithm.allCases.compactMap { algorithm in
            CompiledConvolutions.compile(self, algorithm).map { (algorithm: algorithm, compiled: $0) }
        }
        func measure(_ compiled: any CompiledConvolution, _ count: Int) -> Double {
            let start = threadSeconds()
            for _ in 0..<count { arrays.run(compiled, direction) }
            return (threadSeconds() - start) / Double(count)
        }
        let counts = candidates.map { candidate in
            _ = measure(candidate.compiled, 1)
            let once = measure(candidate.compiled, 1)
            return max(1, min(10_000, Int((2e-3 / max(once, 1e-7)).rounded(.up))))
        }
        var found = candidates.map { _ in [Double]() }
        for _ in 0..<samples {
            for (index, candidate) in candidates.enumerated() {
                found[index].append(measure(candidate.compiled, counts[index]))
            }
        }
        let medians = found.map { samples in
            let sorted = samples.sorted()
            return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
        }
        return Dictionary(uniqueKeysWithValues: zip(candidates.map(\.algorithm), medians))
    }
}

/// Seconds of processor time that this thread has had.
private func threadSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

/// The arrays of one convolution, for timing it.
private struct TimedArrays {
    let shape: ConvolutionShape
    let source: Tensor
    let result: Tensor
    let weight: Parameter
    let bias: Parameter?

    init(_ shape: ConvolutionShape) {
        func random(_ extents: [Int], _ item: Int) -> [Float] {
            RandomSource(seed: 0, purpose: .testing).normal(count: extents.reduce(1, *), step: 0, item: item)
        }
        self.shape = shape
        source = Tensor(random(shape.source, 0), shape: shape.source)
        result = Tensor(random(shape.result, 1), shape: shape.result)
        weight = Parameter(name: "weight", shape: shape.weights, initialization: .zeros)
        weight.values = random(shape.weights, 2)
        bias = shape.hasBias ? Parameter(name: "bias", shape: [shape.weights[0]], initialization: .zeros) : nil
    }

    func run(_ compiled: any CompiledConvolution, _ direction: ConvolutionDirection) {
        // As in a new step: what a way needs of the weights, it makes.
        weight.valuesChanged()
        switch direction {
        case .forward:
            compiled.forward(source, weight: weight, bias: bias, into: result)
        case .sourceGradient:
            compiled.sourceGradient(result, weight: weight, into: source)
        case .weightsGradient:
            // As the first lane of a step, which writes where later ones add.
            weight.memory.clearGradients()
            bias?.memory.clearGradients()
            compiled.weightsGradient(result, source: source, weight: weight, bias: bias)
        }
    }
}
