import CKernels

/// Winograd's convolution. Images are storages in full blocks of channels, see ``Layout/blockSize``.
extension Kernels {
    /// Bytes of scratch memory for one direction.
    static func winogradScratchBytes(_ convolution: DirectedConvolution) -> Int {
        var shape = diptych_winograd_shape(convolution.shape)
        let direction =
            switch convolution.direction {
            case .forward: diptych_winograd_result
            case .sourceGradient: diptych_winograd_of_source
            case .weightsGradient: diptych_winograd_of_weights
            }
        return diptych_winograd_scratch_floats(&shape, direction) * MemoryLayout<Float>.stride
    }

    static func winogradForward(
        _ convolution: ConvolutionShape, _ source: Storage, weight: Parameter, bias: Parameter?, into result: Storage,
        scratch: UnsafeMutableRawPointer
    ) {
        var shape = diptych_winograd_shape(convolution)
        diptych_winograd_forward(
            &shape, source.unsafeElements, weight.unsafeValues, bias?.unsafeValues, result.unsafeElements,
            scratch.assumingMemoryBound(to: Float.self))
        withExtendedLifetime(source) {}
    }

    static func winogradSourceGradient(
        _ convolution: ConvolutionShape, _ gradient: Storage, weight: Parameter, into result: Storage,
        scratch: UnsafeMutableRawPointer
    ) {
        var shape = diptych_winograd_shape(convolution)
        diptych_winograd_source_gradient(
            &shape, gradient.unsafeElements, weight.unsafeValues, result.unsafeElements,
            scratch.assumingMemoryBound(to: Float.self))
        withExtendedLifetime(gradient) {}
    }

    static func winogradWeightsGradient(
        _ convolution: ConvolutionShape, _ source: Storage, gradient: Storage, weight: Parameter, bias: Parameter?,
        scratch: UnsafeMutableRawPointer
    ) {
        var shape = diptych_winograd_shape(convolution)
        let target = weight.takeUnsafeGradient()
        let biasTarget = bias?.takeUnsafeGradient()
        diptych_winograd_weights_gradient(
            &shape, source.unsafeElements, gradient.unsafeElements, target.elements, target.adds, biasTarget?.elements,
            biasTarget?.adds ?? false, scratch.assumingMemoryBound(to: Float.self))
        withExtendedLifetime((source, gradient)) {}
    }
}

extension diptych_winograd_shape {
    fileprivate init(_ convolution: ConvolutionShape) {
        self.init(
            images: convolution.source[0], channels: convolution.source[1], filters: convolution.weights[0],
            height: convolution.source[2], width: convolution.source[3], top: convolution.padding.top,
            left: convolution.padding.left, result_height: convolution.result[2], result_width: convolution.result[3])
    }
}
