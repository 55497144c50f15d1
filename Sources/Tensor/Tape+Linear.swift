extension Tape {
    /// y = x weight^T + bias, for every row.
    ///
    /// - Parameters:
    ///   - x: Shape (..., in).
    ///   - weight: Shape (out, in).
    ///   - bias: Shape (out), or nil.
    /// - Returns: Shape (..., out).
    /// - Complexity: 2 rows in out floating-point operations.
    public func linear(_ x: Tensor, weight: Parameter, bias: Parameter?) -> Tensor {
        precondition(
            weight.shape.count == 2 && x.shape.last == weight.shape[1] && x.layout == .plain,
            "\(weight.name) of shape \(weight.shape) does not fit rows of shape \(x.shape)")
        precondition(
            bias.map { $0.shape == [weight.shape[0]] } ?? true,
            "\(bias?.name ?? "") has shape \(bias?.shape ?? []), expected [\(weight.shape[0])]")
        let y = Tensor(uninitialized: x.shape.dropLast() + [weight.shape[0]])
        precondition(y.layout == .plain, "\(weight.name): rows of shape \(x.shape) would be taken for images")
        times.measure(.attention) {
            OneDNN.multiply(x.rows, weight.valueMatrix.transposed, into: y.rows)
            if let bias { Kernels.addRowBias(bias, to: y) }
        }
        let saved = SavedTensor(x)
        return record(y, parameters: [weight] + (bias.map { [$0] } ?? []), part: .attention) { gradient in
            let target = weight.takeGradientMatrix()
            let x = saved.tensor
            withExtendedLifetime(x) {
                OneDNN.multiply(gradient.rows.transposed, x.rows, into: target.matrix, adds: target.adds)
            }
            if let bias { Kernels.accumulateColumnSums(gradient, into: bias) }
            saved.node?.receive(shape: saved.shape) { dx, adds in
                OneDNN.multiply(gradient.rows, weight.valueMatrix, into: dx.rows, adds: adds)
            }
        }
    }
}
