extension Tape {
    /// The mean of every channel over the pixels: global average pooling. Lin, Chen and Yan 2013 (arXiv 1312.4400).
    ///
    /// - Parameter x: Images, shape (N, C, H, W).
    /// - Returns: Shape (N, C).
    public func averagePixels(_ x: Tensor) -> Tensor {
        precondition(x.shape.count == 4, "pixels are averaged over images (N, C, H, W), not \(x.shape)")
        let factor = 1 / Float(x.shape[2] * x.shape[3])
        let y = Tensor(uninitialized: Array(x.shape.prefix(2)))
        Kernels.channelSums(x, into: y)
        Kernels.scale(y, by: factor, into: y)
        let (node, shape) = (x.node, x.shape)
        return record(y, from: x) { gradient in
            let share = gradient.reusableForResult()
            Kernels.scale(gradient, by: factor, into: share)
            let dx = Tensor.zeros(shape)
            Kernels.addToChannels(share, in: dx)
            node?.receive(dx)
        }
    }
}
