extension Tape {
    /// Convolves images with a bank of kernels (cross-correlation, as every network library means it).
    ///
    /// y[n, o, i, j] = bias[o] + sum over c, k, l of weight[o, c, k, l] x[n, c, stride i + k - top, stride j + l - left],
    /// with zeros outside the image.
    ///
    /// - Parameters:
    ///   - x: Images, shape (N, C, H, W).
    ///   - weight: Shape (out, C, kernel height, kernel width).
    ///   - bias: Shape (out), or nil.
    ///   - stride: Step between kernel positions, in pixels, at least 1.
    ///   - padding: Zeros around the image.
    /// - Returns: Shape (N, out, H', W') with H' = floor((H + top + bottom - kernel height) / stride) + 1.
    /// - Complexity: 2 N out C (kernel height) (kernel width) H' W' floating-point operations.
    public func convolution(
        _ x: Tensor, weight: Parameter, bias: Parameter?, stride: Int = 1, padding: Padding
    ) -> Tensor {
        precondition(x.shape.count == 4, "\(weight.name): a convolution takes (N, C, H, W), not \(x.shape)")
        precondition(
            weight.shape.count == 4 && weight.shape[1] == x.shape[1],
            "\(weight.name) of shape \(weight.shape) does not fit images of shape \(x.shape)")
        precondition(
            bias.map { $0.shape == [weight.shape[0]] } ?? true,
            "\(bias?.name ?? "") has shape \(bias?.shape ?? []), expected [\(weight.shape[0])]")
        precondition(stride > 0, "\(weight.name): a stride must be positive, not \(stride)")
        let shape = ConvolutionShape(
            source: x.shape, weights: weight.shape, stride: stride, padding: padding, hasBias: bias != nil)
        precondition(
            shape.result[2] > 0 && shape.result[3] > 0, "\(weight.name) is larger than its padded images \(x.shape)")

        let y = Tensor(uninitialized: shape.result)
        times.measure(.convolution) {
            CompiledConvolutions.of(shape, .forward).forward(x, weight: weight, bias: bias, into: y)
        }
        let saved = SavedTensor(x)
        return record(y, parameters: [weight] + (bias.map { [$0] } ?? []), part: .convolution) { gradient in
            CompiledConvolutions.of(shape, .weightsGradient).weightsGradient(
                gradient, source: saved.tensor, weight: weight, bias: bias)
            saved.finishReading()
            // Nobody wants the gradient of the images at the network's entrance, and it is expensive.
            guard let node = saved.node else { return }
            let dx = Tensor(uninitialized: saved.shape)
            CompiledConvolutions.of(shape, .sourceGradient).sourceGradient(gradient, weight: weight, into: dx)
            node.receive(dx)
        }
    }
}
