extension Tape {
    /// Scaled dot-product attention: softmax(q k^T / sqrt(C / heads)) v, head by head.
    ///
    /// Vaswani et al. 2017, equation 1. Head h of a token is its channels h C / heads ..< (h + 1) C / heads.
    ///
    /// - Parameters:
    ///   - query: Shape (N, T, C).
    ///   - key: Shape (N, S, C).
    ///   - value: Shape (N, S, C).
    ///   - heads: Number of heads; divides C.
    /// - Returns: Shape (N, T, C).
    /// - Complexity: 4 N T S C floating-point operations; keeps N heads T S floats for the backward pass.
    public func attention(query: Tensor, key: Tensor, value: Tensor, heads: Int) -> Tensor {
        precondition(
            query.shape.count == 3 && key.shape.count == 3 && key.shape == value.shape
                && query.shape[0] == key.shape[0] && query.shape[2] == key.shape[2],
            "attention of query \(query.shape), key \(key.shape) and value \(value.shape)")
        let (items, queries, channels, keys) = (query.shape[0], query.shape[1], query.shape[2], key.shape[1])
        precondition(heads > 0 && channels % heads == 0, "\(heads) heads do not divide \(channels) channels")
        let scale = Float(1 / Double(channels / heads).squareRoot())
        let y = Tensor(uninitialized: query.shape)
        let probabilities = Tensor(uninitialized: [items, heads * queries, keys])
        times.measure(.attention) {
            for item in 0..<items {
                for head in 0..<heads {
                    OneDNN.multiply(
                        query.head(head, of: heads, item: item), key.head(head, of: heads, item: item).transposed,
                        into: probabilities.attentionWeights(head, of: heads, item: item))
                }
            }
            Kernels.softmaxRows(probabilities, scale: scale)
            for item in 0..<items {
                for head in 0..<heads {
                    OneDNN.multiply(
                        probabilities.attentionWeights(head, of: heads, item: item),
                        value.head(head, of: heads, item: item), into: y.head(head, of: heads, item: item))
                }
            }
        }
        return record(y, from: query, key, value, part: .attention) { gradient in
            let backward = AttentionBackward(
                query: query, key: key, value: value, heads: heads, scale: scale, probabilities: probabilities)
            backward.run(gradient)
        }
    }
}

/// The gradients of attention: with P = softmax(scale q k^T) and y = P v,
/// dv = P^T dy, dP = dy v^T, dS = scale P (dP - rowsum(P dP)), dq = dS k, dk = dS^T q.
private struct AttentionBackward {
    let query: Tensor
    let key: Tensor
    let value: Tensor
    let heads: Int
    let scale: Float
    let probabilities: Tensor

    func run(_ gradient: Tensor) {
        let dScores = Tensor(uninitialized: probabilities.shape)
        forEachHead { head, item in
            OneDNN.multiply(
                gradient.head(head, of: heads, item: item), value.head(head, of: heads, item: item).transposed,
                into: dScores.attentionWeights(head, of: heads, item: item))
        }
        if let node = value.node {
            let dValue = Tensor(uninitialized: value.shape)
            forEachHead { head, item in
                OneDNN.multiply(
                    probabilities.attentionWeights(head, of: heads, item: item).transposed,
                    gradient.head(head, of: heads, item: item), into: dValue.head(head, of: heads, item: item))
            }
            node.receive(dValue)
        }
        Kernels.softmaxRowsBackward(probabilities: probabilities, gradient: dScores, scale: scale)
        if let node = query.node {
            let dQuery = Tensor(uninitialized: query.shape)
            forEachHead { head, item in
                OneDNN.multiply(
                    dScores.attentionWeights(head, of: heads, item: item), key.head(head, of: heads, item: item),
                    into: dQuery.head(head, of: heads, item: item))
            }
            node.receive(dQuery)
        }
        if let node = key.node {
            let dKey = Tensor(uninitialized: key.shape)
            forEachHead { head, item in
                OneDNN.multiply(
                    dScores.attentionWeights(head, of: heads, item: item).transposed,
                    query.head(head, of: heads, item: item), into: dKey.head(head, of: heads, item: item))
            }
            node.receive(dKey)
        }
    }

    private func forEachHead(_ body: (_ head: Int, _ item: Int) -> Void) {
        for item in 0..<query.shape[0] {
            for head in 0..<heads { body(head, item) }
        }
    }
}
