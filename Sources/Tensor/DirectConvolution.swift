/// One direction of a convolution by oneDNN, as the sum is written.
final class DirectConvolution: CompiledConvolution {
    private let primitive: OneDNN.Primitive
    /// Channels side by side in the source as the primitive reads it.
    private let sourceBlock: Int
    /// Between the parameter's row-major order and the primitive's; nil where both are the same.
    private let weightsReorder: OneDNN.Reorder?
    /// As above, adding to the gradient that is there.
    private let addingReorder: OneDNN.Reorder?

    var implementation: String { primitive.implementation }
    var scratchBytes: Int { primitive.scratchBytes }

    /// Compiles a convolution.
    init(_ convolution: DirectedConvolution) {
        let (shape, direction) = (convolution.shape, convolution.direction)
        sourceBlock = Self.sourceBlock(shape, direction)
        primitive = OneDNN.convolution(direction, of: shape, sourceBlock: sourceBlock)
        let plain = OneDNN.MemoryDescriptor.plain(shape.weights)
        let wanted = primitive.memory(direction == .weightsGradient ? .weightsGradient : .weights)
        switch direction {
        case .forward, .sourceGradient:
            weightsReorder = wanted == plain ? nil : OneDNN.Reorder(from: plain, to: wanted)
            addingReorder = nil
        case .weightsGradient:
            weightsReorder = wanted == plain ? nil : OneDNN.Reorder(from: wanted, to: plain)
            addingReorder = OneDNN.Reorder(from: wanted, to: plain, adds: true)
        }
    }

    /// oneDNN's first-layer kernels read up to three plain channels; everything else wants full blocks.
    private static func sourceBlock(_ shape: ConvolutionShape, _ direction: ConvolutionDirection) -> Int {
        let isFirstLayer = shape.source[1] <= 3 && shape.weights[2] > 1 && direction != .sourceGradient
        return isFirstLayer ? 1 : Layout.blockSize
    }

    // MARK: Execution
    // Pointers do not keep their storage: whatever only this function holds is held until oneDNN has read it.

    func forward(_ x: Tensor, weight: Parameter, bias: Parameter?, into y: Tensor) {
        let source = x.converted(toBlock: sourceBlock)
        let result = y.scratch(forBlock: Layout.blockSize)
        var arrays: [(OneDNN.Role, UnsafeMutablePointer<Float>)] = [
            (.source, source.unsafeElements), (.result, result.unsafeElements),
        ]
        if let bias { arrays.append((.bias, bias.unsafeValues)) }
        withExtendedLifetime(source) { withWeights(weight) { primitive.run(arrays + [(.weights, $0)]) } }
        y.restore(from: result, block: Layout.blockSize)
    }

    func sourceGradient(_ gradient: Tensor, weight: Parameter, into dx: Tensor) {
        let incoming = gradient.converted(toBlock: Layout.blockSize)
        let result = dx.scratch(forBlock: sourceBlock)
        withExtendedLifetime(incoming) {
            withWeights(weight) {
                primitive.run([
                    (.resultGradient, incoming.unsafeElements), (.weights, $0),
                    (.sourceGradient, result.unsafeElements),
                ])
            }
        }
        dx.restore(from: result, block: sourceBlock)
    }

    func weightsGradient(_ gradient: Tensor, source x: Tensor, weight: Parameter, bias: Parameter?) {
        let source = x.converted(toBlock: sourceBlock)
        let incoming = gradient.converted(toBlock: Layout.blockSize)
        let target = weight.takeUnsafeGradient()
        let reorder = target.adds ? addingReorder : weightsReorder
        let computed = reorder.map { Storage(count: $0.source.count) }
        var arrays: [(OneDNN.Role, UnsafeMutablePointer<Float>)] = [
            (.source, source.unsafeElements), (.resultGradient, incoming.unsafeElements),
            (.weightsGradient, computed?.unsafeElements ?? target.elements),
        ]
        let biasTarget = bias?.takeUnsafeGradient()
        let computedBias = (biasTarget?.adds ?? false) ? bias.map { Storage(count: $0.count) } : nil
        if let biasTarget { arrays.append((.biasGradient, computedBias?.unsafeElements ?? biasTarget.elements)) }
        withExtendedLifetime((source, incoming, computed, computedBias)) {
            primitive.run(arrays)
            if let reorder, let computed { reorder.run(from: computed.unsafeElements, to: target.elements) }
            if let biasTarget, let computedBias { Kernels.accumulate(computedBias, into: biasTarget.elements) }
        }
    }

    /// The weights as the primitive wants them; reordered once for each change of the values where copies are kept.
    private func withWeights(_ weight: Parameter, _ body: (UnsafeMutablePointer<Float>) -> Void) {
        guard let reorder = weightsReorder else { return body(weight.unsafeValues) }
        if let known = weight.reorderedValues.first(where: { $0.memory == reorder.target }) {
            return body(known.storage.unsafeElements)
        }
        let storage = Storage(count: reorder.target.count)
        reorder.run(from: weight.unsafeValues, to: storage.unsafeElements)
        weight.keep(ReorderedWeights(memory: reorder.target, storage: storage))
        withExtendedLifetime(storage) { body(storage.unsafeElements) }
    }
}

/// Weights in an order that oneDNN asked for.
struct ReorderedWeights {
    let memory: OneDNN.MemoryDescriptor
    let storage: Storage
}
