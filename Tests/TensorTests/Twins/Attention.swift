import Glibc

extension Twin {
    /// out[r, o] = bias[o] + sum over i of x[r, i] weight[o, i].
    static func linear(
        _ x: [Double], rows: Int, inputs: Int, weight: [Double], outputs: Int, bias: [Double]? = nil
    ) -> [Double] {
        precondition(x.count == rows * inputs && weight.count == outputs * inputs, "sizes do not match")
        var out = [Double](repeating: 0, count: rows * outputs)
        for r in 0..<rows {
            for o in 0..<outputs {
                var sum = bias?[o] ?? 0
                for i in 0..<inputs { sum += x[r * inputs + i] * weight[o * inputs + i] }
                out[r * outputs + o] = sum
            }
        }
        return out
    }

    /// The softmax of `scale x` along each row.
    static func softmax(_ x: [Double], rows: Int, columns: Int, scale: Double = 1) -> [Double] {
        var out = [Double](repeating: 0, count: rows * columns)
        for r in 0..<rows {
            let row = x[r * columns..<(r + 1) * columns].map { scale * $0 }
            let top = row.max() ?? 0
            let total = row.reduce(0) { $0 + exp($1 - top) }
            for c in 0..<columns { out[r * columns + c] = exp(row[c] - top) / total }
        }
        return out
    }

    /// softmax(q k^T / sqrt(C / heads)) v for each image and head; query (N, T, C), key and value (N, S, C), the heads side
    /// by side in C.
    static func attention(
        query: [Double], key: [Double], value: [Double], images: Int, queries: Int, keys: Int, channels: Int,
        heads: Int
    ) -> [Double] {
        let width = channels / heads
        var out = [Double](repeating: 0, count: images * queries * channels)
        for n in 0..<images {
            for h in 0..<heads {
                func queryIndex(_ token: Int, _ k: Int) -> Int { (n * queries + token) * channels + h * width + k }
                func keyIndex(_ token: Int, _ k: Int) -> Int { (n * keys + token) * channels + h * width + k }
                var scores = [Double](repeating: 0, count: queries * keys)
                for i in 0..<queries {
                    for j in 0..<keys {
                        for k in 0..<width {
                            scores[i * keys + j] += query[queryIndex(i, k)] * key[keyIndex(j, k)]
                        }
                    }
                }
                let weights = softmax(scores, rows: queries, columns: keys, scale: 1 / Double(width).squareRoot())
                for i in 0..<queries {
                    for j in 0..<keys {
                        for k in 0..<width { out[queryIndex(i, k)] += weights[i * keys + j] * value[keyIndex(j, k)] }
                    }
                }
            }
        }
        return out
    }

    /// (N, C, H, W) to (N, H W, C).
    static func tokens(_ x: Images) -> [Double] {
        var out = [Double]()
        for n in 0..<x.images {
            for p in 0..<x.pixels {
                for c in 0..<x.channels { out.append(x.values[(n * x.channels + c) * x.pixels + p]) }
            }
        }
        return out
    }
}
