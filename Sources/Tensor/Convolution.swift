import Synchronization

/// The directions in which a convolution is computed.
package enum ConvolutionDirection: String, CaseIterable, Sendable {
    case forward
    case sourceGradient = "source_gradient"
    case weightsGradient = "weights_gradient"
}

/// Everything that decides how a convolution is computed.
package struct ConvolutionShape: Hashable, Sendable {
    /// (N, C, H, W).
    package let source: [Int]
    /// (out, C, kernel height, kernel width).
    package let weights: [Int]
    package let stride: Int
    package let padding: Padding
    package let hasBias: Bool

    /// Describes a convolution.
    package init(source: [Int], weights: [Int], stride: Int, padding: Padding, hasBias: Bool) {
        (self.source, self.weights, self.stride) = (source, weights, stride)
        (self.padding, self.hasBias) = (padding, hasBias)
    }

    /// oneDNN's name of the implementation that computes one direction, such as `jit_wino_4x3:avx512_core`.
    package func implementation(_ direction: ConvolutionDirection) -> String {
        CompiledConvolution.of(slices[0].shape, direction).primitive.implementation
    }

    /// Bytes of scratch memory that the greediest direction takes while it runs. Compiles all three.
    package var scratchBytes: Int {
        ConvolutionDirection.allCases
            .map { CompiledConvolution.of(slices[0].shape, $0).primitive.scratchBytes }.max() ?? 0
    }

    /// Winograd's transformed images that may exist at a time, in bytes.
    static let transformedBytes = 40 << 20

    /// Some consecutive images of a batch, which are convolved by themselves.
    package struct Slice: Hashable, Sendable {
        package let firstImage: Int
        package let shape: ConvolutionShape
    }

    /// The batch in as many slices as keep the scratch memory of its 3x3 kernels small: Winograd F(4x4, 3x3) makes 36 numbers of
    /// 16, of source and result. A function of the shape and the instruction set alone. Raise ``NumericsProfile/currentRules`` with every change: the
    /// gradient of the weights is a sum over slices.
    package var slices: [Slice] {
        let transformed = 9 * (source[1] * source[2] * source[3] + weights[0] * result[2] * result[3])
        let isTransformed =
            Kernels.usesAVX512 && weights[2] == 3 && weights[3] == 3 && stride == 1 && source[1] % 16 == 0
            && weights[0] % 16 == 0
        let count = isTransformed ? (source[0] * transformed - 1) / Self.transformedBytes + 1 : 1
        let images = (source[0] + count - 1) / count
        return Swift.stride(from: 0, to: source[0], by: images).map { first in
            Slice(
                firstImage: first,
                shape: ConvolutionShape(
                    source: [min(images, source[0] - first)] + source.dropFirst(), weights: weights, stride: stride,
                    padding: padding, hasBias: hasBias))
        }
    }

    /// (N, out, H', W') with H' = floor((H + top + bottom - kernel height) / stride) + 1.
    package var result: [Int] {
        [
            source[0], weights[0],
            (source[2] + padding.top + padding.bottom - weights[2]) / stride + 1,
            (source[3] + padding.left + padding.right - weights[3]) / stride + 1,
        ]
    }

    /// The rule, where no ``ConvolutionTable`` says otherwise: Winograd F(4x4, 3x3) with AVX-512 for 3x3 kernels of
    /// stride 1 from channels in multiples of 16 to such or to fewer than 16, when the lane's results have enough tiles of
    /// 4x4 pixels to pay for the transformation of the weights; direct convolution otherwise.
    ///
    /// Measured on 32 to 512 channels, 4x4 to 32x32 pixels and 1 to 16 images: Winograd wins from 48 tiles on, for the gradient
    /// of the weights from 32, or from 16 with many channels, and from 192 where most of a block of results is padding.
    /// Raise ``NumericsProfile/currentRules`` with every change: it changes results.
    func prefersWinograd(_ direction: ConvolutionDirection) -> Bool {
        let tiles = result[0] * ((result[2] + 3) / 4) * ((result[3] + 3) / 4)
        let least = direction != .weightsGradient ? 48 : source[1] >= 128 ? 16 : 32
        return Kernels.usesAVX512 && weights[2] == 3 && weights[3] == 3 && stride == 1 && source[1] % 16 == 0
            && (weights[0] % 16 == 0 ? tiles >= least : weights[0] < 16 && tiles >= 192)
    }

    /// Channel blocks of the source: oneDNN's first-layer kernels read up to three plain channels; everything else
    /// wants full blocks.
    func sourceBlock(_ direction: ConvolutionDirection) -> Int {
        let isFirstLayer = source[1] <= 3 && weights[2] > 1 && direction != .sourceGradient
        return isFirstLayer ? 1 : Layout.blockSize
    }
}

/// Weights in an order that oneDNN asked for.
struct ReorderedWeights {
    let memory: OneDNN.MemoryDescriptor
    let storage: Storage
}

