extension Tensor {
    /// A plain tensor as a matrix: the last axis is the columns.
    var rows: OneDNN.Matrix {
        let columns = shape.last ?? 1
        return OneDNN.Matrix(elements: elements, rows: count / columns, columns: columns, stride: columns)
    }

    /// Tokens (N, T, C): the (T, C / heads) matrix of one head of one item.
    func head(_ head: Int, of heads: Int, item: Int) -> OneDNN.Matrix {
        let (tokens, channels) = (shape[1], shape[2])
        let width = channels / heads
        return OneDNN.Matrix(
            elements: elements + item * tokens * channels + head * width, rows: tokens, columns: width, stride: channels
        )
    }

    /// Attention weights (N, heads T, S): the (T, S) matrix of one head of one item.
    func attentionWeights(_ head: Int, of heads: Int, item: Int) -> OneDNN.Matrix {
        let (rows, columns) = (shape[1] / heads, shape[2])
        return OneDNN.Matrix(
            elements: elements + (item * heads + head) * rows * columns, rows: rows, columns: columns, stride: columns)
    }
}

extension Parameter {
    /// The values of a linear layer's weight.
    var valueMatrix: OneDNN.Matrix {
        OneDNN.Matrix(elements: unsafeValues, rows: shape[0], columns: shape[1], stride: shape[1])
    }

    /// The place for the gradient of a linear layer's weight, and whether to add to it.
    func takeGradientMatrix() -> (matrix: OneDNN.Matrix, adds: Bool) {
        let target = takeUnsafeGradient()
        let matrix = OneDNN.Matrix(elements: target.elements, rows: shape[0], columns: shape[1], stride: shape[1])
        return (matrix, target.adds)
    }
}
