/// One direction of a convolution with 3x3 kernels by Winograd's algorithm F(4x4, 3x3): a quarter of the multiplications.
///
/// Lavin and Gray 2016, arXiv 1509.09308, section 4, with the points 0, 5/8, -5/8, 3/2, -3/2 and infinity: other roundings than the
/// direct sum, by a relative 1e-6. Weights are read, and their gradients written, in the parameter's own order. The result
/// and the gradient of one image do not depend on the others of its batch.
struct WinogradConvolution: CompiledConvolution {
    private let shape: ConvolutionShape
    let scratchBytes: Int

    var implementation: String { "winograd_4x3" }

    /// Nil where the algorithm does not serve the shape or the processor.
    init?(_ convolution: DirectedConvolution) {
        guard convolution.shape.allowsWinograd else { return nil }
        shape = convolution.shape
        scratchBytes = Kernels.winogradScratchBytes(convolution)
    }

    func forward(_ x: Tensor, weight: Parameter, bias: Parameter?, into y: Tensor) {
        let block = Layout.blockSize
        let result = y.scratch(forBlock: block)
        StoragePool.shared.withScratch(bytes: scratchBytes) {
            Kernels.winogradForward(
                shape, x.converted(toBlock: block), weight: weight, bias: bias, into: result, scratch: $0)
        }
        y.restore(from: result, block: block)
    }

    func sourceGradient(_ gradient: Tensor, weight: Parameter, into dx: Tensor) {
        let block = Layout.blockSize
        let result = dx.scratch(forBlock: block)
        StoragePool.shared.withScratch(bytes: scratchBytes) {
            Kernels.winogradSourceGradient(
                shape, gradient.converted(toBlock: block), weight: weight, into: result, scratch: $0)
        }
        dx.restore(from: result, block: block)
    }

    func weightsGradient(_ gradient: Tensor, source x: Tensor, weight: Parameter, bias: Parameter?) {
        let block = Layout.blockSize
        StoragePool.shared.withScratch(bytes: scratchBytes) {
            Kernels.winogradWeightsGradient(
                shape, x.converted(toBlock: block), gradient: gradient.converted(toBlock: block), weight: weight,
                bias: bias,
                scratch: $0)
        }
    }
}