/// One direction of a convolution, compiled for one shape and kept for the life of the process.
final class CompiledConvolution: Sendable {
    let primitive: OneDNN.Primitive
    /// Between the parameter's row-major order and the primitive's; nil where both are the same.
    let weightsReorder: OneDNN.Reorder?
    /// As above, adding to the gradient that is there.
    let addingReorder: OneDNN.Reorder?

    private static let cache = Mutex<[DirectedConvolution: (compiled: CompiledConvolution, uses: Int)]>([:])

    /// How often each compiled convolution was asked for.
    static var uses: [DirectedConvolution: Int] { cache.withLock { $0.mapValues(\.uses) } }

    /// The compiled convolution of a shape, from the cache or new.
    static func of(_ shape: ConvolutionShape, _ direction: ConvolutionDirection) -> CompiledConvolution {
        cache.withLock { cache in
            let convolution = DirectedConvolution(shape, direction)
            if let found = cache[convolution]?.compiled {
                cache[convolution]?.uses += 1
                return found
            }
            let algorithm = ConvolutionTable.algorithm(for: convolution)
            guard
                let compiled = CompiledConvolution(convolution, algorithm)
                    ?? CompiledConvolution(convolution, .direct)
            else { fatalError("oneDNN has no \(direction) of \(shape)") }
            cache[convolution] = (compiled, 1)
            return compiled
        }
    }

    /// Compiles a convolution; nil when oneDNN has no such algorithm for it.
    init?(_ convolution: DirectedConvolution, _ algorithm: ConvolutionAlgorithm) {
        let (shape, direction) = (convolution.shape, convolution.direction)
        guard let primitive = OneDNN.convolution(direction, of: shape, algorithm: algorithm) else { return nil }
        self.primitive = primitive
        let plain = OneDNN.MemoryDescriptor.plain(shape.weights)
        let wanted = primitive.memory(direction == .weightsGradient ? .weightsGradient : .weights)
        guard wanted != plain || direction == .weightsGradient else {
            (weightsReorder, addingReorder) = (nil, nil)
            return
        }
        switch direction {
        case .forward, .sourceGradient:
            weightsReorder = OneDNN.Reorder(from: plain, to: wanted)
            addingReorder = nil
        case .weightsGradient:
            weightsReorder = wanted == plain ? nil : OneDNN.Reorder(from: wanted, to: plain)
            addingReorder = OneDNN.Reorder(from: wanted, to: plain, adds: true)
        }
    }

    // MARK: Execution
    // Pointers do not keep their storage: whatever only this function holds is held until oneDNN has read it.

    /// y = x * weight + bias, for the images from `first` on that this is compiled for; as the next two.
    func forward(
        _ x: Tensor, from first: Int = 0, weight: Parameter, bias: Parameter?, sourceBlock: Int, into y: Tensor
    ) {
        let source = x.converted(toBlock: sourceBlock)
        let result = y.scratch(forBlock: Layout.blockSize)
        var arrays: [(OneDNN.Role, UnsafeMutablePointer<Float>)] = [
            (.source, source.unsafeElements(fromImage: first, of: x)),
            (.result, result.unsafeElements(fromImage: first, of: y)),
        ]
        if let bias { arrays.append((.bias, bias.unsafeValues)) }
        withExtendedLifetime(source) { withWeights(weight) { primitive.run(arrays + [(.weights, $0)]) } }
        y.restore(from: result, block: Layout.blockSize)
    }

    /// The gradient of x.
    func sourceGradient(
        _ gradient: Tensor, from first: Int = 0, weight: Parameter, sourceBlock: Int, into dx: Tensor
    ) {
        let incoming = gradient.converted(toBlock: Layout.blockSize)
        let result = dx.scratch(forBlock: sourceBlock)
        withExtendedLifetime(incoming) {
            withWeights(weight) {
                primitive.run([
                    (.resultGradient, incoming.unsafeElements(fromImage: first, of: gradient)), (.weights, $0),
                    (.sourceGradient, result.unsafeElements(fromImage: first, of: dx)),
                ])
            }
        }
        dx.restore(from: result, block: sourceBlock)
    }

    /// Adds the gradients of weight and bias to theirs.
    func weightsGradient(
        _ gradient: Tensor, from first: Int = 0, source x: Tensor, weight: Parameter, bias: Parameter?, sourceBlock: Int
    ) {
        let source = x.converted(toBlock: sourceBlock)
        let incoming = gradient.converted(toBlock: Layout.blockSize)
        let target = weight.takeUnsafeGradient()
        let reorder = target.adds ? addingReorder : weightsReorder
        let computed = reorder.map { Storage(count: $0.source.count) }
        var arrays: [(OneDNN.Role, UnsafeMutablePointer<Float>)] = [
            (.source, source.unsafeElements(fromImage: first, of: x)),
            (.resultGradient, incoming.unsafeElements(fromImage: first, of: gradient)),
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

    /// The weights as the primitive wants them, reordered at most once for each change of the values.
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

extension Storage {
    /// The memory of a tensor's images from one on; an image's scalars lie together in every layout.
    fileprivate func unsafeElements(fromImage first: Int, of x: Tensor) -> UnsafeMutablePointer<Float> {
        unsafeElements + count / x.shape[0] * first
    }
}
