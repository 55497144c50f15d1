extension Tape {
    /// The mean of (prediction - target)^2 over all values.
    ///
    /// - Parameters:
    ///   - prediction: Any shape.
    ///   - target: The shape of `prediction`; no gradient flows into it.
    /// - Returns: A scalar, shape [].
    public func meanSquaredError(_ prediction: Tensor, _ target: Tensor) -> Tensor {
        precondition(
            prediction.shape == target.shape,
            "prediction \(prediction.shape) and target \(target.shape) differ in shape")
        let count = Double(prediction.count)
        let loss = Tensor([Float(Kernels.squaredDifference(prediction, target) / count)], shape: [])
        return record(loss, from: prediction) { gradient in
            let dx = Tensor(uninitialized: prediction.shape)
            let factor = Float(2 * Double(gradient.scalars[0]) / count)
            Kernels.scaledDifference(prediction, target, factor: factor, into: dx)
            prediction.node?.receive(dx)
        }
    }
}
