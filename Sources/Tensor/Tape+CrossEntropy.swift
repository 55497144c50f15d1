#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension Tape {
    /// The mean cross-entropy of class scores: mean over rows n of log(sum over c of exp(x[n, c])) - x[n, label n].
    ///
    /// - Parameters:
    ///   - x: Scores before the softmax, shape (..., classes) with N rows.
    ///   - labels: The right class of each row, N numbers in 0..<classes.
    /// - Returns: A scalar, shape [].
    public func crossEntropy(_ x: Tensor, labels: [Int]) -> Tensor {
        let (rows, classes) = (labels.count, x.shape.last ?? 1)
        precondition(
            x.layout == .plain && x.count == rows * classes, "\(rows) labels for scores of shape \(x.shape)")
        var probabilities = x.scalars
        var sum = 0.0
        for (row, label) in labels.enumerated() {
            precondition((0..<classes).contains(label), "there is no class \(label) among \(classes)")
            let range = row * classes..<(row + 1) * classes
            // The largest score is taken off first, so that no exponential overflows.
            let logarithm = Self.logarithmOfSum(probabilities[range])
            sum += logarithm - Double(probabilities[range.lowerBound + label])
            for index in range { probabilities[index] = Float(exp(Double(probabilities[index]) - logarithm)) }
        }
        let loss = Tensor([Float(sum / Double(rows))], shape: [])
        let (node, shape) = (x.node, x.shape)
        return record(loss, from: x) { gradient in
            let factor = gradient.scalars[0] / Float(rows)
            var dx = probabilities.map { $0 * factor }
            for (row, label) in labels.enumerated() { dx[row * classes + label] -= factor }
            node?.receive(Tensor(dx, shape: shape))
        }
    }

    private static func logarithmOfSum(_ scores: ArraySlice<Float>) -> Double {
        let largest = Double(scores.max() ?? 0)
        return largest + log(scores.reduce(0) { $0 + exp(Double($1) - largest) })
    }
}
