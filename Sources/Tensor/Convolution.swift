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

    /// The name of what computes one direction: `winograd_4x3`, or oneDNN's, such as `jit:avx512_core`.
    package func implementation(_ direction: ConvolutionDirection) -> String {
        CompiledConvolutions.of(self, direction).implementation
    }

    /// Bytes of scratch memory that the greediest direction takes while it runs. Compiles all three.
    package var scratchBytes: Int {
        ConvolutionDirection.allCases.map { CompiledConvolutions.of(self, $0).scratchBytes }.max() ?? 0
    }

    /// (N, out, H', W') with H' = floor((H + top + bottom - kernel height) / stride) + 1.
    package var result: [Int] {
        [
            source[0], weights[0],
            (source[2] + padding.top + padding.bottom - weights[2]) / stride + 1,
            (source[3] + padding.left + padding.right - weights[3]) / stride + 1,
        ]
    }

    /// Whether Winograd's algorithm can compute this on this processor.
    var allowsWinograd: Bool {
        InstructionSet.ofKernels >= .avx2 && weights[2] == 3 && weights[3] == 3 && stride == 1
            && max(padding.top, padding.left, padding.bottom, padding.right) <= 2
            && min(source[0], result[2], result[3]) > 0
    }

    /// The rule, where no ``ConvolutionTable`` says otherwise: Winograd F(4x4, 3x3) wherever it can be had, but for images of
    /// few channels, such as those at the network's entrance, of which it would compute a whole block.
    ///
    /// Measured with AVX-512 on 16 to 256 channels, 4x4 to 32x32 pixels and 1 to 16 images, both with weights in the parameter's
    /// order: it takes between 0.27 and 0.94 of the direct convolution's time, at 2x2 pixels between 0.65 and 1.1. Raise
    /// ``NumericsProfile/currentRules`` with every change: it changes results.
    var prefersWinograd: Bool { allowsWinograd && source[1] >= Layout.blockSize }
}

/// One direction of a convolution, made ready for one shape.
protocol CompiledConvolution: Sendable {
    /// The name of the implementation.
    var implementation: String { get }
    /// Bytes of scratch memory while it runs.
    var scratchBytes: Int { get }
    /// y = x * weight + bias, if the direction is forward; as the next two.
    func forward(_ x: Tensor, weight: Parameter, bias: Parameter?, into y: Tensor)
    /// The gradient of x.
    func sourceGradient(_ gradient: Tensor, weight: Parameter, into dx: Tensor)
    /// Adds the gradients of weight and bias to theirs.
    func weightsGradient(_ gradient: Tensor, source x: Tensor, weight: Parameter, bias: Parameter?)
}

/// The compiled convolutions, kept for the life of the process.
enum CompiledConvolutions {
    private static let cache = Mutex<[DirectedConvolution: (compiled: any CompiledConvolution, uses: Int)]>([:])

    /// How often each compiled convolution was asked for.
    static var uses: [DirectedConvolution: Int] { cache.withLock { $0.mapValues(\.uses) } }

    /// The compiled convolution of a shape, from the cache or new.
    static func of(_ shape: ConvolutionShape, _ direction: ConvolutionDirection) -> any CompiledConvolution {
        cache.withLock { cache in
            let convolution = DirectedConvolution(shape, direction)
            if let found = cache[convolution]?.compiled {
                cache[convolution]?.uses += 1
                return found
            }
            let algorithm = ConvolutionTable.algorithm(for: convolution)
            let compiled = compile(convolution, algorithm) ?? DirectConvolution(convolution)
            cache[convolution] = (compiled, 1)
            return compiled
        }
    }

    /// Compiles a convolution; nil when this processor has no such algorithm for it.
    static func compile(
        _ convolution: DirectedConvolution, _ algorithm: ConvolutionAlgorithm
    ) -> (any CompiledConvolution)? {
        switch algorithm {
        case .direct: DirectConvolution(convolution)
        case .winograd: WinogradConvolution(convolution)
        }
    }
}
