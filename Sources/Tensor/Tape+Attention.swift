extension Tape {
    /// Scaled dot-product attention: softmax(q k^T / sqrt(C / heads)) v, head by head.
    ///
    /// Vaswani et al. 2017, equation 1. Head h of a token is its channels h C / heads ..< (h + 1) C / heads.
    /// The probabilities of one image exist at a time, small enough for the processor's cache; the backward pass makes
    /// them again.
    ///
    /// - Parameters:
    ///   - query: Shape (N, T, C).
    ///   - key: Shape (N, S, C).
    ///   - value: Shape (N, S, C).
    ///   - heads: Number of heads; divides C.
    /// - Returns: Shape (N, T, C).
    /// - Complexity: 4 N T S C floating-point operations forwards, 10 N T S C backwards.
    public func attention(query: Tensor, key: Tensor, value: Tensor, heads: Int) -> Tensor {
        precondition(
            query.shape.count == 3 && key.shape.count == 3 && key.shape == value.shape
                && query.shape[0] == key.shape[0] && query.shape[2] == key.shape[2],
            "attention of query \(query.shape), key \(key.shape) and value \(value.shape)")
        precondition(
            heads > 0 && query.shape[2] % heads == 0, "\(heads) heads do not divide \(query.shape[2]) channels")
        let attention = Attention(query: query, key: key, value: value, heads: heads)
        let y = times.measure(.attention) { attention.forward() }
        return record(y, from: query, key, value, part: .attention) { gradient in
            attention.backward(gradient)
        }
    }
}

/// Attention and its gradients: with P = softmax(scale q k^T) and y = P v,
/// dv = P^T dy, dP = dy v^T, dS = scale P (dP - rowsum(P dP)), dq = dS k, dk = dS^T q.
private struct Attention {
    let query: Tensor
    let key: Tensor
    let value: Tensor
    let heads: Int

    private var scale: Float { Float(1 / Double(query.shape[2] / heads).squareRoot()) }

    /// Room for one number for each pair of tokens of one image, for each head.
    private func pairs() -> Tensor { Tensor(uninitialized: [1, heads * query.shape[1], key.shape[1]]) }

    /// The probabilities of one image.
    private func computeProbabilities(of item: Int, into probabilities: Tensor) {
        for head in 0..<heads {
            OneDNN.multiply(
                query.head(head, of: heads, item: item), key.head(head, of: heads, item: item).transposed,
                into: probabilities.attentionWeights(head, of: heads, item: 0))
        }
        Kernels.softmaxRows(probabilities, scale: scale)
    }

    func forward() -> Tensor {
        let (y, probabilities) = (Tensor(uninitialized: query.shape), pairs())
        for item in 0..<query.shape[0] {
            computeProbabilities(of: item, into: probabilities)
            for head in 0..<heads {
                OneDNN.multiply(
                    probabilities.attentionWeights(head, of: heads, item: 0),
                    value.head(head, of: heads, item: item), into: y.head(head, of: heads, item: item))
            }
        }
        return y
    }

    func backward(_ gradient: Tensor) {
        let (probabilities, dScores) = (pairs(), pairs())
        let dQuery = query.node.map { _ in Tensor(uninitialized: query.shape) }
        let dKey = key.node.map { _ in Tensor(uninitialized: key.shape) }
        let dValue = value.node.map { _ in Tensor(uninitialized: value.shape) }
        for item in 0..<query.shape[0] {
            computeProbabilities(of: item, into: probabilities)
            for head in 0..<heads {
                let dy = gradient.head(head, of: heads, item: item)
                OneDNN.multiply(
                    dy, value.head(head, of: heads, item: item).transposed,
                    into: dScores.attentionWeights(head, of: heads, item: 0))
                if let dValue {
                    OneDNN.multiply(
                        probabilities.attentionWeights(head, of: heads, item: 0).transposed, dy,
                        into: dValue.head(head, of: heads, item: item))
                }
            }
            Kernels.softmaxRowsBackward(probabilities: probabilities, gradient: dScores, scale: scale)
            for head in 0..<heads {
                let dS = dScores.attentionWeights(head, of: heads, item: 0)
                if let dQuery {
                    OneDNN.multiply(
                        dS, key.head(head, of: heads, item: item), into: dQuery.head(head, of: heads, item: item))
                }
                if let dKey {
                    OneDNN.multiply(
                        dS.transposed, query.head(head, of: heads, item: item),
                        into: dKey.head(head, of: heads, item: item))
                }
            }
        }
        for (tensor, result) in [(value, dValue), (query, dQuery), (key, dKey)] {
            if let result { tensor.node?.receive(result) }
        }
    }
}
